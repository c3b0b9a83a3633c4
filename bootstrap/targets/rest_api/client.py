"""Client of Airflow's REST API: finds out its version, and logs in."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from bootstrap.domain.connection import mask_login
from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied
from bootstrap.stores.credential import Credential
from bootstrap.targets.rest_api.errors import is_bad_token, refused
from bootstrap.util.files import expanded
from bootstrap.util.model import Model
from bootstrap.util.urls import checked

if TYPE_CHECKING:
    from bootstrap.targets.rest_api.transport import Reply, Transport

S = TypeVar("S")
T = TypeVar("T")

CONCURRENCY = 8  # requests at a time: an api-server has few workers
_LOGIN = "/auth/token"
_APIS = ("v2", "v1")  # Airflow 3, Airflow 2


class Options(Model):
    """Where Airflow's web interface is, and as whom: with a `token`, or with `login` and `password`.

    `ca_file` is a file of certificates that are trusted instead of the machine's; relative to the manifest's folder.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$"), AfterValidator(checked)]
    token: Credential | None = None
    login: Annotated[str, Field(min_length=1)] | None = None
    password: Credential | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.login is None) != (self.password is None):
            msg = "login and password belong together"
            raise ValueError(msg)
        if (self.token is None) == (self.login is None):
            msg = "expected either token, or login and password"
            raise ValueError(msg)
        return self


class Client:
    """One Airflow, for many threads; makes no request before it is asked for something.

    Every method raises NotFound, Denied, Unavailable, Malformed or Conflict, and nothing else that comes from the server.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        self.place = options.url.rstrip("/")
        self._options = options
        self._folder = folder
        self._lock = threading.Lock()
        self._authorization: str | None = None

    @cached_property
    def api(self) -> str:
        """`v2` of Airflow 3, or `v1` of Airflow 2."""
        for api in _APIS:
            reply = self._transport.send(self.place, "GET", f"/api/{api}/version", again=True)
            if reply.ok and isinstance(reply.document, dict) and "version" in reply.document:
                return api
            if reply.status != HTTPStatus.NOT_FOUND:
                break
        raise refused(self.place, reply.status, None)

    def get(self, path: str, what: str = "", **params: Any) -> dict[str, Any]:
        """The object that is there; `what` names it in errors."""
        return self._object("GET", path, what, params=params)

    def send(self, method: str, path: str, body: Any = None, what: str = "") -> dict[str, Any]:
        """Change something; returns the answer, empty where there is none."""
        return self._object(method, path, what, **({} if body is None else {"json": body}))

    def each(self, function: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """What `function` returns for each, some at a time."""
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="api") as pool:
            return list(pool.map(function, items))

    def close(self) -> None:
        """Hang up."""
        if "_transport" in self.__dict__:
            self._transport.close()

    def _object(self, method: str, path: str, what: str, **how: Any) -> dict[str, Any]:
        where = f"{self.place}: {what}" if what else self.place
        reply = self._asked(where, method, f"/api/{self.api}{path}", how)
        if reply.status == HTTPStatus.NO_CONTENT and method != "GET":
            return {}
        if reply.ok and isinstance(reply.document, dict):
            return reply.document
        raise refused(where, reply.status, reply.document)

    def _asked(self, where: str, method: str, path: str, how: dict[str, Any]) -> Reply:
        """A credential that has run out is read anew, or asked for, once."""
        known = self._signed_in(None)
        for last in (False, True):
            again = method == "GET"
            reply = self._transport.send(where, method, path, again=again, headers={"Authorization": known}, **how)
            expired = reply.status == HTTPStatus.UNAUTHORIZED or is_bad_token(reply.status, reply.document)
            if last or not expired:
                break
            known = self._signed_in(known)
        return reply

    def _signed_in(self, expired: str | None) -> str:
        """What the header Authorization says: another than `expired`, if there is another."""
        with self._lock:
            if self._authorization is None or self._authorization == expired:
                self._authorization = self._new_authorization()
            return self._authorization

    def _new_authorization(self) -> str:
        token, login, password = self._options.token, self._options.login, self._options.password
        if token is not None:
            return f"Bearer {self._read(token).reveal()}"
        assert login is not None  # noqa: S101  the model has checked it
        assert password is not None  # noqa: S101
        known = self._read(password).reveal()
        mask_login(login, known)
        if self.api == "v1":
            return f"Basic {b64encode(f'{login}:{known}'.encode()).decode()}"
        return f"Bearer {self._token(login, known).reveal()}"

    def _token(self, login: str, password: str) -> Secret:
        """What Airflow 3 gives for a password: a token for a day."""
        body = {"username": login, "password": password}
        reply = self._transport.send(self.place, "POST", _LOGIN, again=True, json=body)
        if reply.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            message = f"{self.place}: this Airflow's auth manager gives no token for a login and password"
            raise Denied(message, "give the target a `token` instead")
        found = reply.document.get("access_token") if reply.ok and isinstance(reply.document, dict) else None
        if isinstance(found, str) and found:
            return Secret(found)
        raise refused(self.place, reply.status, reply.document)

    def _read(self, credential: Credential) -> Secret:
        try:
            return credential.read("target api", self._folder)
        except Denied as err:
            raise Denied(err.message.removeprefix("store "), err.hint) from err

    @cached_property
    def _transport(self) -> Transport:
        from bootstrap.targets.rest_api.transport import Transport

        ca_file = self._options.ca_file
        trusted = str((self._folder / expanded(ca_file)).absolute()) if ca_file else None
        return Transport(self.place, trusted, CONCURRENCY)
