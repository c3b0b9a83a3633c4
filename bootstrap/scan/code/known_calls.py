"""Calls whose result the literals tell: methods of str, list and dict, and a few functions of the standard library."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bootstrap.scan.code.values import Const, Items, Table, Text, Unknown, Value, known, union

PRODUCT = 32  # combinations of alternatives that are worked out
_TEXT_METHODS = frozenset(
    {
        "capitalize",
        "casefold",
        "format",
        "join",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "replace",
        "rstrip",
        "strip",
        "swapcase",
        "title",
        "upper",
        "zfill",
        "rsplit",
        "split",
        "splitlines",
    }
)
_SAME = frozenset(
    ("str", "list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "deepcopy", "copy", "cast")
)
_TABLE_METHODS: dict[str, Callable[[Table], list[Value]]] = {
    "keys": lambda table: [known(key) for key, _ in table.entries],
    "values": lambda table: [value for _, value in table.entries],
    "items": lambda table: [Value((Items((known(key), value)),)) for key, value in table.entries],
}


def combined(work: Callable[..., Any], *values: Value) -> Value | None:
    """What the function makes of each combination of literals; None where one of the values isn't just literals."""
    choices = [[atom.value for atom in value.constants()] for value in values]
    if any(len(found) != len(value.atoms) for found, value in zip(choices, values, strict=True)):
        return None
    sites = [atom for value in values for atom in value.constants() if atom.site]
    site, default = (sites[0].site, sites[0].default) if sites else (None, False)
    made = []
    for each in itertools.islice(itertools.product(*choices), PRODUCT):
        try:
            result = work(*each)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, MemoryError):
            return None
        if isinstance(result, (list, tuple)):
            made.append(Value((Items(tuple(known(part, site) for part in result)),)))
        elif result is None or isinstance(result, (str, bytes, int, float, complex)):
            made.append(Value((Const(result, site, default),)))
        else:
            return None
    return union(*made)


def joined(parts: Sequence[Value], expression: str) -> Value:
    """Strings one after another, as in an f-string; with holes where a part isn't known."""
    whole = combined(lambda *each: "".join(map(str, each)), *parts)
    if whole is not None:
        return whole
    if any(len(part.atoms) > 1 for part in parts):
        return Value((Unknown(expression),))
    pieces: list[str | Unknown] = []
    for part in parts:
        atom = part.atoms[0] if part.atoms else Unknown("…")
        if isinstance(atom, Const):
            pieces.append(str(atom.value))
        elif isinstance(atom, Text):
            pieces += atom.parts
        else:
            pieces.append(Unknown(getattr(atom, "expression", "") or "…"))
    site = next(
        (atom.site for part in parts for atom in part.atoms if isinstance(atom, (Const, Text, Unknown)) and atom.site),
        None,
    )
    return Value((Text(tuple(pieces), site),))


def method(receiver: Value, name: str, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value | None:
    """What `receiver.name(…)` returns; None where that isn't known."""
    if name in _TABLE_METHODS and (tables := receiver.tables()):
        made = [Items(tuple(_TABLE_METHODS[name](table)), open=table.open) for table in tables]
        return Value(tuple(made))
    if name in ("get", "pop", "setdefault") and receiver.tables() and arguments:
        return item(receiver, arguments[0], (arguments[1] if len(arguments) > 1 else known(None)))
    if name == "copy":
        return receiver
    if name in _TEXT_METHODS and any(isinstance(atom, (Const, Text)) for atom in receiver.atoms):
        return _text_method(receiver, name, arguments, keywords)
    return None


def _text_method(receiver: Value, name: str, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value | None:
    if name == "format":
        return _formatted(receiver, arguments, keywords)
    if name == "join" and len(arguments) == 1:
        separator = receiver.literal()
        lists = [atom for atom in arguments[0].atoms if isinstance(atom, Items)]
        if not isinstance(separator, str) or len(lists) != 1 or lists[0].open:
            return None
        parts: list[Value] = []
        for element in lists[0].elements:
            parts += [known(separator), element] if parts else [element]
        return joined(parts, "…")
    return combined(lambda text, *rest: getattr(text, name)(*rest), receiver, *arguments)


def _formatted(receiver: Value, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value | None:
    names = list(keywords)
    count = len(arguments)
    whole = combined(
        lambda text, *rest: text.format(*rest[:count], **dict(zip(names, rest[count:], strict=True))),
        receiver,
        *arguments,
        *keywords.values(),
    )
    if whole is not None or not isinstance(template := receiver.literal(), str):
        return whole
    try:
        from string import Formatter

        pieces = list(Formatter().parse(template))
    except ValueError:
        return None
    parts: list[Value] = []
    for number, (text, field, _, _) in enumerate(pieces):
        parts.append(known(text))
        if field is not None:
            place = int(field) if field.isdigit() else number
            found = (
                keywords.get(field) if field and not field.isdigit() else (arguments[place] if place < count else None)
            )
            parts.append(found or Value((Unknown(field or "…"),)))
    return joined(parts, "…")


def item(receiver: Value, key: Value, missing: Value | None = None) -> Value:
    """What stands under a key or at a place: every candidate where the key isn't known."""
    found: list[Value] = []
    for atom in receiver.atoms:
        if isinstance(atom, Table):
            wanted = list(key.constants())
            hits = [hit for const in wanted if (hit := atom.get(const.value)) is not None]
            if hits:
                found += hits
            elif not wanted or len(wanted) != len(key.atoms):
                found += [value for _, value in atom.entries]
            if missing is not None and (not hits or atom.open):
                found.append(missing)
        elif isinstance(atom, Items):
            place = key.literal()
            if isinstance(place, int) and -len(atom.elements) <= place < len(atom.elements):
                found.append(atom.elements[place])
            else:
                found += atom.elements
    return union(*found)


def function(name: str, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value | None:
    """What a function of the standard library returns, by its dotted name; None where that isn't known."""
    last = name.rpartition(".")[2]
    if name in ("builtins.dict", "collections.OrderedDict", "types.SimpleNamespace"):
        return _table(arguments, keywords)
    if last in _SAME and arguments and name.startswith(("builtins.", "copy.", "typing.")):
        return arguments[-1] if last == "cast" else arguments[0]
    if name in ("os.path.join", "posixpath.join") and arguments:
        return combined(posixpath.join, *arguments)
    if name in ("builtins.enumerate", "builtins.zip"):
        return _rows(name, arguments)
    if name == "builtins.range":
        return combined(lambda *ends: list(range(*ends))[:PRODUCT], *arguments)
    return None


def _table(arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value | None:
    entries: list[tuple[Any, Value]] = []
    is_open = False
    for value in arguments[:1]:
        for table in value.tables():
            entries += table.entries
            is_open = is_open or table.open
        pairs = [pair.atoms[0] for pair in value.elements() if len(pair.atoms) == 1]
        for pair in pairs:
            if (
                isinstance(pair, Items)
                and len(pair.elements) == len(("key", "value"))
                and (key := pair.elements[0].literal()) is not ...
            ):
                entries.append((key, pair.elements[1]))
        is_open = is_open or not (value.tables() or pairs)
    return Value((Table((*entries, *keywords.items()), open=is_open),))


def _rows(name: str, arguments: Sequence[Value]) -> Value | None:
    lists = [value.elements() for value in arguments]
    if not lists or not all(lists):
        return None
    if name == "builtins.enumerate":
        rows = [(known(number), element) for number, element in enumerate(lists[0])]
    else:
        rows = [tuple(row) for row in zip(*lists, strict=False)]
    return Value((Items(tuple(Value((Items(row),)) for row in rows)),))
