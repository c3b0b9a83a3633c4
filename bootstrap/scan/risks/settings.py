"""What a call sets: the value that the code gives, else the operator's own default."""

from __future__ import annotations

import ast
from types import EllipsisType

from bootstrap.scan.code.values import Call, Const, Literal, Made, Unknown, Value
from bootstrap.scan.operators.table import Operator

_UNITS = {"weeks": 604800, "days": 86400, "hours": 3600, "minutes": 60, "seconds": 1, "milliseconds": 0.001}
_TIMEDELTA = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")  # its order without names


def given(call: Call, name: str, operator: Operator | None = None) -> Value | None:
    """The argument of that name, by name or by its place; None where the code says nothing."""
    value = call.keywords.get(name)
    if value is None and operator is not None and name in operator.positional:
        place = list(operator.positional).index(name)
        value = call.arguments[place] if place < len(call.arguments) else None
    return call.defaults.get(name) if value is None else value


def setting(call: Call, operator: Operator, name: str) -> Literal | EllipsisType:
    """What a parameter is in this call; `...` where that isn't known, or there is no such parameter.

    A default that the table of operators doesn't have is None: it has numbers, and true and false.
    """
    value = given(call, name, operator)
    if value is not None:
        return value.literal()
    return ... if call.open or name not in operator.parameters else operator.defaults.get(name)


def seconds(value: Value | None) -> float | None:
    """A time in seconds: a number, arithmetic of numbers, or a timedelta; None where it isn't known."""
    if value is None or len(value.atoms) != 1:
        return None
    match value.atoms[0]:
        case Const(value=bool()):
            return None
        case Const(value=int() | float() as number):
            return float(number)
        case Unknown(expression=expression):
            return _calculated(expression)
        case Made(call=call) if call.name.rpartition(".")[2] in {"timedelta", "duration"}:
            return _timedelta(call)
    return None


def _timedelta(call: Call) -> float | None:
    parts = dict(zip(_TIMEDELTA, call.arguments, strict=False)) | dict(call.keywords)
    found = [(seconds(value), _UNITS.get(name)) for name, value in parts.items()]
    if call.open or any(number is None or unit is None for number, unit in found):
        return None
    return sum(number * unit for number, unit in found if number is not None and unit is not None)


def _calculated(expression: str) -> float | None:
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _number(node)


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add() | ast.Div() as operation, right=right):
            one, other = _number(left), _number(right)
            if one is None or other is None or (isinstance(operation, ast.Div) and not other):
                return None
            return (
                one * other
                if isinstance(operation, ast.Mult)
                else one + other
                if isinstance(operation, ast.Add)
                else one / other
            )
    return None
