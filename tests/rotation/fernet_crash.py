"""Rotates a Fernet key with kill -9 before and after every write: run by test_fernet.py in a process of its own, which forks.

Takes a JSON object from stdin: `folder`, `key`, and `steps`, names of functions of bootstrap.rotation.fernet.steps, of which
the last is killed again and again, each time at the next of its writes and each time from the same beginning, and then
called again, to the end. `every`: only every so-manieth write. `stale`: a process that was not restarted writes a row with the old key just after airflow.cfg
was written. What is then not as it should be is printed, as JSON: a list of sentences, and how often it was killed.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from bootstrap.errors import AirflowError
from bootstrap.rotation.fernet import child as fernet_child
from bootstrap.rotation.fernet import steps
from bootstrap.util.files import write_atomic
from tests.rotation.fernet_home import Home


class Killer:
    """Counts the moments in all processes of a step, and kills them all at one."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 8)

    def arm(self, moment: int) -> None:
        self._moment = moment
        self._count[:] = (0).to_bytes(8, "little")

    def tick(self, *_: Any) -> None:
        count = int.from_bytes(self._count[:], "little") + 1
        self._count[:] = count.to_bytes(8, "little")
        if count == self._moment:
            os.killpg(0, signal.SIGKILL)


def forked(work: Callable[[], object]) -> int:
    """How a process that does this, in a group of its own, ended."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        code = 1
        try:
            work()
            code = 0
        except AirflowError as err:
            sys.stderr.write(f"{err.message}\n")
            code = 4
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def airflow_here(environment: Any, _module: str, what: str, lock: str) -> Any:
    """As ask_airflow does, in a fork instead of a process that starts Airflow for seconds."""
    retired = json.loads(environment.secrets[fernet_child.RETIRED].unmasked())
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            from airflow.configuration import conf
            from airflow.models.crypto import get_fernet

            conf.read(environment.config)
            get_fernet.cache_clear()
            os.dup2(2, 1)
            os.write(writer, json.dumps(fernet_child.answer(what, Path(lock), retired)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said)


class Crash:
    """One step, killed everywhere."""

    def __init__(self, home: Home, step: str, *, every: int, stale: bool) -> None:
        self.home, self.step, self.every, self.stale = home, step, every, stale
        self.killer, self.wrong = Killer(), list[str]()

    def run(self) -> int:
        """How often it was killed."""
        saved = self.home.folder.with_name("saved")
        shutil.copytree(self.home.folder, saved)
        for moment in range(1, 100, self.every):
            shutil.rmtree(self.home.folder)
            shutil.copytree(saved, self.home.folder)
            self.killer.arm(moment)
            code = forked(self._step_killed)
            self._expect(f"{self.step}, moment {moment}: {code}")
            if code != -signal.SIGKILL:
                return (moment - 1) // self.every
            self._again(f"{self.step}, again after moment {moment}")
        raise RuntimeError("it never ends")

    def _again(self, where: str) -> None:
        code = forked(self._step)
        self._expect(where)
        if code == 4 and self.stale:
            code = forked(self._once_more)
            self._expect(where)
        if code:
            self.wrong.append(f"{where}: ended with {code}")
        if self.step in ("finish", "abort"):
            keys = self.home.keys()
            kept = [key == self.home.key for key in keys]
            if kept != [self.step == "abort"] or self.home.retired():
                self.wrong.append(f"{where}: not the right key alone is left: {kept}")

    def _expect(self, where: str) -> None:
        """Every row can be read with what is on the disk; of ours, with what is in airflow.cfg."""
        beside = self.home.retired() if self.stale else []
        self.wrong.extend(f"{where}: {name}" for name in self.home.unreadable([*self.home.keys(), *beside]))

    def _step(self) -> None:
        getattr(steps, self.step)(self.home.environment)

    def _once_more(self) -> None:
        steps.reencrypt(self.home.environment)
        self._step()

    def _step_killed(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        def watched(path: Path, *arguments: Any, **named: Any) -> None:
            self.killer.tick()
            write_atomic(path, *arguments, **named)
            if self.stale and path == self.home.config and len(self.home.keys()) == 1:
                self.home.connection("stale")
            self.killer.tick()

        event.listen(Engine, "commit", self.killer.tick)
        event.listen(Engine, "begin", self.killer.tick)
        with mock.patch("bootstrap.rotation.fernet.key_file.write_atomic", watched):
            self._step()


def main() -> None:
    """Import Airflow once, then fork."""
    given = json.load(sys.stdin)
    home = Home(Path(given["folder"]), key=given["key"])
    from airflow import settings
    from airflow.cli import cli_parser
    from airflow.providers_manager import ProvidersManager

    from bootstrap.rotation.fernet import rows as fernet_rows  # noqa: F401
    from bootstrap.targets.metadata import rows as metadata_rows  # noqa: F401

    cli_parser.get_parser()
    ProvidersManager().initialize_providers_configuration()
    settings.engine.dispose()  # no connection is shared with a child
    crash = Crash(home, given["steps"][-1], every=given["every"], stale=given["stale"])
    with mock.patch("bootstrap.rotation.fernet.steps.ask_airflow", airflow_here):
        for step in given["steps"][:-1]:
            forked(partial(getattr(steps, step), home.environment))
        kills = crash.run()
    sys.stdout.write(json.dumps({"wrong": crash.wrong, "kills": kills}) + "\n")


if __name__ == "__main__":
    main()
