"""A Docker daemon of our own, from the Debian packages docker.io and runc: no bridge, no firewall rule.

It needs root: containers are mounts and namespaces.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from tenacity import retry, stop_after_delay, wait_fixed

from . import require
from .docker_registry import root_filesystem
from .server import Server, clean_env

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "make system-deps"
_SECONDS = 60.0
_SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"  # dockerd looks for containerd, runc and iptables
# None of these touches the host's network or outlives the daemon.
_SETTINGS = ("--iptables=false", "--ip-forward=false", "--bridge=none", "--storage-driver=vfs")
_HELPERS = re.compile(r"[^\0]*\b(dockerd|containerd|containerd-shim-runc-v2|runc)\0")
_CGROUPS = Path("/sys/fs/cgroup")
_POLL_SECONDS = 0.02
# Where containerd keeps the pid of each container's first process.
_INIT_PIDS = "containerd/daemon/io.containerd.runtime.v2.task/*/*/init.pid"


@dataclass(frozen=True)
class Docker:
    """A running daemon."""

    url: str

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Yield a docker.APIClient."""
        import docker  # type: ignore[import-untyped]

        with contextlib.closing(docker.APIClient(self.url)) as client:
            yield client

    def image(self, name: str) -> None:
        """Make an image of busybox, with sh, echo, cat, sleep, true and false."""
        repository, _, tag = name.partition(":")
        with self.client() as client:
            client.import_image_from_data(root_filesystem(), repository, tag or "latest")

    def images(self) -> list[str]:
        """Return the images' names, with their tags."""
        with self.client() as client:
            return [name for image in client.images() for name in image["RepoTags"] or ()]

    def containers(self) -> list[str]:
        """Return the containers' names, also of those that have ended."""
        with self.client() as client:
            return [name.lstrip("/") for each in client.containers(all=True) for name in each["Names"]]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Docker]:
    """Run a daemon for a while; its log stays in `folder`, its images and containers don't.

    Raises SkipTest (AssertionError in CI) without root or one of the programs.
    """
    _require_all()
    home = Path(tempfile.mkdtemp(prefix="docker-", dir="/tmp"))  # a socket's path has 107 bytes at most
    server = _server(folder.resolve(), home)
    with contextlib.ExitStack() as afterwards:  # each step is taken even if one fails; the last one goes first
        for step in (shutil.rmtree, _remove_cgroups, _unmount, _end_strays):
            afterwards.callback(step, home)
        afterwards.callback(server.stop, _SECONDS)
        afterwards.callback(_remove_containers, home)
        server.start(lambda _: _answers(home), _SECONDS)
        yield Docker(_url(home))


def _require_all() -> None:
    if os.geteuid() != 0:
        reason = "dockerd needs root; run the tests as root"
        raise AssertionError(reason) if os.environ.get("CI") == "true" else SkipTest(reason)
    require("docker", INSTALL)
    for program in ("busybox", "containerd", "dockerd", "runc"):
        require(program, INSTALL)


def _server(folder: Path, home: Path) -> Server:
    roots = ("--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "-p", f"{home}/dockerd.pid")
    return Server(
        name="dockerd",
        folder=folder,
        argv=(shutil.which("dockerd") or "dockerd", "-H", _url(home), *roots, *_SETTINGS, *_cgroups(home)),
        needle=f"--data-root {home}/data ",
        env=clean_env(PATH=_SBIN, HOME=str(home)),
    )


def _cgroups(home: Path) -> tuple[str, ...]:
    return ("--exec-opt", "native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{home.name}")


def _url(home: Path) -> str:
    return f"unix://{home}/docker.sock"


def _answers(home: Path) -> bool:
    """Tell whether the daemon serves; without a docker.APIClient, which leaks its socket where it doesn't."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(f"{home}/docker.sock")
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(16)
        except OSError:
            return False


def _remove_containers(home: Path) -> None:
    """Remove them while the daemon can: when it goes, it gives each of them seconds to end by itself."""
    if _answers(home):
        with Docker(_url(home)).client() as client:
            for each in client.containers(all=True):
                client.remove_container(each["Id"], force=True, v=True)


def _end_strays(home: Path) -> None:
    """Kill what a daemon that was killed has left: its helpers, and the containers' first processes."""
    deadline = time.monotonic() + _SECONDS
    while strays := [*_helpers(home), *_inits(home)]:
        if time.monotonic() > deadline:
            message = f"processes {strays} of a Docker daemon ignore SIGKILL"
            raise TimeoutError(message)
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _helpers(home: Path) -> list[int]:
    pids = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _HELPERS.match(words := _proc(pid, "cmdline")) and f"{home}/" in words]


def _inits(home: Path) -> list[int]:
    """Return the containers' first processes; the control group tells them from others with a reused pid."""
    files = (home / "exec").glob(_INIT_PIDS)
    pids = [(int(each.read_text()), each.parent.name) for each in files]
    return [pid for pid, container in pids if _proc(pid, "cmdline") and container in _proc(pid, "cgroup")]


def _proc(pid: int, name: str) -> str:
    """Return what /proc says of a process, "" if it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _unmount(home: Path) -> None:
    """Unmount all below `home`, the last mount first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{home}/"):
            subprocess.run(["umount", "--lazy", point], check=True)


@retry(stop=stop_after_delay(_SECONDS), wait=wait_fixed(_POLL_SECONDS), reraise=True)
def _remove_cgroups(home: Path) -> None:
    """Remove the daemon's groups, and those of containers that ended without it, once their processes are gone.

    Version 1 of control groups has one tree per controller, version 2 has one tree.
    """
    for parent in (*_CGROUPS.glob(home.name), *_CGROUPS.glob(f"*/{home.name}")):
        for group in (*parent.glob("*/"), parent):
            group.rmdir()
