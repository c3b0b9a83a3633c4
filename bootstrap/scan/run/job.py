"""What is asked of the process that parses, and what comes back: plain data for both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MARK = "airflow-bootstrap-scan"  # in all that is made up: an id with it in it is none of the user's
End = Literal["ended", "late", "killed"]


@dataclass(frozen=True)
class Job:
    """`files` are DAG files relative to `folder`; `roots` has, by file, further folders that it may import from.

    `types` are conn_types by conn_id, as far as they are known. What file number N needs goes to `out`/N, JSON lines. `scratch` is
    the one folder that may be written to, `cache` that of what providers take.
    """

    folder: str
    files: Sequence[str]
    roots: Mapping[str, Sequence[str]]
    types: Mapping[str, str]
    timeout: float
    at_a_time: int
    scratch: str
    out: str
    cache: str | None = None


@dataclass(frozen=True)
class Need:
    """Something that was looked up, or that an object held.

    `frames` are the lines of the project that led there, innermost first: files relative to the scanned folder.
    """

    kind: Literal["connection", "template", "variable"]
    name: str
    by: str
    frames: tuple[tuple[str, int], ...]
    conn_type: str | None = None
    package: str | None = None
