"""The answer of a scan: what the code needs, against what the manifest declares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bootstrap.scan.model import ConnectionUse, Dynamic, Evidence, Place, Resource, Risk, Skipped, VariableUse
from bootstrap.scan.ran import Ran

VERSION = 1  # of the JSON document
_STRONGEST: tuple[Evidence, ...] = ("explicit", "template", "environment", "default", "run")
_SAME = ({"ssh", "sftp"}, {"aws", "s3", "emr", "athena"}, {"http", "https"}, {"postgres", "redshift", "postgresql"})


@dataclass(frozen=True)
class Declared:
    """What a manifest says: the conn_type of each connection, "" for one that a store says; and the keys of its variables."""

    connections: Mapping[str, str] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Connection:
    """A connection that the code needs. `declared_type` is the manifest's conn_type; None where it isn't declared."""

    conn_id: str
    conn_type: str | None
    evidence: Evidence
    package: str | None
    installed: bool
    declared_type: str | None
    uses: tuple[ConnectionUse, ...]
    resources: tuple[Resource, ...] = ()

    @property
    def declared(self) -> bool:
        """True if the manifest has it."""
        return self.declared_type is not None

    @property
    def wrong_type(self) -> bool:
        """True if the manifest's conn_type is none that one of the hooks is for."""
        types = {use.conn_type for use in self.uses if use.conn_type}
        if not self.declared_type or not types:
            return False
        return not any(_same(self.declared_type, each) for each in types)

    @property
    def places(self) -> list[Place]:
        """Every place that needs it, each once."""
        return sorted({use.place for use in self.uses})


@dataclass(frozen=True)
class Result:
    """All that a scan has found. `folder` is what was scanned; places are relative to it."""

    folder: Path
    files: int
    skipped: Sequence[Skipped]
    connections: Sequence[Connection]
    unused: Sequence[str]
    dynamic: Sequence[Dynamic]
    variables: Sequence[VariableUse]
    risks: Sequence[Risk]
    declared: Declared = Declared()
    run: Ran | None = None

    @cached_property
    def undeclared(self) -> list[Connection]:
        """Connections that the manifest lacks."""
        return [each for each in self.connections if not each.declared]

    @cached_property
    def undeclared_variables(self) -> list[str]:
        """Variables that the manifest lacks."""
        return sorted({use.key for use in self.variables} - self.declared.variables)

    def document(self) -> dict[str, Any]:
        """The result as JSON data."""
        keys = sorted({use.key for use in self.variables})
        return {
            "version": VERSION,
            "files": self.files,
            "skipped": [{"file": each.file, "reason": each.reason} for each in self.skipped],
            "connections": [_connection(each) for each in self.connections],
            "unused": list(self.unused),
            "dynamic": [{**_place(each.place), "expression": each.expression} for each in self.dynamic],
            "variables": [
                {
                    "key": key,
                    "declared": key in self.declared.variables,
                    "places": [
                        _place(place) for place in sorted({use.place for use in self.variables if use.key == key})
                    ],
                }
                for key in keys
            ],
            "risks": [
                {"code": risk.code, **_place(risk.place), "message": risk.message, "fix": risk.fix}
                for risk in self.risks
            ],
            **({"run": self.run.document()} if self.run is not None else {}),
        }


def connections(
    uses: Iterable[ConnectionUse], resources: Iterable[Resource], declared: Declared, installed: Mapping[str, bool]
) -> list[Connection]:
    """The uses by connection. `installed` says of each package whether it is here."""
    by_id: dict[str, set[ConnectionUse]] = {}
    for use in uses:
        by_id.setdefault(use.conn_id, set()).add(use)
    touched: dict[str, set[Resource]] = {}
    for resource in resources:
        touched.setdefault(resource.conn_id, set()).add(resource)
    made = []
    for conn_id in sorted(by_id):
        found = sorted(by_id[conn_id], key=lambda use: (use.place, use.evidence, use.conn_type or ""))
        declared_type = declared.connections.get(conn_id)
        conn_type, package = _type(found, declared_type)
        made.append(
            Connection(
                conn_id,
                conn_type,
                min((use.evidence for use in found), key=_STRONGEST.index),
                package,
                installed.get(package, False) if package is not None else False,
                declared_type,
                tuple(found),
                tuple(sorted(touched.get(conn_id, ()), key=lambda each: (each.kind, each.name, each.verb, each.place))),
            )
        )
    return made


def _type(uses: Sequence[ConnectionUse], declared: str | None) -> tuple[str | None, str | None]:
    """The conn_type that most places say, and its package; the manifest's, where one of them says the same."""
    counts = Counter(use.conn_type for use in uses if use.conn_type)
    types = [declared] if declared in counts else [each for each, _ in counts.most_common(1)]
    conn_type = types[0] if types else declared or None
    fitting = [use.package for use in uses if use.package and use.conn_type == conn_type]
    return conn_type, Counter(fitting).most_common(1)[0][0] if fitting else next(
        (use.package for use in uses if use.package), None
    )


def _same(one: str, other: str) -> bool:
    return one == other or any({one, other} <= same for same in _SAME)


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "by": place.by}


def _connection(each: Connection) -> dict[str, Any]:
    return {
        "id": each.conn_id,
        "conn_type": each.conn_type,
        "evidence": each.evidence,
        "declared": each.declared,
        "declared_conn_type": each.declared_type or None,
        "package": each.package,
        "installed": each.installed,
        "places": [{**_place(use.place), "evidence": use.evidence} for use in _each_place_once(each.uses)],
        "resources": [
            {"kind": one.kind, "name": one.name, "verb": one.verb, "template": one.template, **_place(one.place)}
            for one in each.resources
        ],
    }


def _each_place_once(uses: Iterable[ConnectionUse]) -> list[ConnectionUse]:
    by_place: dict[Place, ConnectionUse] = {}
    for use in uses:
        by_place.setdefault(use.place, use)
    return list(by_place.values())
