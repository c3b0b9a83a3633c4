"""Servers that say yes to everything, and are none of those that they are taken for."""

from __future__ import annotations

import contextlib
import socketserver
import struct
from functools import partial
from typing import TYPE_CHECKING

from .in_process import Answer, Request, ThreadedServer, http_server, serving
from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_JSON, _HTML = ("Content-Type", "application/json"), ("Content-Type", "text/html; charset=utf-8")
_PAGE = b"<!DOCTYPE html><html><body>Please sign in<br></body></html>"
ANSWERS: Mapping[str, Callable[[Request], Answer]] = {
    "html": lambda _: Answer(200, _PAGE, [_HTML]),
    "object": lambda _: Answer(200, b"{}", [_JSON]),
    "empty": lambda _: Answer(200),
    "list": lambda _: Answer(200, b"[]", [_JSON]),
    "null": lambda _: Answer(200, b"null", [_JSON]),
    "shape": lambda _: Answer(200, b'{"status": "ok", "data": {"items": [{"id": 1}]}}', [_JSON]),
    "query": lambda asked: _page(asked) or Answer(302, b"", [("Location", f"{asked.path}?login=1")]),
    "moved": lambda asked: _page(asked) or Answer(302, b"", [("Location", "/login")]),
}


def _page(asked: Request) -> Answer | None:
    return Answer(200, _PAGE, [_HTML]) if "login" in asked.target else None


@contextlib.contextmanager
def speaking_http(name: str) -> Iterator[str]:
    """Answer every request as ANSWERS says; yields the URL. In "elsewhere" it redirects to another port, where a page is."""
    with contextlib.ExitStack() as stack:
        answer = ANSWERS.get(name)
        if answer is None:
            page = stack.enter_context(speaking_http("html"))
            answer = lambda asked: Answer(302, b"", [("Location", f"{page}{asked.path}")])  # noqa: E731
        yield f"http://{HOST}:{stack.enter_context(serving(http_server(answer)))}"


@contextlib.contextmanager
def by_name() -> Iterator[str]:
    """One server for clients whose address is the same for all: the answer is the one whose name is in the request."""

    def answer(asked: Request) -> Answer:
        return next((it for name, it in ANSWERS.items() if name in asked.target), ANSWERS["object"])(asked)

    with serving(http_server(answer)) as port:
        yield f"http://{HOST}:{port}"


@contextlib.contextmanager
def repeating(answer: bytes, *, first: bytes = b"") -> Iterator[int]:
    """Say `first`, and then `answer` to whatever comes; yields the port."""
    with serving(ThreadedServer(partial(_Repeating, first, answer))) as port:
        yield port


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    """Take everybody for a user, and every query for one that gives nothing (postgresql.org/docs/current/protocol-message-formats.html)."""
    ready = b"Z" + struct.pack("!ic", 5, b"I")
    done = b"C" + struct.pack("!i", 13) + b"SELECT 0\0" + ready
    version = b"server_version\x0016.0\0client_encoding\0UTF8\0"
    with serving(ThreadedServer(partial(_Postgres, version, ready, done))) as port:
        yield port


class _Repeating(socketserver.BaseRequestHandler):
    def __init__(self, first: bytes, answer: bytes, *arguments: object) -> None:
        self.first, self.answer = first, answer
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own

    def handle(self) -> None:
        self.request.sendall(self.first)
        while self.request.recv(65536):
            self.request.sendall(self.answer)


class _Postgres(socketserver.BaseRequestHandler):
    def __init__(self, parameters: bytes, ready: bytes, done: bytes, *arguments: object) -> None:
        self.parameters, self.ready, self.done = parameters, ready, done
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server's own

    def handle(self) -> None:
        while data := self.request.recv(65536):
            if data[4:8] in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
                self.request.sendall(b"N")  # neither TLS nor Kerberos
            elif data[:1] in b"QPBDES":
                self.request.sendall(self.done)
            elif data[:1] != b"X":
                self.request.sendall(b"R" + struct.pack("!ii", 8, 0) + self._status() + self.ready)

    def _status(self) -> bytes:
        """ParameterStatus for each pair."""
        texts = self.parameters.split(b"\0")[:-1]
        pairs = (name + b"\0" + value + b"\0" for name, value in zip(texts[::2], texts[1::2], strict=True))
        return b"".join(b"S" + struct.pack("!i", len(pair) + 4) + pair for pair in pairs)
