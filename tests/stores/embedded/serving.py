"""What the tests of the embedded server have in common."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import hvac
import psutil

from bootstrap.stores.embedded import MOUNT, Server

ROOT = Path(__file__).parents[3]
TOOL = """
import sys
from pathlib import Path
from bootstrap.stores.embedded import Server
print(Server(Path(sys.argv[1])).ensure_running())
"""


def tool(server: Server) -> subprocess.Popen[str]:
    """Our tool in a process group of its own, starting the server."""
    return subprocess.Popen(
        [sys.executable, "-c", TOOL, server.folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def processes(server: Server) -> list[int]:
    """Every process, of the final server or of its draft, launcher or bao."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(server.folder) in word for word in process.cmdline()[1:]):
                found.append(process.pid)
    return sorted(found)


def end(server: Server) -> None:
    """End the server (a kill is quicker), whatever else a failed test left, and its files."""
    for pid in processes(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)  # 32 MB each


def write(server: Server, value: str) -> None:
    server.client().secrets.kv.v2.create_or_update_secret("connections/a", {"value": value}, mount_point=MOUNT)


def asking(server: Server, token: str) -> hvac.Client:
    return hvac.Client(server.url, token=token, verify=str(server.ca_file))


def own_token(server: Server) -> str:
    """What the tool itself logs in with."""
    token: str = server.client().token
    return token


def read(server: Server, path: str = "connections/a", token: str | None = None) -> Any:
    client = asking(server, token or own_token(server))
    answer: Any = client.secrets.kv.v2.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=True)
    return answer["data"]["data"]["value"]
