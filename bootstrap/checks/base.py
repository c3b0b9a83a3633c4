"""What a check is made of. Nothing here imports Airflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from traceback import walk_tb
from typing import Any, Literal, get_args

from bootstrap.domain.secret import foreign
from bootstrap.manifest.kinds import CheckParams
from bootstrap.util.urls import split

__all__ = ["CheckParams"]  # declared where the manifest's loader sees it

SWEEP_AFTER = timedelta(days=1)  # what is younger may belong to a run that goes on somewhere else
PREFIX = "airflow-bootstrap-smoke"  # of the name of whatever a check creates
_STAMP = "%Y%m%d%H%M%S"
_NAME = re.compile(r"airflow([-_])bootstrap\1smoke\1(\d{14})\1[0-9a-f]{6}\1\d+(?!\d)")

_Airflows = Literal["secret_missing", "secret_malformed", "secret_undecryptable", "store_unreachable", "store_denied"]
_Network = Literal["dns", "connection_refused", "tls", "unreachable"]
CauseName = Literal[
    _Airflows, "provider_missing", _Network, "auth", "permission", "not_found", "timeout", "check_error"
]
StepName = Literal["resolve", "reach", "authenticate", "access", "write", "clean"]
# What a login has proven: that the server asked for the credential and took it, or less; a green check that proves less says so.
# Nobody is asked with a wrong credential, nor for a named account without its password: that locks accounts.
Asked = Literal["asked", "unasked", "unknown", "none"]
UNASKED = "accepted without asking for the credential"
_SAID: dict[Asked, str] = {
    "asked": "the server asked for the credential and took it",
    "unasked": UNASKED,
    "unknown": "not known whether the server asked for the credential",
    "none": "the connection sends no credential",
}
STEPS: tuple[StepName, ...] = get_args(StepName)  # in order


@dataclass(frozen=True)
class Endpoint:
    """What `reach` tries: DNS, TCP and, with `tls`, a TLS handshake.

    `verify` is what the hook trusts: True for the CAs of this machine, a file or folder of CAs, or False for anything.
    """

    host: str
    port: int
    tls: bool = False
    verify: bool | str = True


@dataclass(frozen=True)
class Cause:
    """Why a check failed; `message` and `hint` replace the error's own text and the usual next step."""

    name: CauseName
    message: str = ""
    hint: str = ""


class Diagnosed(Exception):
    """A failure whose cause is known where it happens."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.message)
        self.cause = cause


@dataclass(frozen=True)
class Place:
    """Where a check asks, a region or a project: what is in another is as good as missing there.

    `correct` says what to do about it; "" where the cause's hint does.
    """

    kind: str
    name: str
    correct: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one check. `id` is unique: what the check creates carries it in its name.

    `arguments` go to the operator's constructor as they are: task_id, callbacks, no retries. `tell` takes what belongs
    into the report beside the steps: `warning="…"`, `measured={…}`.
    """

    id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[..., object] = dict  # a run that nobody watches

    @property
    def name(self) -> str:
        """What the check creates is called this, or begins with it."""
        return f"{PREFIX}-{self.id}"

    @property
    def identifier(self) -> str:
        """The same where only letters, digits and underscores will do."""
        return self.name.replace("-", "_")

    def task(self, work: Callable[[], Any]) -> Any:
        """A task that does `work`, for systems whose hook is enough."""
        from bootstrap.airflow.compat import FunctionOperator

        return FunctionOperator(work=work, **self.arguments)


def connection(conn_id: str) -> Any:
    """Airflow's, in a check's task. Raises what Airflow raises."""
    from bootstrap.airflow.compat import BaseHook

    return BaseHook.get_connection(conn_id)


def said(conn_id: str, params: CheckParams, run: Run, result: Any) -> str:  # noqa: ARG001
    """What the task returned, for the report: how a check verifies whose task has done it all."""
    return str(result)


def nowhere(conn: Any) -> None:
    """The endpoint of a check that has none that could be tried."""


def by_text(error: BaseException, table: Iterable[tuple[str, CauseName, str, str]]) -> Cause | None:
    """The first cause whose words, a regular expression, are in the error's text. Rows: words, cause, message ("": the text), hint."""
    found = ((name, message, hint) for words, name, message, hint in table if re.search(words, str(error)))
    return next((Cause(name, message or foreign(error), hint) for name, message, hint in found), None)


def login_proof(run: Run, asked: Asked, who: str = "") -> str:
    """The detail of the step `authenticate`, after whom the server takes us for; warns where it never asked."""
    if asked == "unasked":
        run.tell(warning=UNASKED)
    return f"{who}; {_SAID[asked]}" if who else _SAID[asked]


def frames_of(error: BaseException, package: str) -> bool:
    """Whether the error came up in the code of a package."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(name.partition(".")[0] == package for name in modules)


def new_run_id() -> str:
    """The moment (UTC) and a random part; a check's run adds its number."""
    import secrets

    return f"{datetime.now(timezone.utc).strftime(_STAMP)}-{secrets.token_hex(3)}"


def leftovers(names: Iterable[str], now: datetime | None = None) -> Iterator[str]:
    """Those of the names that an earlier run of ours gave, long enough ago (SWEEP_AFTER) to be nobody's any more."""
    before = (now or datetime.now(timezone.utc)) - SWEEP_AFTER
    for name in names:
        found = _NAME.match(name)
        if found and datetime.strptime(found[2], _STAMP).replace(tzinfo=timezone.utc) < before:
            yield name


def url_endpoint(url: str, *, verify: bool | str = True) -> Endpoint | None:
    """The endpoint of an http or https URL; None where it names no host. Raises BadUrl."""
    parts = split(url)
    if not parts.hostname:
        return None
    tls = parts.scheme == "https"
    return Endpoint(parts.hostname, parts.port or (443 if tls else 80), tls, verify)


def endpoint_of_host(conn: Any, default_port: int) -> Endpoint | None:
    """The endpoint of a connection whose `host` is a bare name; None for a unix socket or no host.

    `conn` is an `airflow.models.Connection` or Airflow 3's task-side one.
    """
    host = conn.host
    if not host or host.startswith("/") or "," in host:
        return None
    return Endpoint(host=host, port=int(conn.port or default_port))
