"""SMTP: logs in; with `to`, proves that the server would take a mail for it, and sends none."""

from __future__ import annotations

import contextlib
import re
import smtplib
from functools import partial
from typing import Any

from bootstrap.checks import base
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Endpoint, Run, by_text, endpoint_of_host
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`from_email` is a sender and `to` a recipient that the server must accept; the mail is called off before its text.

    Without `from_email`, the sender is the one in the connection's extra.
    """

    from_email: str | None = None
    to: str | None = None


CONN_TYPES = ("smtp",)
PROVIDERS = ("apache-airflow-providers-smtp",)
PERMISSIONS = ("sending as `from_email`", "sending to `to`")
COMPARES = "that the server refuses a command that no mail server knows; with `to` that it takes the recipient"
CREATES = ""
STEPS = ("access",)
_BOTH = "in extra, disable_tls where TLS begins with the first byte (port 465), disable_ssl where with STARTTLS (587)"
_NO_AUTH = f"the server takes no login on this port, or not without TLS: {_BOTH}"
_NO_TLS = f"set {_BOTH}; both where there is no TLS at all"
_BY_TEXT: tuple[tuple[str, CauseName, str, str], ...] = (
    (r"AUTH extension not supported|No suitable authentication method", "auth", "", _NO_AUTH),
    (r"STARTTLS extension not supported", "tls", "", _NO_TLS),
    (r"WRONG_VERSION_NUMBER", "tls", "the server does not begin with TLS", _NO_TLS),
)
_NO_LOGIN = (454, 530, 534, 535, 538)  # codes
_UNKNOWN = "XBOOTSTRAP"
_LATER = "the server puts it off (greylisting, a full mailbox, too many mails): try again later"
_ADDRESS = re.compile(rb"^5\.1\.\d|unknown|no such|unavailable|does not exist|not found", re.IGNORECASE)
_POLICY = re.compile(rb"^5\.7\.\d|relay|denied|not allowed|not permitted|policy|reject", re.IGNORECASE)


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port. TLS is the next step's: it may begin later, and whom to trust is the hook's own decision."""
    return endpoint_of_host(conn, 25 if conn.extra_dejson.get("disable_ssl") else 465)


def authenticate(conn_id: str, params: Params, run: Run) -> str:  # noqa: ARG001
    """Log in and out again. Raises Diagnosed for half a login, with which the hook would not log in, and say nothing."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=conn_id) as hook:
        conn = hook.get_connection(conn_id)
        if conn.login or conn.password:
            if conn.extra_dejson.get("auth_type") != "oauth2" and not (conn.login and conn.password):
                missing = "password" if conn.login else "login"
                raise _incomplete(f"the connection has no {missing}: Airflow would not log in")
            return base.login_proof(run, "unknown")
    return base.login_proof(run, "none")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """SmtpHook's client asks."""
    return run.task(partial(_ask, conn_id, params))


def _incomplete(message: str) -> Diagnosed:
    return Diagnosed(Cause("secret_malformed", message, "complete the connection, then airflow-bootstrap register"))


def _ask(conn_id: str, params: Params) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=conn_id) as hook:
        client = getattr(hook, "_smtp_client", None) or hook.smtp_client  # its name in older versions
        _accepted(client.noop(), "NOOP")
        sender = params.from_email or hook.get_connection(conn_id).extra_dejson.get("from_email")
        if params.to and not sender:
            raise _incomplete("no sender: name `from_email` in the check, or in the connection's extra")
        if params.from_email or params.to:  # all of a mail but the mail
            client.ehlo_or_helo_if_needed()  # without login and TLS nobody has said it yet
            try:
                _accepted(client.mail(sender), f"sender {sender}")
                if params.to:
                    _accepted(client.rcpt(params.to), f"recipient {params.to}")
            finally:
                client.rset()
        # A mail server refuses, by 500 or by hanging up, what it doesn't know (RFC 5321, 4.2.4).
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            if client.docmd(_UNKNOWN)[0] < 500:  # noqa: PLR2004
                raise RuntimeError("what answers accepts a command that no mail server knows: it accepts everything")


class RefusedError(RuntimeError):
    """The server refused something, with this code and text."""

    def __init__(self, what: str, code: int, said: bytes) -> None:
        super().__init__(f"{what}: {code} {said.decode(errors='replace')}")
        self.what, self.code, self.said = what, code, said


def _accepted(answer: tuple[int, bytes], what: str) -> None:
    if not 200 <= answer[0] < 300:  # noqa: PLR2004
        raise RefusedError(what, *answer)


def cause(error: BaseException) -> Cause | None:
    """What the server says by its codes, and smtplib by its exceptions."""
    if isinstance(error, RefusedError):
        return _of_refusal(error)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Cause("auth", f"{int(error.smtp_code)} {foreign(error.smtp_error)}")
    if isinstance(error, UnicodeEncodeError):  # its text shows a part of the password
        return Cause("secret_malformed", "login and password must be ASCII: Python's smtplib sends nothing else")
    if isinstance(error, smtplib.SMTPServerDisconnected) or "Unable to connect to smtp server" in str(error):
        return Cause("unreachable", f"the server hangs up: {foreign(error)}", f"does it want TLS? {_BOTH}")
    return by_text(error, _BY_TEXT)


def _of_refusal(error: RefusedError) -> Cause:
    if error.code in _NO_LOGIN:
        return Cause("auth")
    if error.code < 500:  # noqa: PLR2004
        return Cause("check_error", hint=_LATER)
    if error.what.startswith("recipient"):
        missing = _ADDRESS.search(error.said) and not _POLICY.search(error.said)
        return Cause("not_found", hint="correct `to` in the manifest") if missing else Cause("permission")
    return Cause("permission", hint=f"let the login send as this {error.what}")
