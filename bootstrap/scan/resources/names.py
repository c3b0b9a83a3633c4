"""Names as the code spells them: which an argument can be, and which of them differ from run to run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

from bootstrap.scan.code.values import Const, Items, Made, Text, Unknown, Value

_MOST = 64  # names of one argument
_JINJA = re.compile(r"\{\{|\{%|\{#")
_DATES = re.compile(
    r"(?<!\d)(?:19|20)\d\d([-/_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"  # 2024-01-31, 20240131
    r"|(?:^|[/=_-])(?:19|20)\d\d[-/](?:0[1-9]|1[0-2])(?=$|[/_-])"  # events/2024-01
    r"|%[YmdHMSjyUW](?![0-9A-Fa-f]{2})"  # strftime's
    r"|(?:YYYY|yyyy)[-_/]?(?:MM|mm)[-_/]?(?:DD|dd)(?![A-Za-z])"
)
_HOLE = re.compile(r"(?<!\$)\{[^{}]*\}")
_FIRST = re.compile(rf"{_JINJA.pattern}|{_DATES.pattern}|{_HOLE.pattern}|[*?]")


def is_template(text: str) -> bool:
    """True for a name with Jinja, a hole or a date in it: another run has another name."""
    return bool(_JINJA.search(text) or _DATES.search(text) or _HOLE.search(text))


def constant_start(name: str) -> str:
    """What a name begins with in every run: `b/events_` of `b/events_{{ ds }}.csv`. What begins with a star isn't known either."""
    found = _FIRST.search(name)
    return name if found is None else name[: found.start()]


def constant_prefix(name: str) -> str:
    """The same up to the last slash: `b/` of `b/events_{{ ds }}.csv`."""
    start = constant_start(name)
    return name if start == name else "".join(start.rpartition("/")[:2])


def spellings(value: Value | None) -> list[str]:
    """The names that an argument can be. What isn't known is a hole with its expression, `events/{day}`.

    An element of a list is a name of its own.
    """
    names = dict.fromkeys(_spelled(value.atoms)) if value is not None else {}
    return list(names)[:_MOST]


def only_holes(name: str) -> bool:
    """True where nothing of a name is known."""
    return not re.search(r"\w", _HOLE.sub("", name)) and not _JINJA.search(name)


def hole(expression: str) -> str:
    """A place in a name for what only a run knows; braces in an expression would end it too early."""
    return "{" + expression.translate({ord("{"): "(", ord("}"): ")"}).replace("\n", " ") + "}"


@lru_cache(4096)
def _of_expression(expression: str) -> str:
    """The text that stands in an expression which isn't known as a whole: `{bucket}/x` of f"{bucket}/x" and of bucket + "/x"."""
    if not re.search("['\"]", expression):
        return hole(expression)
    try:
        return _assembled(ast.parse(expression, mode="eval").body) or hole(expression)
    except (SyntaxError, ValueError, RecursionError):
        return hole(expression)


def _assembled(node: ast.expr) -> str:
    """Nothing for what is no text that is put together."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_assembled, parts))
        case ast.FormattedValue(value=value):
            return hole(ast.unparse(value))
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            sides = _assembled(left), _assembled(right)
            return (
                "".join(side or hole(ast.unparse(each)) for side, each in zip(sides, (left, right), strict=True))
                if any(sides)
                else ""
            )
    return ""


def _spelled(atoms: Iterable[object]) -> Iterator[str]:
    for atom in atoms:
        match atom:
            case Const(value=str(text)):
                yield text
            case Const(value=bool() | None):
                pass
            case Const(value=int() as number):
                yield str(number)
            case Text(parts=parts):
                yield "".join(part if isinstance(part, str) else _of_expression(part.expression) for part in parts)
            case Unknown(expression=expression):
                yield _of_expression(expression)
            case Made(call=call):
                yield hole(ast.unparse(call.node) if call.node is not None else call.name)
            case Items(elements=elements):
                yield from chain.from_iterable(_spelled(each.atoms) for each in elements)
