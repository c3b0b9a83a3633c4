"""What `scan --run` adds to the static answer, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.scan.model import Dynamic
from bootstrap.util.human import counted, few

_MOST = 10  # ids of one line


@dataclass(frozen=True)
class Ran:
    """How much was parsed; the ids and keys that only the run has found, and what dynamic ids turned out to be."""

    files: int
    dags: int
    tasks: int
    connections: Sequence[str]
    variables: Sequence[str]
    resolved: Mapping[Dynamic, Sequence[str]]

    def document(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "files": self.files,
            "dags": self.dags,
            "tasks": self.tasks,
            "connections": list(self.connections),
            "variables": list(self.variables),
            "resolved": [
                {
                    "file": each.place.file,
                    "line": each.place.line,
                    "by": each.place.by,
                    "expression": each.expression,
                    "ids": list(ids),
                }
                for each, ids in self.resolved.items()
            ],
        }

    def lines(self) -> Iterator[str]:
        """For people: `--run adds: 2 connections (a, b)`, and what each dynamic id is."""
        parts = [
            f"{counted(len(names), what)} ({few(names, _MOST)})"
            for names, what in ((self.connections, "connection"), (self.variables, "variable"))
            if names
        ]
        if self.resolved:
            parts.append(f"{len(self.resolved)} dynamic id{'s are' if len(self.resolved) != 1 else ' is'} known")
        yield f"--run adds: {', '.join(parts) or 'nothing'}; parsed {counted(self.files, 'file')} with {counted(self.dags, 'DAG')}, {counted(self.tasks, 'task')}"
        for each, ids in self.resolved.items():
            yield f"  {each.place.file}:{each.place.line} {each.place.by} = {each.expression}: {few(ids, _MOST)}"
