"""What the tests of whole rotations share: a project whose key is rotated, while Airflow tasks use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.stores.embedded import Server
from tests.project import Canary, Project, Result, leaks, watched_processes

BATCH = 6  # tasks in one run of smoke
LEAST = 3 * BATCH  # tasks: before the rotation, around the new key's promotion, and around the end of the old one
PATIENCE = 240.0  # seconds for one run


@dataclass
class World:
    """A project with one connection. `manifest` has CHECKS and ROTATE in it; `rotate`, GRACE and SETTLE."""

    project: Project
    manifest: str
    conn_id: str
    check: str
    rotate: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def text(self, *, tasks: int = 1, rotate: str = "") -> str:
        """The manifest with so many checks."""
        return self.manifest.replace("CHECKS", ", ".join([self.check] * tasks)).replace("ROTATE", rotate)

    def write(self, *, grace: str = "0s", settle: str = "0s") -> None:
        """Say how the key is rotated."""
        self.project.write(self.text(rotate=self.rotate.replace("GRACE", grace).replace("SETTLE", settle)))

    def run(self, *arguments: str) -> Result:
        """The command line, where the connection's system is found."""
        return self.project.run(*arguments, **self.environment)

    def done(self, *arguments: str) -> Result:
        """A command that succeeds."""
        result = self.run(*arguments)
        assert result.code == 0, result.text
        return result

    @property
    def store(self) -> Server:
        """The embedded store `local`."""
        return Server(self.project.manifest.parent / ".bootstrap" / "stores" / "local")

    def secret(self, reference: str) -> str:
        """What it holds."""
        return self.done("store", "get", "--reveal", reference).out.removesuffix("\n")

    def holds(self, reference: str) -> bool:
        """Whether there is such a secret."""
        return self.run("store", "get", reference).code == 0

    def status(self) -> dict[str, Any]:
        """What `rotate --status` says of the key."""
        (key,) = self.run("rotate", "--status", "--json", "-").json()["keys"]
        return dict(key)

    def leaked_on_disk(self, canary: Canary) -> list[Path]:
        """Files with a secret that should be in its store alone."""
        return leaks(self.project.folder, canary, leave_out=self.store.folder)


@dataclass
class Load:
    """Airflow tasks that use the connection, one after the other, in runs of smoke that follow one another."""

    world: World
    runs: list[Result] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Condition = field(default_factory=threading.Condition)

    def go_on(self) -> None:
        """Run until `stop`, and the run that is under way to its end."""
        file = self.world.project.manifest.with_name("load.yaml")
        file.write_text(self.world.text(tasks=BATCH))
        while not self._stopping.is_set():
            process = Project(self.world.project.folder).start(
                "smoke", "--jobs", "1", "--json", "-", before=("-f", str(file)), **self.world.environment
            )
            out, err = process.communicate(timeout=PATIENCE)
            with self._ended:
                self.runs.append(Result(process.returncode, out.decode(), err.decode()))
                self._ended.notify_all()

    def stop(self) -> None:
        """No other run begins."""
        self._stopping.set()

    def wait(self, more: int) -> None:
        """Until so many more runs have ended: after one, nothing still goes on that began before."""
        with self._ended:
            wanted = len(self.runs) + more
            assert self._ended.wait_for(lambda: len(self.runs) >= wanted, more * PATIENCE)

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Of all runs."""
        return [check for run in self.runs for check in run.json()["checks"]]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Those of them that did not pass."""
        return [check for check in self.checks if check["status"] != "passed"]


@contextmanager
def load(world: World) -> Iterator[Load]:
    """Tasks all the while; the first have ended when this begins."""
    found = Load(world)
    thread = threading.Thread(target=found.go_on)
    thread.start()
    try:
        found.wait(1)
        yield found
    finally:
        found.stop()
        thread.join()


@dataclass(frozen=True)
class Rotated:
    """What a rotation under load left. `text` is what it said; `seen`, the processes that showed the old key."""

    text: str
    load: Load
    seen: list[str]


def under_load(world: World, old: Canary, *, settle: str = "0s") -> Rotated:
    """Rotate from issue to destroy. The old key goes once no task that may have got it still runs: what `grace:` is for."""
    with load(world) as tasks, watched_processes(old) as seen:
        world.write(grace="1h", settle=settle)
        rotated = world.done("rotate", world.conn_id)
        assert world.status()["state"] == "grace"
        tasks.wait(1)
        world.write()
        ended = world.done("rotate", "--due")
    return Rotated(rotated.text + ended.text, tasks, seen)
