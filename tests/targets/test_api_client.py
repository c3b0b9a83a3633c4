"""The client of Airflow's REST API: what answers that is no Airflow, and what no message may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.domain import secret
from bootstrap.errors import Conflict, Denied, Malformed, NotFound, StoreError, Unavailable
from bootstrap.manifest.loader import load
from bootstrap.targets.rest_api.client import Client, Options
from tests.project import ROOT
from tests.systems import certificates, faulty
from tests.systems.faulty import STRANGERS
from tests.systems.in_process import Answer, Request, http_server, json_answer, serving
from tests.systems.process import HOST

CANARY = "a-canary-of-a-secret"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", f"token-{CANARY}")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def client(url: str, folder: Path, **more: Any) -> Client:
    return Client(Options.model_validate({"url": url, "token": {"env": "API_TOKEN"}, **more}), folder)


@contextmanager
def answering(status: int, document: object, **headers: str) -> Iterator[tuple[str, list[Request]]]:
    """An Airflow 3 that answers so whatever it is asked, but for its version."""
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        if request.path == "/api/v2/version":
            return json_answer(200, {"version": "3.3.2"})
        found = json_answer(status, document)
        return Answer(found.status, found.body, [*found.headers, *headers.items()])

    with serving(http_server(answer)) as port:
        yield f"http://{HOST}:{port}", asked


@pytest.mark.parametrize(("status", "content_type", "text"), STRANGERS)
def test_what_is_no_airflow_is_never_a_missing_connection(
    tmp_path: Path, status: int, content_type: str, text: str
) -> None:
    with faulty.stranger(status, content_type, text) as url, pytest.raises((Unavailable, Denied)) as raised:
        client(url, tmp_path).get("/connections/a")
    assert isinstance(raised.value, Denied) == (status in {401, 403})
    assert url in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Unavailable),
        (400, Malformed),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (409, Conflict),
        (422, Malformed),
        (500, Unavailable),
        (504, Unavailable),
    ],
)
def test_each_status_is_its_own_failure_and_the_answer_is_not_quoted(
    tmp_path: Path, status: int, kind: type[StoreError]
) -> None:
    detail = [{"loc": ["body", "port"], "msg": CANARY, "input": CANARY}] if status == 422 else CANARY
    with answering(status, {"detail": detail}) as (url, asked), pytest.raises(StoreError) as raised:
        client(url, tmp_path).send("PATCH", "/connections", {"a": CANARY}, "connection a")
    assert isinstance(raised.value, kind)
    assert CANARY not in raised.value.message + raised.value.hint
    assert "connection a" in raised.value.message
    assert ("port" in raised.value.message) == (status == 422)
    assert sum(request.method == "PATCH" for request in asked) == (2 if status == 401 else 1)


def test_a_quota_that_lasts_longer_than_anybody_waits_is_unavailable(tmp_path: Path) -> None:
    with (
        answering(429, {"detail": "slow down"}, **{"Retry-After": "3600"}) as (url, _),
        pytest.raises(Unavailable, match="too many requests"),
    ):
        client(url, tmp_path).get("/connections")


def test_no_redirect_is_followed_with_the_credential(tmp_path: Path) -> None:
    with (
        answering(200, {}) as (elsewhere, asked),
        answering(307, {}, Location=f"{elsewhere}/api/v2/connections") as (url, _),
        pytest.raises(Unavailable, match="HTTP 307"),
    ):
        client(url, tmp_path).get("/connections")
    assert asked == []


def test_who_listens_nowhere_or_without_tls_is_unavailable(tmp_path: Path) -> None:
    with faulty.refused() as (host, port), pytest.raises(Unavailable, match="can't reach the server"):
        client(f"http://{host}:{port}", tmp_path).get("/connections")
    with faulty.plain_http() as (host, port), pytest.raises(Unavailable, match="no TLS"):
        client(f"https://{host}:{port}", tmp_path).get("/connections")
    with faulty.self_signed_tls() as (host, port), pytest.raises(Unavailable, match="no TLS") as raised:
        client(f"https://{host}:{port}", tmp_path).get("/connections")
    assert "ca_file" in raised.value.hint


def test_a_certificate_of_ones_own_authority_is_trusted_by_its_file(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    trusted = json_answer(200, {"version": "3.3.2", "connections": [], "total_entries": 0})
    with serving(http_server(lambda _: trusted, made.valid.context())) as port:
        found = client(f"https://{HOST}:{port}", tmp_path, ca_file=made.ca.name).get("/connections")
    assert found["total_entries"] == 0


@pytest.mark.parametrize("text", ["line\nbreak", "snow☃man"])
def test_a_token_that_can_be_none_is_denied_and_not_shown(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", f"{CANARY}{text}")
    with answering(200, {}) as (url, _), pytest.raises(Denied) as raised:
        client(url, tmp_path).get("/connections")
    assert CANARY not in str(raised.value)


def test_a_credential_that_is_not_there_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_TOKEN")
    with answering(200, {}) as (url, _), pytest.raises(Denied, match=r"^target api: \$API_TOKEN is not set"):
        client(url, tmp_path).get("/connections")


def test_a_token_in_a_file_is_read_anew_when_it_has_run_out(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    def answer(request: Request) -> Answer:
        if request.path == "/api/v2/version":
            return json_answer(200, {"version": "3.3.2"})
        if request.bearer == "new":
            return json_answer(200, {"ok": True})
        file.write_text("new")
        return json_answer(401, {"detail": "Token Expired"})

    with serving(http_server(answer)) as port:
        options = Options.model_validate({"url": f"http://{HOST}:{port}", "token": {"file": "token"}})
        assert Client(options, tmp_path).get("/connections") == {"ok": True}


def test_an_auth_manager_that_gives_no_token_is_told(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(CANARY)
    with answering(404, {"detail": "Not Found"}) as (url, _):
        options = Options.model_validate({"url": url, "login": "a", "password": {"file": "password"}})
        with pytest.raises(Denied, match="gives no token") as raised:
            Client(options, tmp_path).get("/connections")
    assert "`token`" in raised.value.hint


def test_what_is_sent_as_a_credential_is_masked(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(CANARY)
    with answering(200, {"access_token": "a-token-of-airflow"}) as (url, _):
        options = Options.model_validate({"url": url, "login": "a", "password": {"file": "password"}})
        Client(options, tmp_path).get("/connections")
    assert secret.redact(json.dumps([CANARY, "a-token-of-airflow"])) == '["***", "***"]'


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://a"},
        {"url": "http://a", "login": "l"},
        {"url": "http://a", "password": {"env": "P"}},
        {"url": "http://a", "login": "l", "password": {"env": "P"}, "token": {"env": "T"}},
        {"url": "http://user:password@a", "token": {"env": "T"}},
        {"url": "a", "token": {"env": "T"}},
        {"url": "http://a", "token": CANARY},
    ],
)
def test_options_that_can_not_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        Options.model_validate(options)
    assert CANARY not in str(raised.value)


def test_the_manifest_of_the_docs_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "targets-api.md").read_text()
    (tmp_path / "bootstrap.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    (spec,) = load(tmp_path / "bootstrap.yaml").register
    assert (spec.name, spec.options.url) == ("api", "https://airflow.example.com")
