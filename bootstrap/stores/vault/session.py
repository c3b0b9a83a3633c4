"""A Vault log-in that many threads share and that is renewed as long as they need it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bootstrap.errors import Conflict, Denied
from bootstrap.stores.vault.client import translate
from bootstrap.util.retrying import retried

if TYPE_CHECKING:
    import hvac

Connect: TypeAlias = "Callable[[], hvac.Client]"
Login: TypeAlias = "Callable[[hvac.Client], Mapping[str, Any] | None]"

LOOK_UP_AFTER = 30.0  # seconds after which the lease of a token that we were given is asked for
_BELIEVED = 5.0  # seconds for which a token that was valid is taken to be


@dataclass(frozen=True)
class Act:
    """A request: what it is about, and the `capability` on the API's `path` that a policy must allow for it."""

    where: str
    capability: str
    path: str
    writes: bool = False
    conflict: Conflict | None = None


@dataclass(frozen=True)
class Lease:
    """How long a token is valid; `seconds` 0: forever, or unknown."""

    seconds: float = 0.0
    renewable: bool = False
    since: float = 0.0

    @property
    def left(self) -> float:
        """Seconds."""
        return self.since + self.seconds - time.monotonic() if self.seconds else float("inf")

    @property
    def is_ending(self) -> bool:
        """True if less than a third is left."""
        return self.left < self.seconds / 3


class Session:
    """`connect` makes a client, and no request; `login` gives it a token and returns the log-in's answer.

    A token that comes from elsewhere is read again by `login`, which returns None for it.
    """

    def __init__(self, name: str, connect: Connect, login: Login) -> None:
        self.name = name
        self._connect = connect
        self._login = login
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._number = 0  # of log-ins
        self._lease = Lease()
        self._known_lease = False
        self._refusal: Denied | None = None
        self._valid_until = 0.0
        self._hopeless = False  # a new token was refused, too

    @property
    def client(self) -> hvac.Client:
        """The client, with a token that is valid as far as one knows. Raises Denied, Unavailable."""
        with self._lock:
            if self._client is None:
                client = translate(self._where, self._connect)
                self._log_in(client)
                self._client = client
            elif self._lease.is_ending:
                self._prolong(self._client)
            elif not self._known_lease and time.monotonic() - self._lease.since > LOOK_UP_AFTER:
                self._look_up(self._client)
            return self._client

    def ask(self, act: Act, send: Callable[[hvac.Client], Any]) -> Mapping[str, Any]:
        """What the server answers; tried again where that may help. Raises one of the four failures, or Conflict."""
        import hvac.exceptions

        client, number = self.client, self._number
        try:
            answer = translate(act.where, lambda: self._send(client, act, send, number), conflict=act.conflict)
        except Denied as err:
            if isinstance(err.__cause__, hvac.exceptions.Forbidden):
                raise self._explained(client, act, err) from err.__cause__
            raise
        return answer if isinstance(answer, dict) else {}

    @property
    def _where(self) -> str:
        return f"store {self.name}"

    def _send(self, client: hvac.Client, act: Act, send: Callable[[hvac.Client], Any], number: int) -> Any:
        """Vault answers 403 for a token that has expired, as for a path that the token may not see."""
        import hvac.exceptions

        from bootstrap.stores.vault.http import patience

        try:
            return retried(lambda: send(client), patience(writes=act.writes))
        except hvac.exceptions.Forbidden:
            if not self._logged_in_again(client, number):
                raise
        try:
            return retried(lambda: send(client), patience(writes=act.writes))
        except hvac.exceptions.Forbidden:
            with self._lock:
                self._hopeless = not self._is_valid(client)
            raise

    def _logged_in_again(self, client: hvac.Client, number: int) -> bool:
        """True if there is another token than at the `number`th log-in, because that one was no longer valid."""
        with self._lock:
            if self._number != number:
                return True
            if self._hopeless or self._is_valid(client):
                return False
            before = client.token
            self._log_in(client)
            return bool(client.token != before)

    def _log_in(self, client: hvac.Client) -> None:
        """Log in once. A refusal is final: logging in again for each secret could lock an account."""
        from bootstrap.stores.vault.http import patience

        if self._refusal is not None:
            raise Denied(self._refusal.message, self._refusal.hint)
        started = time.monotonic()
        try:
            auth = translate(
                self._where, lambda: retried(lambda: self._login(client), patience(writes=True)), login=True
            )
        except Denied as err:
            self._refusal = err
            raise
        self._number += 1
        self._known_lease = auth is not None
        self._lease = _lease(auth, started) if auth is not None else Lease(since=started)

    def _prolong(self, client: hvac.Client) -> None:
        """Renew the token, if that makes it last longer; else wait for its end, and log in anew then."""
        if self._lease.renewable:
            started, left = time.monotonic(), self._lease.left
            auth = _try(lambda: client.auth.token.renew_self()["auth"])
            if auth and (renewed := _lease(auth, started)).left > left:
                self._lease = renewed
                return
            self._lease = Lease(self._lease.seconds, since=self._lease.since)  # no longer renewable
        if self._lease.left <= 0:
            self._log_in(client)

    def _look_up(self, client: hvac.Client) -> None:
        self._known_lease = True
        now = time.monotonic()
        data = _try(lambda: client.auth.token.lookup_self()["data"])
        if data and data.get("ttl"):
            whole = float(data.get("period") or data.get("creation_ttl") or data["ttl"])
            self._lease = Lease(whole, bool(data.get("renewable")), now + data["ttl"] - whole)

    def _is_valid(self, client: hvac.Client) -> bool:
        """True if the token can look itself up, as Vault's default policy allows."""
        now = time.monotonic()
        if now > self._valid_until and _try(client.auth.token.lookup_self):
            self._valid_until = now + min(_BELIEVED, max(self._lease.left, 0.0))
        return now < self._valid_until

    def _explained(self, client: hvac.Client, act: Act, err: Denied) -> Denied:
        namespace = client.adapter.namespace
        policy = f"in the credential's policy{f', namespace {namespace}' if namespace else ''}"
        allow = f'allow "{act.capability}" on {act.path} {policy}'
        with self._lock:
            valid = self._is_valid(client)
        return Denied(err.message, allow if valid else f"check that the credential is valid, or {allow}")


def _lease(auth: Mapping[str, Any], since: float) -> Lease:
    return Lease(float(auth.get("lease_duration") or 0), bool(auth.get("renewable")), since)


def _try(ask: Callable[[], Any]) -> Any:
    """The answer, or None: it was only asked for to spare a failure, which the next request would show better."""
    import hvac.exceptions
    import requests

    try:
        return ask()
    except (hvac.exceptions.VaultError, requests.exceptions.RequestException, KeyError, TypeError):
        return None
