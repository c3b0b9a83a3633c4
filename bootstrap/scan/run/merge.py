"""What a run adds to the static answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bootstrap.scan.model import ConnectionUse, Dynamic, Place, VariableUse
from bootstrap.scan.ran import Ran
from bootstrap.scan.result import Result, connections
from bootstrap.scan.run.job import MARK, Need
from bootstrap.scan.run.parsing import Seen
from bootstrap.scan.uses import NAME
from bootstrap.util.distributions import version


def merged(result: Result, seen: Seen) -> Result:
    """The result with what only the run has found, and without the dynamic ids that it knows."""
    known = [need for need in seen.needs if MARK not in need.name]
    static = {(use.conn_id, use.place.file) for each in result.connections for use in each.uses}
    uses = [_use(need) for need in known if need.kind != "variable" and NAME.match(need.name) and _is_new(need, static)]
    keys = {(use.key, use.place.file) for use in result.variables}
    variables = [
        VariableUse(need.name, _place(need)) for need in known if need.kind == "variable" and _is_new(need, keys)
    ]
    resolved = {each: ids for each in result.dynamic if (ids := _ids(each, seen))}
    before = {each.conn_id for each in result.connections}
    ran = Ran(
        len(seen.parsed) + len(seen.failed),
        seen.dags,
        seen.tasks,
        sorted({use.conn_id for use in uses} - before),
        sorted({use.key for use in variables} - {key for key, _ in keys}),
        resolved,
    )
    return _with(replace(result, run=ran), uses, variables, seen, resolved)


def _with(
    result: Result,
    uses: Iterable[ConnectionUse],
    variables: Iterable[VariableUse],
    seen: Seen,
    resolved: Mapping[Dynamic, object],
) -> Result:
    every = {*uses, *(use for each in result.connections for use in each.uses)}
    packages = {use.package for use in every if use.package}
    resources = [one for each in result.connections for one in each.resources]
    found = connections(every, resources, result.declared, {name: version(name) is not None for name in packages})
    return replace(
        result,
        connections=found,
        unused=sorted(set(result.declared.connections) - {each.conn_id for each in found}),
        dynamic=[each for each in result.dynamic if each not in resolved],
        variables=sorted({*result.variables, *variables}, key=lambda use: (use.key, use.place)),
        skipped=sorted([*result.skipped, *seen.failed], key=lambda each: each.file),
    )


def _is_new(need: Need, static: set[tuple[str, str]]) -> bool:
    return not any((need.name, file) in static for file, _ in need.frames)


def _use(need: Need) -> ConnectionUse:
    return ConnectionUse(need.name, "run", _place(need), need.conn_type, need.package)


def _place(need: Need) -> Place:
    file, line = need.frames[0]
    return Place(file, line, need.by)


def _ids(dynamic: Dynamic, seen: Seen) -> list[str]:
    """The ids that a dynamic one was, in every file that was parsed; none where something is left unsure."""
    if seen.failed and dynamic.place.file not in seen.parsed:
        return []
    found = {
        need.name
        for need in seen.needs
        if need.kind == "connection"
        and (dynamic.place.file, dynamic.place.line) in need.frames
        and _same(dynamic.place.by, need.by)
    }
    return sorted(found) if all(NAME.match(name) and MARK not in name for name in found) else []


def _same(static: str, seen: str) -> bool:
    """True for one argument, also of a subclass; and for a hook whose method looked up what it was made with."""
    return static.rpartition(".")[2] == seen.rpartition(".")[2] or static.partition(".")[0] == seen.partition(".")[0]
