"""How the tables of operators are written.

A key is an operator's class, or a hook's method with its first arguments in order: `GCSHook.upload(bucket_name, object_name)`.
A row says what one call touches: `VERB KIND NAME [via CONNECTION,…] [if ARGUMENT[=VALUE|…]]`.

- NAME puts arguments into braces. `{a|b}` is the first that is given, `{a.b.c}` looks into dicts, and what stands in `[brackets]` is
  left out where its argument isn't given.
- VERB is one of the model's. `sql` reads the name as SQL, `select`, `insert` and `drop` as a table in SQL: KIND is then sqlglot's
  name of the dialect, or `?` where the connection decides.
- `via` are the arguments that hold the connection, those of older releases after the first; by default the table's.
- `if` asks for an argument that is true, or has one of these values; `-` stands for one that isn't given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

Rows = Mapping[str, tuple[str, ...]]

_ROW = re.compile(r"(\w+) (\S+) (\S+)(?: via (\S+))?(?: if (\S+))?")
_KEY = re.compile(r"([\w.]+)(?:\(([^)]*)\))?")


@dataclass(frozen=True)
class Row:
    """One line: see the module."""

    verb: str
    kind: str
    name: str
    via: tuple[str, ...]
    condition: str = ""


@dataclass(frozen=True)
class Entry:
    """What a call touches, and its positional arguments' names."""

    rows: tuple[Row, ...]
    positional: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """One family's table. `modules` are for operators without rows of their own: by the module's last name, which argument
    names which kind; the verb is then in the operator's name. `aliases`: classes of older releases.
    """

    via: str
    rows: Rows
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def entries(system: System) -> dict[str, Entry]:
    """The table, by class or class.method. Raises ValueError for a row that can't be read."""
    found: dict[str, Entry] = {}
    for key, texts in system.rows.items():
        parsed = _KEY.fullmatch(key)
        if parsed is None:
            raise ValueError(f"no operator and no method: {key}")
        positional = tuple(name.strip() for name in (parsed[2] or "").split(",") if name.strip())
        found[parsed[1]] = Entry(tuple(row(text, system.via) for text in texts), positional)
    for old, new in system.aliases.items():
        found.update({old + name.removeprefix(new): each for name, each in list(found.items()) if _is_of(name, new)})
    return found


def _is_of(name: str, owner: str) -> bool:
    return name == owner or name.startswith(f"{owner}.")


@lru_cache(None)
def row(text: str, via: str) -> Row:
    """One line. Raises ValueError."""
    found = _ROW.fullmatch(text)
    if found is None:
        raise ValueError(f"no row: {text}")
    verb, kind, name, own, condition = found.groups()
    return Row(verb, kind, name, tuple((own or via).split(",")), condition or "")
