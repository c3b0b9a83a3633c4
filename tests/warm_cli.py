"""The command line without the wait for Python and Airflow: a process that has imported both, and a fork for each command.

For tests of what commands do, not of how their process starts, is killed or looks from outside: those have `Project.start`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from bootstrap.airflow.fork import Fork
from bootstrap.airflow.fork_server import TIED, Request, Server

ROOT = Path(__file__).parent.parent
_START = 300.0  # seconds for a fork to be ready; the first waits for all imports


class WarmCommandLine:
    """A running server of forks, in whose `home`, a link, each command finds the home of its own.

    Libraries read $HOME while they are imported: for another value Airflow would have to be started anew.
    """

    def __init__(self, control: socket.socket, home: Path) -> None:
        self._control, self._home = control, home

    def run(
        self, arguments: Sequence[str], stdin: str, environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `python -m bootstrap`. Raises subprocess.TimeoutExpired."""
        self._home.unlink()
        self._home.symlink_to(environment["HOME"])
        fork, handed = Fork.waiting(None)
        socket.send_fds(self._control, [TIED], handed)
        for descriptor in handed:
            os.close(descriptor)
        request = Request(["bootstrap", *arguments], {**environment, "HOME": str(self._home)}, {}, str(ROOT))
        assert fork.ask(request, _START) is None, "the command line can't be forked"
        out, err = fork.communicate(stdin, timeout)
        assert fork.returncode is not None
        return fork.returncode, out, err


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[WarmCommandLine]:
    """Start it for a while, with a folder and an environment of its own."""
    home = folder / "home-of-each"
    home.symlink_to(environment["HOME"])
    control, theirs = socket.socketpair()
    with control, theirs, (folder / "log").open("wb") as log:
        argv = [sys.executable, "-m", "tests.warm_cli", str(theirs.fileno()), str(folder)]
        process = subprocess.Popen(
            argv, env={**environment, "HOME": str(home)}, cwd=ROOT, pass_fds=[theirs.fileno()], stdout=log, stderr=log
        )
        theirs.close()
        try:
            yield WarmCommandLine(control, home)
        finally:
            control.close()
            process.wait(60)


class _AsItIs:
    """The state of a process that is to be forked."""

    def renew(self) -> None:
        """The folder for temporary files is what the fork's own environment says."""
        tempfile.tempdir = None


def main() -> None:
    """Begin an Airflow, import the commands, and serve. Arguments: a socket's descriptor, and a folder."""
    from bootstrap.airflow.environment import locate
    from bootstrap.airflow.session import AirflowSession
    from bootstrap.cli import COMMANDS
    from bootstrap.manifest.loader import load

    control, manifest = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2], "bootstrap.yaml")
    manifest.write_text("version: 1\nairflow: {home: airflow}\n")
    with control, AirflowSession(restarts=0) as airflow:  # a fork may not end the Airflow of all others
        airflow.begin(locate(load(manifest)))
        for command in COMMANDS:
            import_module(f"bootstrap.commands.{command}")
        Server(control, _AsItIs()).run()  # type: ignore[arg-type]  # has what it needs


if __name__ == "__main__":
    main()
