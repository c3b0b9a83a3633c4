"""What a kind of store knows of Airflow's secrets backend for it, in Airflow's own process: what that asks for, and what is there.

Read in apache-airflow-providers-hashicorp 4.8, -google 22.8 and -amazon 9.34, and their releases for Airflow 2.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

Kind = Literal["connection", "variable", "config"]

OPTIONS = {"connection": "connections", "variable": "variables", "config": "config"}  # connections_path, config_prefix


@dataclass(frozen=True)
class Query:
    """What is looked up: a conn_id, a variable's key, or the name that an option's `_secret` gives."""

    kind: Kind
    key: str
    team: str | None = None


@dataclass(frozen=True)
class Look:
    """A secret that is there. `problem`: why Airflow can't take it all the same ("is binary, …")."""

    name: str
    version: str = ""
    created: datetime | None = None
    problem: str = ""


class Told(Exception):
    """`state`: miss, where more is known of it; broken or unreachable, where it isn't the secret's fault."""

    def __init__(self, state: Literal["miss", "broken", "unreachable"], detail: str) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail


class BackendLook(Protocol):
    """Knows one class of secrets backend. `backend` is Airflow's own object."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """What it asks its store for, in order, as its client takes them."""

    def shown(self, backend: Any, name: str) -> str:
        """Such a name as the store calls it."""

    def look(self, backend: Any, query: Query, name: str) -> Look | None:
        """The secret of this name, asked through the backend's own client; None: it isn't there.

        Raises the client's errors, also those that the backend would hide behind a None, and Told.
        """


def option(backend: Any, query: Query, suffix: str) -> Any:
    """Below which path, or with which prefix, it looks for secrets of this kind; None: not at all."""
    return getattr(backend, f"{OPTIONS[query.kind]}_{suffix}", None)


def names_a_team(backend: Any, query: Query) -> bool:
    """Google's and AWS's backends refuse an id that reads like a team's secret."""
    check = getattr(backend, "_names_a_team_namespace", None)
    return check is not None and bool(check(query.key))
