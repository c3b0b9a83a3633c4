"""A stand-in for a private image registry, in this process: it asks for a password and has one image.

As the Docker Registry HTTP API V2 has it: 401 with a challenge, 403 DENIED, 404 MANIFEST_UNKNOWN.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DENIED = "denied/"
_APPLETS = ("sh", "echo", "cat", "sleep", "true", "false")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_DOCKER = "application/vnd.docker"
_MANIFEST_TYPE = f"{_DOCKER}.distribution.manifest.v2+json"
_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHORIZED",
    HTTPStatus.FORBIDDEN: "DENIED",
    HTTPStatus.NOT_FOUND: "MANIFEST_UNKNOWN",
}


class Blob(NamedTuple):
    """What the registry answers with."""

    media_type: str
    content: bytes


@dataclass(frozen=True)
class Registry:
    """A running registry; `host` is what a connection's host and an image's name begin with."""

    host: str
    login: str
    password: str = field(repr=False)

    @property
    def image(self) -> str:
        """The image that can be pulled: busybox."""
        return f"{self.host}/tiny:1"

    @property
    def denied_image(self) -> str:
        """An image that this login may not pull."""
        return f"{self.host}/{_DENIED}tiny:1"

    @property
    def missing_image(self) -> str:
        """An image that isn't there."""
        return f"{self.host}/missing:1"


@contextlib.contextmanager
def running(login: str, password: str) -> Iterator[Registry]:
    """Serve for a while."""
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    server = _Server(f"Basic {token}", _published())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Registry(f"{HOST}:{server.server_port}", login, password)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def root_filesystem() -> bytes:
    """Return a tar of the smallest Linux that has a shell: Debian's busybox-static."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.add(Path(shutil.which("busybox") or "busybox").resolve(), "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return made.getvalue()


def _published() -> dict[str, Blob]:
    """Return what each path below /v2/ holds: a manifest, its configuration and its only layer."""
    tar = root_filesystem()
    settings = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
    }
    config = Blob(f"{_DOCKER}.container.image.v1+json", json.dumps(settings).encode())
    layer = Blob(f"{_DOCKER}.image.rootfs.diff.tar.gzip", gzip.compress(tar, 1))
    contents = {"schemaVersion": 2, "config": _described(config), "layers": [_described(layer)]}
    manifest = Blob(_MANIFEST_TYPE, json.dumps({"mediaType": _MANIFEST_TYPE, **contents}).encode())
    blobs = {f"tiny/blobs/{_digest(each.content)}": each for each in (config, layer)}
    names = ("1", _digest(manifest.content))
    return {"": Blob("application/json", b"{}"), **blobs, **{f"tiny/manifests/{name}": manifest for name in names}}


def _described(blob: Blob) -> dict[str, object]:
    return {"mediaType": blob.media_type, "size": len(blob.content), "digest": _digest(blob.content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Server(ThreadingHTTPServer):
    def __init__(self, authorization: str, published: Mapping[str, Blob]) -> None:
        super().__init__((HOST, 0), _Handler)
        self.authorization, self.published = authorization, published


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v2/").partition("?")[0]
        if self.headers["Authorization"] != self.server.authorization:
            self._refuse(HTTPStatus.UNAUTHORIZED)
        elif path.startswith(_DENIED):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif path not in self.server.published:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, self.server.published[path])

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def _refuse(self, status: HTTPStatus) -> None:
        errors = [{"code": _CODES[status], "message": status.phrase.lower()}]
        self._answer(status, Blob("application/json", json.dumps({"errors": errors}).encode()))

    def _answer(self, status: HTTPStatus, blob: Blob) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", blob.media_type)
        self.send_header("Content-Length", str(len(blob.content)))
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        if status is HTTPStatus.OK:
            self.send_header("Docker-Content-Digest", _digest(blob.content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(blob.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
