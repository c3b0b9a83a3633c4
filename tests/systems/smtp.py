"""A mail server that asks for a password and keeps what it gets, in this process: aiosmtpd."""

from __future__ import annotations

import contextlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from .process import HOST, ServerFailedError
from .server import on_free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    """A mail as it came: the envelope's addresses, and the content."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Smtp:
    """A running server: what it got is in `received`, and what is in `refused` gets a 550 as a recipient."""

    host: str
    port: int
    login: str
    password: str = field(repr=False)
    received: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


@contextlib.contextmanager
def running(
    login: str, password: str, *, starttls: ssl.SSLContext | None = None, smtps: ssl.SSLContext | None = None
) -> Iterator[Smtp]:
    """Serve for a while; take mail only from whoever logged in, with AUTH PLAIN or LOGIN.

    With `starttls`, only after STARTTLS; with `smtps`, everything is encrypted from the first byte.
    The contexts are those of certificates.Pair.context().
    """

    def start(port: int) -> tuple[Smtp, Controller]:
        made = Smtp(HOST, port, login, password)
        controller = Controller(
            _Handler(made),
            hostname=HOST,
            port=port,
            ssl_context=smtps,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_require_tls=starttls is not None,
            authenticator=_Authenticator(made),
        )
        _started(controller)
        return made, controller

    server, controller = on_free_port(start)
    try:
        yield server
    finally:
        controller.stop()


def _started(controller: Controller) -> None:
    try:
        controller.start()
    except OSError as error:  # somebody took the port
        controller.stop()
        message = f"smtp did not start: {error}"
        raise ServerFailedError(message) from error


class _Authenticator:
    """Tell aiosmtpd who may log in."""

    def __init__(self, known: Smtp) -> None:
        self.known = known

    def __call__(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        right = hmac.compare_digest(data.password, self.known.password.encode())
        return AuthResult(success=right and data.login == self.known.login.encode(), handled=False)


class _Handler:
    """aiosmtpd's hooks, which answer a command or leave that to it."""

    def __init__(self, known: Smtp) -> None:
        self.known = known

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Demand a login: its own `auth_required` warns about a server without TLS, which some tests are for."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.known.refused:
            return "550 5.1.1 Mailbox unavailable"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        self.known.received.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw))
        return "250 Message accepted for delivery"
