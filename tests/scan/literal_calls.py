"""Calls with literal arguments, made from source text: what the interpreter gives for such code."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import EllipsisType

from bootstrap.scan.code.values import Call, Items, Site, Table, Text, Unknown, Value, known, unknown
from bootstrap.scan.model import Resource
from bootstrap.scan.resources.of_call import ReadText, nothing, resources


def call(source: str, *, line: int = 1) -> Call:
    """`Operator(bucket="b")`, or `Hook(conn).method(…)`."""
    node = ast.parse(source, mode="eval").body
    assert isinstance(node, ast.Call)
    return _call(node, line)


def _call(node: ast.Call, line: int) -> Call:
    receiver = None
    names: list[str] = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute | ast.Call):
        if isinstance(function, ast.Attribute):
            names.insert(0, function.attr)
            function = function.value
        else:
            if receiver is None:
                receiver = _call(function, line)
            function = function.func
    assert isinstance(function, ast.Name)
    return Call(
        name=".".join(["airflow", "somewhere", function.id, *names]),
        site=Site("dag.py", line),
        arguments=tuple(value(each) for each in node.args),
        keywords={each.arg: value(each.value) for each in node.keywords if each.arg},
        receiver=receiver,
        node=node,
    )


def value(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=constant) if not isinstance(constant, EllipsisType):
            return known(constant)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return Value((Items(tuple(map(value, elements))),))
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return Value((Table(tuple((ast.literal_eval(key), value(each)) for key, each in pairs if key)),))
        case ast.JoinedStr(values=parts):
            return Value((Text(tuple(map(_part, parts))),))
    return unknown(ast.unparse(node))


def _part(node: ast.expr) -> str | Unknown:
    if isinstance(node, ast.FormattedValue):
        return Unknown(ast.unparse(node.value))
    assert isinstance(node, ast.Constant)
    return str(node.value)


def found(
    source: str,
    connections: Mapping[str, Sequence[str]] | None = None,
    read_text: ReadText = nothing,
    conn_types: Mapping[str, str] | None = None,
) -> list[tuple[str, str, str, bool]]:
    """(verb or right, kind, name, template) of each resource; its connection in front where there are several."""
    ids = connections or {"conn_id": ["x"]}
    return [_shown(each, len(ids) > 1) for each in resources(call(source), ids, read_text, conn_types)]


def _shown(each: Resource, several: bool) -> tuple[str, str, str, bool]:  # noqa: FBT001
    verb = each.right or each.verb
    return (f"{each.conn_id} {verb}" if several else verb, each.kind, each.name, each.template)
