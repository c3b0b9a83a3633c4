"""Somebody else who listens where the store is to be, and keeps whatever is sent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.systems.certificates import Pair

_ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n{"initialized":true,"data":null}'
)
_HELLO = b"\x16\x03"  # of TLS


@dataclass(frozen=True)
class Impostor:
    """What it got: `raw` what came first on each connection, `read` what it could read of that."""

    raw: Path
    read: Path

    @property
    def was_asked(self) -> bool:
        return self.raw.stat().st_size > 0

    def got_nothing(self) -> bool:
        """Whether every connection began with TLS, and ended when the certificate was seen."""
        begun = self.raw.read_bytes().split(b"\0END\0")[:-1]
        return self.read.read_bytes() == b"" and all(each[:2] in {_HELLO, b""} for each in begun)


@contextlib.contextmanager
def impostor(folder: Path, port: int, pair: Pair, user: int | None = None) -> Iterator[Impostor]:
    """Listens on the port with `pair`, as another user of the machine where one is given."""
    folder.mkdir(exist_ok=True)
    files = Impostor(folder / "raw", folder / "read")
    raw, read = files.raw.open("wb", buffering=0), files.read.open("wb", buffering=0)
    listening = multiprocessing.get_context("fork").Event()

    def serve() -> None:
        context = pair.context()  # before the files can no longer be read
        _close_all_but(raw.fileno(), read.fileno())  # a fork has whatever locks we hold
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        with socket.create_server(("127.0.0.1", port)) as server:
            listening.set()
            while True:
                client, _ = server.accept()
                with contextlib.suppress(OSError), client:
                    client.settimeout(5)
                    raw.write(client.recv(65536, socket.MSG_PEEK) + b"\0END\0")
                    _talk(context, client, read)

    process = multiprocessing.get_context("fork").Process(target=serve, daemon=True)
    process.start()
    try:
        assert listening.wait(10)
        yield files
    finally:
        process.kill()
        process.join()
        raw.close()
        read.close()


def _close_all_but(*kept: int) -> None:
    last = 2
    for descriptor in sorted(kept):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, 65536)


def _talk(context: ssl.SSLContext, client: socket.socket, read: object) -> None:
    """Take what comes, by TLS or without, and say that all is well."""
    first = client.recv(2, socket.MSG_PEEK)
    with context.wrap_socket(client, server_side=True) if first == _HELLO else client as talking:
        data = talking.recv(65536)
        read.write(data)  # type: ignore[attr-defined]  # an unbuffered file
        talking.sendall(_ANSWER)
