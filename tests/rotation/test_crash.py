"""kill -9 before and after every write of a rotation, for each issuer, at the real servers; then --resume, or --rollback.

Airflow takes seconds to start and there are hundreds of crashes: a key is proven here by logging in with it. An ordinary run
tries a share of the crashes of every issuer, the slow ones all others.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import hvac.exceptions
import pytest

from bootstrap import plugins
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.issuers.base import Issuer, KeyFields
from bootstrap.issuers.kind import IssuerKind
from bootstrap.manifest.key_place import KeyPlace, candidate_path, journal_path
from bootstrap.rotation import engine
from bootstrap.rotation.candidate import Content, fields_of, filled
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.journal import Document, Journal
from bootstrap.rotation.rotatable import Proof, Voice
from bootstrap.stores.base import Context, Store, Stored
from bootstrap.stores.vault import store as vault
from tests.rotation.programs import keysmith
from tests.selection import shares
from tests.systems import google_front, moto, openbao, postgres
from tests.systems.server import write_private

WRITES = ("write", "destroy", "delete", "issue", "disable", "enable", "install")
MOST = 30  # writes of a rotation
SHARES = 15
PASSWORD = "the-password-of-an-admin"
POLICY = 'path "kv/*" { capabilities = ["read"] }'


@dataclass
class Killing:
    """Passes everything on; the process is killed before or after its N-th write, counted over all that share `count`."""

    inner: Any
    count: list[int]
    number: int
    when: str

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in WRITES:
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            mine = self.count[0] == self.number
            self.count[0] += 1
            if mine and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            done = found(*arguments, **named)
            if mine and self.when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return counted


@dataclass(frozen=True)
class Around:
    """What the issuer asks of the manifest."""

    texts: Mapping[str, str]
    opened: Any
    connection: Connection | None
    folder: Path

    def value(self, reference: Reference) -> Secret:
        return Secret(self.texts[reference.path])

    def whole(self, reference: Reference) -> Connection:
        return connection.from_text(self.texts[reference.path], str(reference))

    def store(self, _name: str) -> Any:
        return self.opened


@dataclass
class Account:
    """An account with its first key: how its issuer is opened, and whether a key gets in."""

    issuer: Callable[[Any], Issuer]
    first: Mapping[str, str]
    works: Callable[[Mapping[str, str]], bool]
    fields: tuple[str, ...]
    path: str = field(default_factory=lambda: f"keys/{secrets.token_hex(6)}")


@dataclass
class Subject:
    """The key in a real store, proven by logging in with it. Airflow reads the secret itself, so that there is nothing to publish."""

    account: Account
    store: Store
    issuer: Issuer
    name: str = "it"
    store_name: str = "team"
    issuer_name: str = "real"
    grace: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)

    @property
    def path(self) -> str:
        return self.account.path

    @property
    def place(self) -> KeyPlace:
        return KeyPlace(Reference("team", self.path), {name: name.rpartition(".")[2] for name in self.account.fields})

    def fields_of(self, stored: Stored) -> KeyFields:
        return fields_of(self.place, stored)

    def filled(self, stored: Stored, fields: KeyFields) -> Content:
        return filled(self.place, stored, fields)

    def require(self) -> None:
        """Nothing."""

    def prove(self, candidate: Content) -> Proof:
        return self._proof(self.fields_of(candidate.stored()))

    def publish(self) -> None:
        """Nothing."""

    def prove_live(self) -> Proof:
        return self._proof(self.fields_of(self.store.read(self.path)))

    def others(self) -> frozenset[str]:
        return frozenset()

    def _proof(self, fields: KeyFields) -> Proof:
        good = self.account.works({name: value.unmasked() for name, value in fields.items()})
        return Proof("passed", ("it.logs_in",)) if good else Proof("refused", (), "auth", "refused")


@dataclass
class World:
    """The servers."""

    bao: openbao.OpenBao
    database: postgres.Postgres
    aws: moto.Moto
    google: google_front.Front
    folder: Path

    def store(self) -> Store:
        file = self.folder / "token"
        if not file.exists():
            write_private(file, self.bao.root_token)
        auth = {"method": "token", "token": {"file": str(file)}}
        options = vault.Options.model_validate({"kind": "vault", "url": self.bao.url, "mount": "kv", "auth": auth})
        return vault.open_store(options, Context("team", self.folder))

    def engine(self, account: Account, wrap: Callable[[Any], Any] = lambda inner: inner) -> Engine:
        store = self.store()
        subject = Subject(account, wrap(store), wrap(account.issuer(store)))
        new = Document(place=account.path, issuer="real", account="it")
        return Engine(
            subject, Journal(subject.store, "team", account.path, new), Voice(lambda _: None, lambda _: False)
        )

    def fields(self, account: Account) -> dict[str, str]:
        stored = self.store().read(account.path)
        found = Subject(account, self.store(), account.issuer(self.store())).fields_of(stored)
        return {name: value.unmasked() for name, value in found.items()}

    def document(self, account: Account) -> Document:
        return self.engine(account).journal.look()


def opener(
    name: str, options: Mapping[str, Any], texts: Mapping[str, str], world: World, conn: Connection | None = None
) -> Callable[[Any], Issuer]:
    kind = plugins.ISSUERS.get(name, IssuerKind)
    parsed = kind.Options.model_validate({"issuer": name, "settle": "0s", **options})
    return lambda store: kind.open_issuer(parsed, Around(texts, store, conn, world.folder))


def postgres_account(world: World) -> Account:
    a, b = (f"{name}_{secrets.token_hex(4)}" for name in "ab")
    server = world.database
    server.sql(f"CREATE ROLE {a} LOGIN PASSWORD 'first-of-{a}'; CREATE ROLE {b} NOLOGIN VALID UNTIL '-infinity'")
    at = Connection("postgres", host=server.host, port=server.port, schema="postgres")
    admin = json.dumps({"conn_type": "postgres", "login": "chief", "password": PASSWORD})
    opened = opener(
        "postgres_password", {"users": [a, b], "admin": {"secret": "team:admin"}}, {"admin": admin}, world, at
    )

    def works(fields: Mapping[str, str]) -> bool:
        import psycopg2

        try:
            psycopg2.connect(
                host=server.host, port=server.port, dbname="postgres", user=fields["login"], password=fields["password"]
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    return Account(opened, {"login": a, "password": f"first-of-{a}"}, works, ("login", "password"))


def aws_account(world: World) -> Account:
    user = f"user-{secrets.token_hex(4)}"
    key_id, secret = world.aws.mint(user)
    admin_id, admin = world.aws.mint("admin")
    texts = {"admin": json.dumps({"conn_type": "aws", "login": admin_id, "password": admin})}
    options = {"user": user, "endpoint_url": world.aws.url, "admin": {"secret": "team:admin"}}

    def works(fields: Mapping[str, str]) -> bool:
        return moto.accepts_key(world.aws.url, fields["login"], fields["password"])

    opened = opener("aws_access_key", options, texts, world)
    return Account(opened, {"login": key_id, "password": secret}, works, ("login", "password"))


def google_account(world: World) -> Account:
    front = world.google
    email = f"etl-{secrets.token_hex(4)}@proj.iam.gserviceaccount.com"
    texts = {"admin": json.dumps(front.service_account("admin@proj.iam.gserviceaccount.com"))}
    options = {"account": email, "admin": {"secret": "team:admin"}, "endpoint": front.url, "analyzer": front.url}

    def works(fields: Mapping[str, str]) -> bool:
        from google.auth.exceptions import RefreshError
        from google.auth.transport.requests import Request
        from google.oauth2 import service_account

        made = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]  # google.auth has no types
            json.loads(fields["extra.keyfile_dict"]), scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        try:
            made.refresh(Request())
        except RefreshError:
            return False
        return True

    opened = opener("google_service_account_key", options, texts, world)
    return Account(
        opened, {"extra.keyfile_dict": json.dumps(front.service_account(email))}, works, ("extra.keyfile_dict",)
    )


def approle_account(world: World) -> Account:
    role = f"role-{secrets.token_hex(4)}"
    role_id, secret_id = world.bao.approle(role, POLICY)

    def works(fields: Mapping[str, str]) -> bool:
        try:
            world.bao.client(token="").auth.approle.login(role_id, fields["password"])
        except hvac.exceptions.InvalidRequest:
            return False
        return True

    opened = opener("vault_approle_secret_id", {"store": "team", "role": role}, {}, world)
    return Account(opened, {"password": secret_id}, works, ("password",))


def token_account(world: World) -> Account:
    policy = world.bao.policy(f"# {secrets.token_hex(4)}\n{POLICY}")

    def works(fields: Mapping[str, str]) -> bool:
        try:
            world.bao.client(token=fields["password"]).auth.token.lookup_self()
        except hvac.exceptions.Forbidden:
            return False
        return True

    opened = opener("vault_token", {"store": "team", "policies": [policy], "ttl": "24h"}, {}, world)
    first = world.bao.client().auth.token.create(policies=[policy])["auth"]["client_token"]
    return Account(opened, {"password": first}, works, ("password",))


def program_account(world: World, name: str, option: str) -> Account:
    file = world.folder / f"{secrets.token_hex(6)}.json"
    file.write_text(json.dumps({"first": {"value": "the-first-value", "state": "enabled", "run": "-"}}))

    def works(fields: Mapping[str, str]) -> bool:
        there = json.loads(file.read_text())
        return any(each["value"] == fields["password"] and each["state"] == "enabled" for each in there.values())

    opened = opener(name, {option: [sys.executable, str(keysmith.__file__), str(file)]}, {}, world)
    return Account(opened, {"password": "the-first-value"}, works, ("password",))


ACCOUNTS: Mapping[str, Callable[[World], Account]] = {
    "postgres_password": postgres_account,
    "aws_access_key": aws_account,
    "google_service_account_key": google_account,
    "vault_approle_secret_id": approle_account,
    "vault_token": token_account,
    "command": lambda world: program_account(world, "command", "run"),
    "random": lambda world: program_account(world, "random", "push"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("crash")
    with (
        openbao.running(folder / "bao") as bao,
        postgres.running(folder / "postgres") as database,
        moto.running(folder / "moto") as aws,
        google_front.running() as google,
    ):
        bao.mount_kv("kv", 2)
        database.sql(f"CREATE ROLE chief SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        yield World(bao, database, aws, google, folder)


def begun(world: World, name: str) -> Account:
    """A new account whose first key is in the store."""
    account = ACCOUNTS[name](world)
    values = {field.rpartition(".")[2]: value for field, value in account.first.items()}
    world.store().write(account.path, values, expect=None)
    return account


def killed(world: World, account: Account, number: int, when: str) -> bool:
    """Whether the process that rotates was killed at this write of its."""
    child = os.fork()
    if not child:
        code = 1
        try:
            count = [0]
            world.engine(account, lambda inner: Killing(inner, count, number, when)).rotate()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def require_alive(world: World, account: Account, first: set[str]) -> None:
    """What must be true at any moment."""
    assert account.works(world.fields(account)), "the key in the store doesn't work"
    document = world.document(account)
    rotation = document.rotation
    if rotation is None or rotation.step not in {"issue", "abandon"} or rotation.new.key is not None:
        assert ids(world, account) <= document.keys | first, "nobody knows of a key"
    for path in (journal_path(account.path),):
        assert not any(value in text(world, path) for name, value in account.first.items() if name != "login")


def require_over(world: World, account: Account, key: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> None:
    """This key alone works and is listed, and nothing is left lying about."""
    assert world.document(account).rotation is None
    assert world.fields(account) == key
    assert account.works(key)
    assert not any(account.works(other) for other in others)
    assert len(ids(world, account)) == 1
    assert not text(world, candidate_path(account.path))


def ids(world: World, account: Account) -> set[str]:
    listed = world.engine(account).subject.issuer
    listed.identify(
        {name: Secret(value) for name, value in world.fields(account).items()}
    )  # a Vault's tells others then
    found = listed.keys()
    return {each.id for each in found}


def text(world: World, path: str) -> str:
    try:
        read: Any = world.bao.client().secrets.kv.v2.read_secret_version(
            path, mount_point="kv", raise_on_deleted_version=True
        )
    except hvac.exceptions.InvalidPath:
        return ""
    return json.dumps(read["data"]["data"])


@pytest.mark.parametrize("share", shares(SHARES))
@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
@pytest.mark.parametrize("name", ACCOUNTS)
def test_no_crash_loses_a_key_or_forgets_one(world: World, name: str, back: bool, share: int) -> None:  # noqa: FBT001  a parameter
    crashes = [(number, when) for number in range(MOST) for when in ("before", "after")]
    offset = (list(ACCOUNTS).index(name) + 3 * back + share) % SHARES
    tried = 0
    for number, when in crashes[offset::SHARES]:
        account = begun(world, name)
        first = ids(world, account)
        if not killed(world, account, number, when):
            break
        tried += 1
        require_alive(world, account, first)
        rotation = world.document(account).rotation
        if rotation is None:
            continue
        gone = rotation.step in engine.GONE
        if back and not gone:
            world.engine(account).roll_back()
            require_over(world, account, account.first, [])
        else:
            world.engine(account).resume()
            require_over(world, account, world.fields(account), [account.first])
            assert world.fields(account) != account.first
    print(f"{name}: {tried} crash points tried")  # noqa: T201  for evidence
    assert tried >= 25 // SHARES
