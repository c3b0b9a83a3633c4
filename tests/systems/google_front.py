"""A front of the GCS and BigQuery emulators, and of IAM, that asks for credentials and permissions as Google does."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from .google_accounts import Accounts
from .google_iam import Iam
from .google_permissions import Need, denied, is_bigquery, need, unauthenticated
from .in_process import Answer, Request, http_server, json_answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60.0
_CREATE_TABLE = re.compile(r"CREATE TABLE `(\w+)`\.")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Call(NamedTuple):
    """A call that reached an emulator or was denied; `path` has no query."""

    email: str
    method: str
    path: str


@dataclass
class Front:
    """A running front. An account may do everything until it is denied something."""

    _upstreams: dict[str, str]
    url: str = ""
    accounts: Accounts = field(default_factory=Accounts)
    iam: Iam = field(init=False)
    requests: list[Call] = field(default_factory=list)
    _hanging: set[tuple[str, str]] = field(default_factory=set)
    _refusals: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.iam = Iam(self.accounts)

    @property
    def gcs_url(self) -> str:
        """For STORAGE_EMULATOR_HOST."""
        return self.url

    @property
    def bigquery_url(self) -> str:
        """For BIGQUERY_EMULATOR_HOST."""
        return self.url

    def service_account(
        self, email: str = "airflow@proj.iam.gserviceaccount.com", project: str = "proj"
    ) -> dict[str, str]:
        """Return a new key of this account, made at need: a keyfile_dict."""
        return self.accounts.service_account(email, project)

    def delete_key(self, key_id: str) -> None:
        """Forget the key with this private_key_id."""
        self.accounts.delete_key(key_id)

    def deny(self, email: str, permission: str) -> None:
        """Take an IAM permission, such as "storage.objects.create", from an account."""
        self.accounts.deny(email, permission)

    def allow(self, email: str, permission: str) -> None:
        """Give a permission back."""
        self.accounts.allow(email, permission)

    def hang(self, email: str, permission: str) -> None:
        """Take this account's calls that need the permission, and never answer them; nothing is done."""
        self._hanging.add((email, permission))

    def answer_again(self, email: str, permission: str) -> None:
        """Answer these calls from now on; those that hang go on hanging."""
        self._hanging.discard((email, permission))

    def refuse(self, email: str, permission: str, answer: Answer) -> None:
        """Give this account's calls that need the permission an answer of Google's other than a denied permission."""
        self._refusals[email, permission] = answer

    def stop(self) -> None:
        """Let go of the calls that hang."""
        self._stopping.set()

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/token":
            return self.accounts.answer_token(request)
        email = self.accounts.email(request.bearer)
        if email is None:
            return unauthenticated(request)
        self.requests.append(Call(email, request.method, request.path))
        for needed in self.iam.needs(request) or _needs(request):
            if not self.accounts.may(email, needed.permission):
                return self.iam.denied(needed) if self.iam.needs(request) else denied(request, email, needed)
            if (email, needed.permission) in self._hanging:
                self._stopping.wait()
            if refusal := self._refusals.get((email, needed.permission)):
                return refusal
        if self.iam.needs(request):
            return self.iam.answer(request)
        return _forward(self._upstreams["bigquery" if is_bigquery(request.path) else "gcs"], request)


@contextlib.contextmanager
def running(*, gcs_url: str = "", bigquery_url: str = "") -> Iterator[Front]:
    """Serve for a while, in a thread; yields the front."""
    front = Front({"gcs": gcs_url, "bigquery": bigquery_url})
    server = http_server(front.answer)
    front.url = f"http://127.0.0.1:{server.port}"
    front.accounts.token_uri = f"{front.url}/token"
    with serving(server):
        try:
            yield front
        finally:
            front.stop()


def _needs(request: Request) -> list[Need]:
    """Return what a call needs; a load job needs more than the path tells."""
    needed = need(request.method, request.path)
    if needed is None:
        return []
    if needed.permission != "bigquery.jobs.create":
        return [needed]
    return [needed, *_needs_of_job(request)]


def _needs_of_job(request: Request) -> list[Need]:
    """Return what a job needs of the table that it writes and of the files that it loads.

    (BigQuery takes a load job and lets it fail; to a client that waits for the job this is the same.)
    """
    with contextlib.suppress(ValueError):
        configuration: Any = json.loads(request.body).get("configuration", {})
        load, query = configuration.get("load"), configuration.get("query", {}).get("query", "")
        if load:
            table = load["destinationTable"]
            dataset = {"project": table["projectId"], "dataset": table["datasetId"]}
            files = [Need("storage.objects.get", {"file": uri}) for uri in load.get("sourceUris", [])]
            return [Need("bigquery.tables.create", dataset), *files]
        if made := _CREATE_TABLE.match(query):
            project = request.path.partition("/projects/")[2].partition("/")[0]
            return [Need("bigquery.tables.create", {"project": project, "dataset": made[1]})]
    return []


def _forward(upstream: str, request: Request) -> Answer:
    """Pass a request on, with its Host: the emulators put that into the addresses that they return."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=_SECONDS)
    try:
        connection.request(request.method, request.target, request.body or None, headers)
        reply = connection.getresponse()
        body = reply.read()
    except OSError as error:
        return json_answer(HTTPStatus.BAD_GATEWAY, {"error": {"code": 502, "message": f"{upstream}: {error}"}})
    finally:
        connection.close()
    return Answer(reply.status, body, [each for each in reply.getheaders() if each[0].lower() not in _HOP_BY_HOP])
