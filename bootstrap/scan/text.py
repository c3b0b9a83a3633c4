"""A scan's result as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.scan.model import Place
from bootstrap.scan.result import Connection, Result
from bootstrap.util.human import counted, few

_EVIDENCE = {
    "default": " (by default)",
    "template": " (in a template)",
    "environment": "",
    "explicit": "",
    "run": " (seen at run time)",
}
MOST = 5  # places of one connection, and ids of one list, that are shown


def lines(result: Result) -> Iterator[str]:
    """The report: connections with their places, what differs from the manifest, what isn't known, risks."""
    yield from _connections(result)
    if result.unused:
        yield f"unused: declared, and no code needs it: {', '.join(result.unused)}"
    if result.dynamic:
        yield "dynamic: ids that are only known when the code runs"
        yield from (f"  {where(each.place)} = {each.expression}" for each in result.dynamic)
    if result.variables:
        keys = sorted({use.key for use in result.variables})
        missing = result.undeclared_variables
        yield f"variables: {', '.join(keys)}" + (f"; not declared: {', '.join(missing)}" if missing else "")
    for risk in result.risks:
        yield f"{risk.code} {where(risk.place)}: {risk.message}"
        yield f"      fix: {risk.fix}"
    for skipped in result.skipped:
        yield f"skipped: {skipped.file}: {skipped.reason}"


def _connections(result: Result) -> Iterator[str]:
    wide = max((len(each.conn_id) for each in result.connections), default=0)
    types = max((len(each.conn_type or "?") for each in result.connections), default=0)
    for each in result.connections:
        problems = problem(each)
        mark = "✗" if not each.declared else "!" if problems else "✓"
        note = f"  {problems}" if problems else ""
        yield f"{mark} {each.conn_id:<{wide}}  {each.conn_type or '?':<{types}}{note}"
        yield from (f"    {where(place)}{_EVIDENCE[evidence]}" for place, evidence in _places(each)[:MOST])
        if len(_places(each)) > MOST:
            yield f"    and {len(_places(each)) - MOST} more places"
        touched = sorted({f"{one.verb} {one.kind} {one.name}" for one in each.resources})
        if touched:
            yield f"    touches: {few(touched, MOST)}"


def _places(connection: Connection) -> list[tuple[Place, str]]:
    found: dict[Place, str] = {}
    for use in connection.uses:
        found.setdefault(use.place, use.evidence)
    return list(found.items())


def problem(connection: Connection) -> str:
    """What is wrong with it; "" if nothing is."""
    if not connection.declared:
        return "not declared"
    if connection.wrong_type:
        return f"declared as {connection.declared_type}, used as {connection.conn_type}"
    if connection.package is not None and not connection.installed:
        return f"{connection.package} is not installed"
    return ""


def summary(result: Result) -> str:
    """The last line: what was read and what it means."""
    parts = [counted(result.files, "file"), counted(len(result.connections), "connection")]
    if result.undeclared:
        parts.append(f"{len(result.undeclared)} not declared")
    wrong = sum(each.wrong_type for each in result.connections)
    parts += [
        f"{count} {what}"
        for count, what in (
            (wrong, "of another conn_type"),
            (len(result.unused), "unused"),
            (len(result.dynamic), "dynamic"),
        )
        if count
    ]
    if result.risks:
        parts.append(counted(len(result.risks), "risk"))
    return ", ".join(parts)


def where(place: Place) -> str:
    """`load.py:12 SQLExecuteQueryOperator.conn_id`."""
    return f"{place.file}:{place.line} {place.by}".rstrip()
