"""What a call touches, of what its arguments name: buckets, tables, endpoints, paths, topics, …

The tables in `systems` say which argument names what. SQL is parsed. A name is reported as the code spells it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import cast

from bootstrap.scan.code.values import Call, Const, Name, Value, union
from bootstrap.scan.masked import masked_name
from bootstrap.scan.model import Place, Resource, Verb
from bootstrap.scan.resources.names import is_template, only_holes, spellings
from bootstrap.scan.resources.sql import DIALECTS, touches
from bootstrap.scan.resources.sql_names import Touch
from bootstrap.scan.resources.systems.table import Entry, Row

ReadText = Callable[[str], str | None]

_MOST = 64  # names of one row
_PART = re.compile(r"\{([^{}]+)\}|([\[\]])|([^{}\[\]]+)")
_IN_SQL = {
    "select": "SELECT 1 FROM {}",
    "insert": "INSERT INTO {} VALUES (1)",
    "upsert": "INSERT INTO {} VALUES (1); UPDATE {} SET a = 1 WHERE a = 2",
    "drop": "DROP TABLE {}",
}
_NONE = re.compile(r"(?:^|[/.])None(?:$|[/.])")  # what an f-string makes of an argument that nobody gave
_SQL_FILE = re.compile(r"\S+\.(?:sql|hql|bteq|ddl|jinja2?|j2)", re.IGNORECASE)
_VERBS: dict[Verb, str] = {  # of an operator that has no rows: by a word of its name, in this order
    "create": "Create|Deploy|Register",
    "delete": "Delete|Terminate|Deregister|Remove",
    "read": "Get|List|Describe|Sensor|Exists|Existence|Check|Download|Read|Query|Search",
    "write": "Update|Patch|Put|Publish|Send|Upload|Write|Set|Modify|Insert|Import|Ingest",
}


def nothing(name: str) -> str | None:  # noqa: ARG001
    """Reads no file: how a caller says that there are none."""
    return None


def resources(
    call: Call,
    connections: Mapping[str, Sequence[str]],
    read_text: ReadText = nothing,
    conn_types: Mapping[str, str] | None = None,
) -> Iterator[Resource]:
    """What an operator's or a hook's call touches, each once.

    `connections` are the ids by the argument that holds them, of a method those of its hook. `read_text` gives the text of a
    file that SQL is in, by the name in the code; `conn_types`, by id, decide the dialect where the operator doesn't.
    """
    entry = _entry(call)
    if entry is None or not connections:
        return
    given = _Arguments(call, entry)
    place = Place(call.site.file, call.site.line, _by(call.name))
    found: dict[Resource, None] = {}
    for row in entry.rows:
        if not given.holds(row.condition):
            continue
        for conn_id in _ids(row, connections):
            conn_type = (conn_types or {}).get(conn_id)
            for touch in _touched(row, given, read_text, conn_type):
                name = masked_name(touch.name)  # what was masked is no name that a check or a policy could use
                template = touch.template or name != touch.name
                found[Resource(conn_id, touch.kind, name, touch.verb, place, template, touch.right)] = None
    yield from found


def _by(name: str) -> str:
    """`PostgresHook.run`, of a dotted name."""
    parts = name.split(".")
    classes = (at for at, part in enumerate(parts) if part[:1].isupper() and "_" not in part)
    return ".".join(parts[next(classes, len(parts) - 1) :])


@cache
def _known() -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The tables: by class or method, and by module."""
    from bootstrap.scan.resources.systems import amazon, databases, google, others
    from bootstrap.scan.resources.systems.table import entries, row

    systems = (google.SYSTEM, amazon.SYSTEM, others.SYSTEM, databases.SYSTEM)
    rows = {name: each for system in systems for name, each in entries(system).items()}
    modules = {
        name: Entry(tuple(row(f"run {text}", system.via) for text in texts))
        for system in systems
        for name, texts in system.modules.items()
    }
    return rows, modules


def _entry(call: Call) -> Entry | None:
    rows, modules = _known()
    parts = call.name.split(".")
    for length in range(min(len(parts), 4), 0, -1):  # get_sqlalchemy_engine.connect.execute of a hook
        if found := rows.get(".".join(parts[-length:])):
            return found
    generic = modules.get(parts[-2]) if len(parts) > 1 else None
    if generic is None or call.receiver is not None or not re.search("Operator|Sensor", parts[-1]):
        return None
    verb = next((verb for verb, words in _VERBS.items() if re.search(words, parts[-1])), "run")
    return Entry(tuple(Row(verb, each.kind, each.name, each.via) for each in generic.rows))


def _ids(row: Row, connections: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Of the row's own argument; where a release calls it otherwise, of the only one that there is."""
    for argument in row.via:
        if argument in connections:
            return connections[argument]
    return next(iter(connections.values())) if len(connections) == 1 else ()


def _touched(row: Row, given: _Arguments, read_text: ReadText, conn_type: str | None) -> Iterator[Touch]:
    names = list(given.names(row.name))
    dialect = DIALECTS.get(conn_type or "") if row.kind == "?" else row.kind
    if row.verb == "sql":
        for text in names:
            yield from _sql(text, dialect, read_text)
    elif row.verb in _IN_SQL:
        for name in names:
            if not only_holes(name):
                yield from touches(_IN_SQL[row.verb].replace("{}", name), dialect)
    else:
        for name in (_cleaned(name, row.kind) for name in names):
            if name and not only_holes(name) and not _NONE.search(name):
                kind = "bucket" if row.kind == "object" and "/" not in name else row.kind
                yield Touch(kind, name, cast("Verb", row.verb), "", is_template(name))


def _sql(text: str, dialect: str | None, read_text: ReadText) -> Iterator[Touch]:
    if only_holes(text):
        return
    if not _SQL_FILE.fullmatch(text.strip()):
        yield from touches(text, dialect)
        return
    content = read_text(text.strip())
    if content is None:
        yield Touch("query", text.strip(), "run", "", is_template(text))
    else:
        yield from touches(content, dialect)


def _cleaned(name: str, kind: str) -> str:
    """A name without its URL's scheme, a bucket's lone slash, BigQuery's partition and its project's colon."""
    name = name.strip()
    if kind in ("bucket", "object"):
        name = re.sub(r"^(?:[^{}]*/)?[a-z][a-z0-9+.-]*://", "", name)
        return name.rstrip("/") if name.find("/") in (-1, len(name) - 1) else name
    if kind in ("table", "dataset"):
        name = re.sub(r"(?<=\w)\$(?:\{\{.*\}\}|\{[^{}]*\}|\d+)$", "", name)
        return re.sub(r"^((?:\{\{.*?\}\}|\{[^{}]*\}|[\w.-])+):", r"\1.", name)
    return name


class _Arguments:
    """What a call's arguments can be, by name."""

    def __init__(self, call: Call, entry: Entry) -> None:
        self.call = call
        self.positional = dict(zip(entry.positional, call.arguments, strict=False))

    def value(self, name: str) -> Value | None:
        """An argument; `a.b` is what a dict has at b. For a method, its hook's where it has none itself."""
        first, *keys = name.split(".")
        value = self.call.given(first) or self.positional.get(first)
        if value is None and self.call.receiver is not None and first in ("method", "topics"):
            value = self.call.receiver.given(first) or next(iter(self.call.receiver.arguments), None)
        for key in keys:
            if value is None:
                return None
            tables = [table for each in (value, *value.elements()) for table in each.tables()]
            entries = [entry for table in tables if (entry := table.get(key)) is not None]
            value = union(*entries) if entries else None
        return value

    def names(self, template: str) -> Iterator[str]:
        """All that a row's name can be; nothing where an argument outside of brackets isn't given."""
        parts: list[list[str]] = []
        group: list[list[str]] | None = None
        for argument, bracket, text in _PART.findall(template):
            if bracket == "[":
                group = []
            elif bracket == "]":
                parts.append(_product(group or []) or [""])
                group = None
            else:
                (parts if group is None else group).append([text] if text else self.either(argument))
        yield from _product(parts)

    def either(self, names: str) -> list[str]:
        """The spellings of the first of `a|b` that is given. No bucket and no table has an empty name."""
        found = ([each for each in spellings(self.value(name)) if each] for name in names.split("|"))
        return next(filter(None, found), [])

    def holds(self, condition: str) -> bool:
        """Whether an argument is as a row's condition says."""
        if not condition:
            return True
        name, _, wanted = condition.partition("=")
        value = self.value(name)
        if not wanted:
            return value is not None and any(constant.value is True for constant in value.constants())
        if value is None:
            return "-" in wanted.split("|")
        words = {
            str(atom.value if isinstance(atom, Const) else atom.dotted.rpartition(".")[2]).lower()
            for atom in value.atoms
            if isinstance(atom, Const | Name)
        }
        return bool(words & {each.lower() for each in wanted.split("|")})


def _product(parts: Sequence[Sequence[str]]) -> list[str]:
    """Every way to put one of each together, up to a bound."""
    found = []
    for chosen in product(*parts):
        found.append("".join(chosen))
        if len(found) == _MOST:
            break
    return found
