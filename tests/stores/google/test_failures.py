"""Not found, denied, unavailable and malformed stay apart, whatever happens to Google Secret Manager."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Empty, Malformed, NotFound, Unavailable
from bootstrap.stores.base import Store
from bootstrap.stores.google import client
from bootstrap.stores.google import secret_manager as gsm
from bootstrap.util import retrying
from tests.stores.contract import CANARY, whole
from tests.stores.google.bench import NAME, PATH, Opened, failure, opened, server
from tests.systems import faulty
from tests.systems.google_federation import PERMISSION
from tests.systems.process import free_port
from tests.systems.secret_manager import SecretManager
from tests.systems.secret_manager_api import SERVICE, Refused

__all__ = ["opened", "server"]  # fixtures

TARGET = f"{SERVICE}:443"
ASK: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(PATH),
    "write": lambda store: store.write(PATH, Secret(CANARY), expect=None),
    "names": lambda store: list(store.names("databases")),
}
asked = pytest.mark.parametrize("ask", ASK.values(), ids=ASK)


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.3)


# Not found


def test_a_secret_without_a_version(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "x")
    server.secrets.known[NAME].versions.clear()
    assert failure(NotFound, lambda: opened().read(PATH)).hint == f"airflow-bootstrap store put team:{PATH}"


def test_a_version_that_is_not_there_leads_to_those_that_are(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, CANARY)
    assert "store list team" in failure(NotFound, lambda: opened().read(PATH, "2")).hint


def test_a_disabled_and_a_destroyed_version_say_so(opened: Opened, server: SecretManager) -> None:
    store = opened()
    for value in ("one", "two"):
        server.put("proj", PATH, value)
    store.disable(PATH, "latest")
    error = failure(NotFound, lambda: store.read(PATH))
    assert "version 2 is disabled" in error.message
    assert error.hint == f"gcloud secrets versions enable 2 --secret {PATH} --project proj"
    store.destroy(PATH, "2")
    assert "version 2 was deleted (it is destroyed)" in failure(NotFound, lambda: store.read(PATH)).message
    failure(NotFound, lambda: store.enable(PATH, "2"))
    assert whole(store, PATH, "1") == "one"


def test_an_illegal_name_is_refused_before_a_request(opened: Opened, server: SecretManager) -> None:
    store = opened()
    for ask in (lambda: store.read("a/b"), lambda: store.write("a/b", Secret("x"), expect=None)):
        with pytest.raises(NotFound, match="no name that a secret of Google's can have"):
            ask()
    assert list(store.names("a/b")) == []
    assert server.requests == []


def test_an_unknown_project_is_not_a_missing_secret(opened: Opened, server: SecretManager) -> None:
    def fault(_method: str, _name: str) -> None:
        raise Refused(grpc.StatusCode.NOT_FOUND, "Project 'proj' not found or deleted.")

    server.faults.append(fault)
    for ask in ASK.values():
        assert "project" in failure(Unavailable, lambda ask=ask: ask(opened())).hint  # type: ignore[misc]  # a default


# Denied


@asked
def test_a_permission_that_is_missing_is_named(
    ask: Callable[[Store], object], opened: Opened, server: SecretManager
) -> None:
    for permission in ("versions.access", "secrets.create", "secrets.list"):
        server.deny(f"secretmanager.{permission}")
    error = failure(Denied, lambda: ask(opened()))
    assert "(or it may not exist)" in error.message
    assert error.hint.startswith("grant secretmanager.")
    assert error.hint.endswith((f"on {NAME}", "on projects/proj"))


def test_one_secret_alone_is_refused(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, CANARY)
    server.put("proj", "other", "fine")
    server.deny_one(PATH)
    store = opened()
    error = failure(Denied, lambda: store.read(PATH))
    assert error.hint == f"grant secretmanager.versions.access on {NAME}"
    assert whole(store, "other") == "fine"


@asked
def test_a_forged_key(
    ask: Callable[[Store], object], opened: Opened, server: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = {**server.service_account(), "private_key": server.service_account()["private_key"]}
    monkeypatch.setenv("TEAM_KEY", json.dumps(forged))
    failure(Denied, lambda: ask(opened(auth={"method": "key", "key": {"env": "TEAM_KEY"}})))


@asked
def test_a_deleted_key(ask: Callable[[Store], object], opened: Opened, server: SecretManager, tmp_path: Path) -> None:
    store = opened()
    store.ping()
    server.accounts.delete_key(json.loads((tmp_path / "key.json").read_text())["private_key_id"])
    error = failure(Denied, lambda: ask(store))
    assert "refused the credential" in error.message
    failure(Denied, store.ping)


@pytest.mark.parametrize("content", ["", CANARY, f'["{CANARY}"]', f'{{"type": "authorized_user", "x": "{CANARY}"}}'])
@pytest.mark.parametrize("method", ["key", "key_file", "federation"])
def test_a_credential_that_is_none(method: str, content: str, opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "credential.json").write_text(content)
    where = {"key": {"file": "credential.json"}} if method == "key" else {"file": "credential.json"}
    failure(Denied, opened(auth={"method": method, **where}).ping)
    (tmp_path / "credential.json").unlink()
    failure(Denied, opened(auth={"method": method, **where}).ping)


def test_a_key_that_is_not_whole(opened: Opened, server: SecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {**server.service_account(), "private_key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n"}
    monkeypatch.setenv("TEAM_KEY", json.dumps(broken))
    error = failure(Denied, opened(auth={"method": "key", "key": {"env": "TEAM_KEY"}}).ping)
    assert "$TEAM_KEY is not a complete key" in error.message


def test_no_application_default_credentials(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    error = failure(Denied, opened(auth={"method": "default"}).ping)
    assert error.hint == "gcloud auth application-default login"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert "none.json" in failure(Denied, opened(auth={"method": "default"}).ping).message


def test_an_account_that_may_not_take_anothers_place(opened: Opened, server: SecretManager) -> None:
    opened()  # writes the key
    server.deny(PERMISSION)
    auth = {"method": "key_file", "file": "key.json", "impersonate": ["reader@proj.iam.gserviceaccount.com"]}
    assert PERMISSION in failure(Denied, opened(auth=auth).ping).message


def test_a_disabled_api(opened: Opened, server: SecretManager) -> None:
    def fault(_method: str, _name: str) -> None:
        message = "Secret Manager API has not been used in project 1 before or it is disabled. Enable it by visiting …"
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, message)

    server.faults.append(fault)
    enable = "gcloud services enable secretmanager.googleapis.com --project proj"
    assert failure(Denied, opened().ping).hint == enable


# Unavailable


@asked
def test_a_proxy_that_is_down(ask: Callable[[Store], object], opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    assert "refused" in failure(Unavailable, lambda: ask(opened())).message


@asked
def test_a_server_that_is_down(ask: Callable[[Store], object], opened: Opened) -> None:
    error = failure(Unavailable, lambda: ask(opened(endpoint=f"127.0.0.1:{free_port()}")))
    assert "endpoint" in error.hint


def test_a_server_that_goes_down(opened: Opened, server: SecretManager) -> None:
    store = opened()
    server.put("proj", PATH, "value")
    assert whole(store, PATH) == "value"
    with faulty.refused() as (_, port):
        server.routes[TARGET] = port
        failure(Unavailable, opened().ping)


def test_a_host_that_nobody_knows(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "no-such-host.invalid")
    error = failure(Unavailable, opened(endpoint="no-such-host.invalid").ping)
    assert "DNS" in error.hint


@asked
def test_a_certificate_of_nobody_we_trust(
    ask: Callable[[Store], object], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    monkeypatch.setattr(retrying, "BLIP", 120)  # no time is lost on another try
    start = time.monotonic()
    error = failure(Unavailable, lambda: ask(opened()))
    assert "CERTIFICATE_VERIFY_FAILED" in error.message
    assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in error.hint
    assert time.monotonic() - start < 60


def test_a_file_of_authorities_that_is_not_there(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/no/such/file.pem")
    assert "/no/such/file.pem" in failure(Unavailable, opened().ping).message


@pytest.mark.parametrize("other", [faulty.plain_http, faulty.self_signed_tls])
def test_another_server_in_its_place(other: Callable[[], object], opened: Opened, server: SecretManager) -> None:
    store = opened()
    with other() as (_, port):  # type: ignore[attr-defined]  # a context manager
        server.routes[TARGET] = port
        failure(Unavailable, store.ping)


def test_an_answer_that_never_comes(opened: Opened, server: SecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 2.0)
    store = opened()
    server.faults.append(lambda _method, _name: time.sleep(4.0))
    assert "did not answer in time" in failure(Unavailable, lambda: store.read(PATH)).message
    assert len(server.requests) == 1  # who is slow isn't asked more


def test_an_answer_that_is_garbage(opened: Opened, server: SecretManager) -> None:
    store = opened()
    server.garbage = b"\xff\xfe" + CANARY.encode()
    failure(Unavailable, store.ping)


def test_a_quota_that_stays_used_up(opened: Opened, server: SecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "retried", _retried)
    server.exhaust(60)
    error = failure(Unavailable, opened().ping)
    assert "the quota is used up" in error.message
    assert "requests_per_minute" in error.hint


def _retried(request: Callable[[], object], after: Callable[[BaseException], float | None]) -> object:
    from bootstrap.util.retrying import retried

    return retried(request, after, give_up=0.5)


def test_a_quota_that_is_used_up_for_a_while(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "value")
    server.exhaust(2)
    assert whole(opened(), PATH) == "value"
    assert len(server.requests) > 1


@pytest.mark.parametrize("method", ["AccessSecretVersion", "ListSecrets"])
def test_an_answer_that_is_lost_is_asked_for_again(
    method: str, opened: Opened, server: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 60)  # it passes in the end, however slow this machine is
    server.put("proj", PATH, "value")
    server.lost = [method]
    store = opened()
    assert list(store.names("databases")) == [PATH]
    assert whole(store, PATH) == "value"
    assert server.lost == []


@pytest.mark.parametrize("package", ["google_crc32c", "google.cloud.secretmanager_v1"])
def test_the_client_is_not_installed(package: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for ask in ASK.values():
        error = failure(Unavailable, lambda ask=ask: ask(opened()))  # type: ignore[misc]  # a default
        assert error.hint == "pip install google-cloud-secret-manager google-crc32c"


# Malformed


def test_a_value_that_is_damaged_on_its_way_is_asked_for_once_more(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "value")
    store = opened()
    server.secrets.wrong_checksums = 1
    assert whole(store, PATH) == "value"
    server.secrets.wrong_checksums = 2
    assert "CRC32C" in failure(Malformed, lambda: store.read(PATH)).message


def test_a_value_that_is_not_text(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, b"\xff\xfe" + CANARY.encode())
    assert "base64" in failure(Malformed, lambda: opened().read(PATH)).hint


@pytest.mark.parametrize(("value", "kind"), [("", Empty), ("x" * 65537, Malformed), ("\udcff", Malformed)])
def test_what_google_would_refuse_is_not_sent(
    value: str, kind: type[Malformed], opened: Opened, server: SecretManager
) -> None:
    store: gsm.GoogleStore = opened()
    failure(kind, lambda: store.write(PATH, Secret(value), expect=None))
    assert server.requests == []
