"""A front of the GCS and BigQuery emulators that asks for credentials and permissions as Google does."""

from __future__ import annotations

import contextlib
import http.client
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from .google_accounts import Accounts
from .google_permissions import Need, denied, is_bigquery, need, unauthenticated
from .in_process import Answer, Request, http_server, json_answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60.0
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
    requests: list[Call] = field(default_factory=list)

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

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/token":
            return self.accounts.answer_token(request)
        email = self.accounts.email(request.bearer)
        if email is None:
            return unauthenticated(request)
        self.requests.append(Call(email, request.method, request.path))
        for needed in _needs(request):
            if not self.accounts.may(email, needed.permission):
                return denied(request, email, needed)
        return _forward(self._upstreams["bigquery" if is_bigquery(request.path) else "gcs"], request)


@contextlib.contextmanager
def running(*, gcs_url: str = "", bigquery_url: str = "") -> Iterator[Front]:
    """Serve for a while, in a thread; yields the front."""
    front = Front({"gcs": gcs_url, "bigquery": bigquery_url})
    server = http_server(front.answer)
    front.url = f"http://127.0.0.1:{server.port}"
    front.accounts.token_uri = f"{front.url}/token"
    with serving(server):
        yield front


def _needs(request: Request) -> list[Need]:
    """Return what a call needs; a load job needs more than the path tells."""
    needed = need(request.method, request.path)
    if needed is None:
        return []
    if needed.permission != "bigquery.jobs.create":
        return [needed]
    return [needed, *_needs_of_load(request)]


def _needs_of_load(request: Request) -> list[Need]:
    """Return what a load job needs of its table and of its files.

    (BigQuery takes the job and lets it fail; to a client that waits for the job this is the same.)
    """
    with contextlib.suppress(ValueError):
        load: Any = json.loads(request.body).get("configuration", {}).get("load")
        if load:
            table = load["destinationTable"]
            dataset = {"project": table["projectId"], "dataset": table["datasetId"]}
            files = [Need("storage.objects.get", {"file": uri}) for uri in load.get("sourceUris", [])]
            return [Need("bigquery.tables.create", dataset), *files]
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
