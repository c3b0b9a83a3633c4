from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from bootstrap.checks import vault as check
from bootstrap.checks.base import Diagnosed
from tests.checks.bench import Bench, Cell, Connection, outcome, passed_steps, unreachable
from tests.systems import certificates, openbao
from tests.systems.certificates import Certificates
from tests.systems.in_process import ThreadedServer, serving
from tests.systems.openbao import OpenBao

pytestmark = pytest.mark.airflow

POLICY = """
path "secret/data/app/*" { capabilities = ["read"] }
path "old/app/*" { capabilities = ["read"] }
path "secret/data/connections/*" { capabilities = ["read"] }
path "secret/data/connections/closed" { capabilities = ["deny"] }
path "secret/data/variables/*" { capabilities = ["read"] }
path "secret/data/config/*" { capabilities = ["read"] }
path "secret/data/config/closed" { capabilities = ["deny"] }
"""
BACKEND = "airflow.providers.hashicorp.secrets.vault.VaultBackend"


@dataclass(frozen=True)
class Vault:
    """A server with a token, an AppRole and a user, who may all do what POLICY says; the user's password is a canary."""

    bao: OpenBao
    token: str
    role: tuple[str, str]
    without_lookup: str


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Vault]:
    canary = bench.canary.value
    with openbao.running(tmp_path_factory.mktemp("bao")) as bao:
        bao.mount_kv("old", 1)
        client: Any = bao.client()
        client.secrets.kv.v1.create_or_update_secret("app/db", {"password": canary}, mount_point="old")
        for path, secret in {
            "app/db": {"password": canary},
            "connections/own": {"conn_type": "generic", "password": canary},
            "connections/by_uri": {"conn_uri": "generic://h"},
            "connections/stray": {"conn_type": "generic", "password": canary, "conn_id": "stray"},
            "variables/region": {"value": canary},
            "variables/no_value": {"valeu": canary},
            "config/smtp": {"value": canary},
        }.items():
            client.secrets.kv.v2.create_or_update_secret(path, secret)
        role = bao.approle("etl", POLICY)
        client.sys.enable_auth_method("userpass")
        client.auth.userpass.create_or_update_user("etl", password=canary, policies=["etl"])
        bare = client.auth.token.create(policies=["etl"], no_default_policy=True)["auth"]["client_token"]
        yield Vault(bao, bao.token(POLICY), role, bare)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("tls"))


def at(url: str, **more: Any) -> dict[str, Any]:
    parts = urlsplit(url)
    return {"conn_type": "vault", "host": parts.hostname, "port": parts.port, **more}


@contextmanager
def behind_tls(url: str, pair: certificates.Pair) -> Iterator[str]:
    """The server, over TLS."""
    upstream = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as server:
                back = threading.Thread(target=pump, args=(server, self.request))
                back.start()
                pump(self.request, server)
                back.join()

    with ThreadedServer(Forward, pair.context()) as front, serving(front) as port:
        yield f"https://127.0.0.1:{port}"


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def logins(vault: Vault, canary: str) -> dict[str, Cell]:
    def by(method: str, login: str | None, password: str | None, **extra: Any) -> Connection:
        return at(vault.bao.url, login=login, password=password, extra={"auth_type": method, **extra})

    read = {"vault": {"path": "app/db"}}
    user = by("userpass", "etl", canary)
    role_id, secret_id = vault.role
    return {
        "token": Cell(at(vault.bao.url, password=vault.token), read),
        "token_login_only": Cell(at(vault.bao.url, password=vault.token), "vault"),
        "token_without_lookup": Cell(at(vault.bao.url, password=vault.without_lookup), read),
        "approle": Cell(by("approle", role_id, secret_id), read),
        "userpass": Cell(user, read),
        "kv_1": Cell({**user, "schema": "old", "extra": {"auth_type": "userpass", "kv_engine_version": 1}}, read),
        "mount": Cell({**user, "schema": "nowhere"}, {"vault": {"path": "app/db", "mount": "secret"}}),
        "wrong_token": Cell(at(vault.bao.url, password=canary), read, "authenticate", "auth", hint="store put"),
        "no_token": Cell(at(vault.bao.url), read, "authenticate", "auth", says="token"),
        "wrong_secret_id": Cell(by("approle", role_id, canary), read, "authenticate", "auth", says="secret"),
        "no_role_id": Cell(by("approle", None, canary), read, "authenticate", "auth", says="role_id"),
        "wrong_password": Cell(by("userpass", "etl", "wrong"), read, "authenticate", "auth", says="password"),
        "no_such_method": Cell(by("ldap", "etl", canary), read, "authenticate", "auth"),
        "unknown_method": Cell(by("nope", "etl", canary), read, "authenticate", "check_error", says="nope"),
        "denied": Cell(
            user,
            {"vault": {"path": "other/db"}},
            "access",
            "permission",
            says="secret/data/other/db",
            hint='path "secret/data/other/db" { capabilities = ["read"] }',
        ),
        "missing_secret": Cell(user, {"vault": {"path": "app/nope"}}, "access", "not_found", says="data/app/nope"),
        "missing_mount": Cell(
            by("userpass", "etl", canary), {"vault": {"path": "a", "mount": "nope"}}, "access", "permission"
        ),
        "no_backend": Cell(
            user,
            {"vault": {"connections": ["x"]}},
            "authenticate",
            "check_error",
            says="it asks EnvironmentVariablesBackend",
        ),
        "path_without_vault": Cell(
            {"conn_type": "generic"},
            {"vault": {"path": "a", "connections": []}},
            "access",
            "check_error",
            says="no connection of type vault",
        ),
    }


def encrypted(vault: Vault, tls: Certificates, fronts: dict[str, str]) -> dict[str, Cell]:
    def to(front: str, **extra: Any) -> Connection:
        return at(fronts[front], password=vault.token, extra={"use_tls": True, **extra})

    read = {"vault": {"path": "app/db"}}
    return {
        "tls": Cell(to("valid", client_kwargs={"verify": str(tls.ca)}), read),
        "tls_unverified": Cell(to("self_signed", client_kwargs={"verify": False}), read),
        "self_signed": Cell(to("self_signed"), read, "reach", "tls", hint="trust"),
        "expired": Cell(to("expired", client_kwargs={"verify": str(tls.ca)}), read, "reach", "tls", says="expired"),
        "wrong_name": Cell(to("wrong_name", client_kwargs={"verify": str(tls.ca)}), read, "reach", "tls"),
        "https_on_http": Cell(at(vault.bao.url, password=vault.token, extra={"use_tls": True}), read, "reach", "tls"),
    }


def test_vault_hook(
    bench: Bench,
    vault: Vault,
    tls: Certificates,
    tmp_path: Path,
    isolated: bool,  # noqa: FBT001  a fixture
) -> None:
    good = at(vault.bao.url, password=vault.token)
    names = ("valid", "self_signed", "expired", "wrong_name")
    with ExitStack() as stack:
        fronts = {name: stack.enter_context(behind_tls(vault.bao.url, getattr(tls, name))) for name in names}
        sealed = stack.enter_context(openbao.running(tmp_path / "sealed"))
        sealed.seal()
        others = stack.enter_context(unreachable(good, "vault"))
        results = bench.hold(
            {
                **logins(vault, bench.canary.value),
                **encrypted(vault, tls, fronts),
                "sealed": Cell(
                    at(sealed.url, password=vault.token), "vault", "authenticate", "unreachable", says="sealed"
                ),
                **others,
            },
            keep=("approle", "token_login_only", "reads"),
            isolated=isolated,
        )
    assert passed_steps(results["approle"]) == ["resolve", "reach", "authenticate", "access"]
    details = {step.name: step.detail for step in results["token_login_only"].steps}
    assert "nothing but the login" in details["access"]


def backend(url: str, token_file: Path, **more: Any) -> dict[str, str]:
    kwargs = {"url": url, "token_path": str(token_file), "mount_point": "secret", **more}
    return {"AIRFLOW__SECRETS__BACKEND": BACKEND, "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs)}


@pytest.fixture
def token_file(vault: Vault, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(vault.token)
    return file


def test_airflows_backend(
    bench: Bench,
    vault: Vault,
    token_file: Path,
    isolated: bool,  # noqa: FBT001  a fixture
) -> None:
    generic = {"conn_type": "generic", "password": bench.canary.value}

    def asks(**lists: list[str]) -> dict[str, Any]:
        return {"vault": {"connections": [], **lists}}

    def fails(check: Any, cause: str, says: str, hint: str = "") -> Cell:
        return Cell(generic, check, "access", cause, says=says, hint=hint)

    read = ["own", "by_uri"]
    results = bench.hold(
        {
            "own": Cell(None, "vault", conn_type="generic"),  # Vault has it
            "reads": Cell(generic, asks(connections=read, variables=["region"], config=["smtp"])),
            "hook_and_backend": Cell(
                at(vault.bao.url, password=vault.token), {"vault": {"path": "app/db", "variables": ["region"]}}
            ),
            "elsewhere": fails("vault", "not_found", "secret/data/connections/elsewhere", "register"),
            "denied": fails(
                asks(connections=["own", "closed"]),
                "permission",
                "secret/data/connections/closed",
                'path "secret/data/connections/closed" { capabilities = ["read"] }',
            ),
            "denied_config": fails(asks(config=["closed"]), "permission", "secret/data/config/closed"),
            "missing_variable": fails(asks(variables=["nope"]), "not_found", "secret/data/variables/nope"),
            "no_value": fails(asks(variables=["no_value"]), "not_found", "field `value`"),
            "unreadable": fails(asks(connections=["stray"]), "secret_malformed", "'stray'"),
        },
        keep=("approle", "token_login_only", "reads"),
        isolated=isolated,
        env=backend(vault.bao.url, token_file),
    )
    assert passed_steps(results["reads"]) == ["resolve", "authenticate", "access"]


@pytest.mark.parametrize(
    ("state", "cause", "says"),
    [
        ("sealed", "store_unreachable", "sealed"),
        ("stopped", "store_unreachable", "refuses"),
        ("bad token", "store_denied", "refused"),
        ("no token", "store_denied", "No such file"),
    ],
)
def test_a_store_that_does_not_answer_is_no_missing_secret(
    bench: Bench, tmp_path: Path, state: str, cause: str, says: str
) -> None:
    with openbao.running(tmp_path / "bao") as bao:
        token_file = _token_for(state, bao, tmp_path)
        found = _asked(bao, token_file)
        assert (found.name, says in found.message) == (cause, True), found
        if state == "sealed":  # one through Airflow: how the connection itself is found comes first
            copy = {"conn_type": "generic", "password": bench.canary.value}
            cell = Cell(copy, {"vault": {"connections": ["own"]}})
            result = bench.run({"copied": cell}, env=backend(bao.url, token_file))["copied"]
            assert (outcome(result), says in result.message) == (("resolve", cause), True), bench.story
            assert not bench.canary.found_in(bench.story.encode())


def _token_for(state: str, bao: OpenBao, folder: Path) -> Path:
    file = folder / "token"
    file.write_text("wrong" if state == "bad token" else bao.token(POLICY))
    if state == "no token":
        file.unlink()
    {"sealed": bao.seal, "stopped": bao.stop}.get(state, bool)()
    return file


def _asked(bao: OpenBao, token_file: Path) -> Any:
    """What the check says of a store's state. Airflow isn't imported in the tests' process: a stand-in for VaultBackend
    asks the real server.
    """

    def get(name: str) -> Any:
        client: Any = bao.client(token_file.read_text())
        return client.secrets.kv.v2.read_secret_version(path=f"connections/{name}", raise_on_deleted_version=True)

    paths = SimpleNamespace(mount_point="secret", kv_engine_version=2)
    stand_in = SimpleNamespace(
        connections_path=["connections"], vault_client=paths, get_conn_value=get, get_variable=get, get_config=get
    )
    with pytest.raises(Diagnosed) as caught:
        check._read_by_backend(stand_in, "connections", "own")
    return caught.value.cause
