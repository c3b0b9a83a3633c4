"""What a scan finds, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Evidence = Literal["explicit", "default", "template", "environment", "run"]
Verb = Literal["read", "write", "create", "delete", "run"]


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands: the file relative to the scanned folder, and its line from 1. `by` is the operator or hook with the
    argument that holds it, as `SQLExecuteQueryOperator.conn_id`; "" where there is none.
    """

    file: str
    line: int
    by: str = ""


@dataclass(frozen=True)
class ConnectionUse:
    """One place that needs one connection. `conn_type` and `package` are those of its hook: None where that isn't known."""

    conn_id: str
    evidence: Evidence
    place: Place
    conn_type: str | None = None
    package: str | None = None


@dataclass(frozen=True)
class VariableUse:
    """One place that reads one Airflow variable. `optional`: the code says what it takes where there is none."""

    key: str
    place: Place
    optional: bool = False


@dataclass(frozen=True)
class Dynamic:
    """A connection id that is only known when the code runs; `expression` is its source text."""

    place: Place
    expression: str


@dataclass(frozen=True)
class Resource:
    """Something that the code touches through a connection: `kind` is table, query, bucket, dataset, endpoint, path, …

    `template` is true for a name that differs from run to run, as `events/{{ ds }}.csv`. `right` is what the verb means in SQL's
    own words, as INSERT; "" elsewhere.
    """

    conn_id: str
    kind: str
    name: str
    verb: Verb
    place: Place
    template: bool = False
    right: str = ""


@dataclass(frozen=True)
class Risk:
    """Something that works today and won't some day. `code` is AB101 and so on; `fix` is the next step."""

    code: str
    place: Place
    message: str
    fix: str


@dataclass(frozen=True)
class Skipped:
    """A file that wasn't read, or not whole, with the reason."""

    file: str
    reason: str
