"""Google Secret Manager's stand-in in a process of its own, for measurements.

`python -m tests.systems.secret_manager_process` reads `{"put": [PROJECT, NAME, VALUE]}` and `{"requests": null}`, a JSON
object on each line, and answers each with one; it ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from . import secret_manager

_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Apart:
    """The server, seen from here: `environment` leads to it, `key` lets in."""

    environment: dict[str, str]
    key: dict[str, str] = field(repr=False)
    _to: IO[str] = field(repr=False)
    _from: IO[str] = field(repr=False)

    def put(self, project: str, name: str, value: str) -> None:
        """Add a version to a secret, made at need."""
        self._ask({"put": [project, name, value]})

    def requests(self) -> int:
        """How many there have been."""
        return int(self._ask({"requests": None}))

    def _ask(self, what: dict[str, Any]) -> Any:
        self._to.write(f"{json.dumps(what)}\n")
        self._to.flush()
        return json.loads(self._from.readline())


@contextlib.contextmanager
def apart() -> Iterator[Apart]:
    """Serve for a while."""
    argv = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, start_new_session=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        with process.stdin:
            yield Apart(**json.loads(process.stdout.readline()), _to=process.stdin, _from=process.stdout)


def _main() -> None:
    with secret_manager.running() as server:
        _say({"environment": server.environment, "key": server.service_account()})
        for line in sys.stdin:
            asked = json.loads(line)
            if "put" in asked:
                server.put(*asked["put"])
            _say(len(server.requests))


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
