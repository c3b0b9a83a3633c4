"""What a check is made of. Nothing here imports Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bootstrap.model import Model

CauseName = Literal[
    "secret_missing",
    "secret_malformed",
    "store_unreachable",
    "store_denied",
    "provider_missing",
    "dns",
    "connection_refused",
    "tls",
    "unreachable",
    "auth",
    "permission",
    "not_found",
    "timeout",
    "check_error",
]
StepName = Literal["resolve", "reach", "authenticate", "access", "write", "clean"]


class CheckParams(Model):
    """What bootstrap.yaml may say of a check."""


@dataclass(frozen=True)
class Endpoint:
    """What `reach` tries: DNS, TCP and, with `tls`, a TLS handshake that verifies the certificate."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Cause:
    """Why a check failed; `message` replaces the error's own text where that says too little."""

    name: CauseName
    message: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one check. `id` is unique: what the check creates carries it in its name.

    `arguments` go to the operator's constructor as they are: task_id, callbacks, no retries.
    """

    id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def endpoint_of_host(conn: Any, default_port: int) -> Endpoint | None:
    """The endpoint of a connection whose `host` is a bare name; None for a unix socket or no host.

    `conn` is an `airflow.models.Connection` or Airflow 3's task-side one.
    """
    host = conn.host
    if not host or host.startswith("/") or "," in host:
        return None
    return Endpoint(host=host, port=int(conn.port or default_port))
