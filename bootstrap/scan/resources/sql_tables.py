"""The tables of one SQL statement, as sqlglot has parsed it, each with the rights that the statement needs there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlglot import exp

from bootstrap.scan.model import Verb
from bootstrap.scan.resources.sql_names import Touch, joined, parts

_MADE = {"TABLE": "table", "VIEW": "table", "SCHEMA": "schema", "DATABASE": "database"}
_ROUTINES = {"FUNCTION", "PROCEDURE"}
_LOSES = {"DELETE", "TRUNCATE", "DROP"}
_NAME = r"((?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])(?:\.(?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\]))*)"
_REPLACE = re.compile(rf"\s*INTO\s+{_NAME}", re.IGNORECASE)  # MySQL's, of which sqlglot only reads the first word
_CALLED = re.compile(rf"\s*{_NAME}")
_UNLOADED = re.compile(r"\s*\(\s*(?:'((?:[^']|'')*)'|\$\$(.*?)\$\$)\s*\)", re.DOTALL)

Read = Callable[[str], Iterable[exp.Expression]]


class Statements:
    """The statements of one session, one after the other: a temporary table that one makes is none of the database's.

    `read` parses SQL that stands in SQL.
    """

    def __init__(self, read: Read) -> None:
        self.read = read
        self.temporary: set[str] = set()  # in lower case
        self.handlers: dict[str, Callable[[Any], Iterator[Touch]]] = {  # by sqlglot's name of the statement
            "create": self._create,
            "drop": self._drop,
            "alter": self._alter,
            "truncatetable": lambda tree: (
                touch for each in tree.expressions for touch in self._target(each, "TRUNCATE")
            ),
            "insert": self._insert,
            "update": self._changed,
            "delete": self._changed,
            "merge": self._merge,
            "copy": self._copy,
            "loaddata": lambda tree: self._target(tree.this, "INSERT"),
            "export": self._reads,
            "execute": lambda tree: iter((Touch("routine", name_of(tree.this), "run", "EXECUTE"),)),
            "command": lambda tree: self._command(str(tree.this).upper(), _text(tree.expression)),
        }

    def touches(self, tree: exp.Expression) -> Iterator[Touch]:
        """What one statement touches."""
        handler = self.handlers.get(tree.key)
        if handler is not None:
            yield from handler(tree)
        elif isinstance(tree, exp.Query):
            yield from self._query(tree)

    def _query(self, tree: exp.Expression) -> Iterator[Touch]:
        """A SELECT, which in T-SQL and Postgres may make a table; a CTE of Postgres may change one."""
        into = tree.args.get("into")
        made = into.this if isinstance(into, exp.Into) else None
        if into is not None and (into.args.get("temporary") or name_of(made).startswith("#")):
            self.temporary.add(name_of(made).lower())
        elif name_of(made):
            yield Touch("table", name_of(made), "create", "CREATE")
        changes = [node for node in tree.find_all(exp.Insert, exp.Update, exp.Delete) if node is not tree]
        for change in changes:
            yield from self.touches(change)
        yield from self._reads(tree, made, *(target_of(each) for each in changes))

    def _reads(self, tree: exp.Expression | None, *targets: exp.Expression | None) -> Iterator[Touch]:
        """The tables that are only read: no CTE, no temporary table, no function, none of the targets."""
        others = {id(table) for target in targets if target is not None for table in target.find_all(exp.Table)}
        for table in tree.find_all(exp.Table) if isinstance(tree, exp.Expression) else ():
            name = name_of(table)
            if id(table) not in others and name and not self._is_own(table, name):
                yield Touch("table", name, "read", "SELECT")

    def _is_own(self, table: exp.Table, name: str) -> bool:
        """True for what the statement or its session has made, and for a column that is unnested: `FROM t, t.items`."""
        if name.lower() in self.temporary or name.startswith("#"):
            return True
        if not table.db:
            return name in _ctes(table)
        return not table.catalog and table.db in _aliases(table)

    def _target(self, node: exp.Expression | None, right: str) -> Iterator[Touch]:
        table = node.find(exp.Table) if isinstance(node, exp.Expression) else None
        name = name_of(table)
        if table is not None and name and not self._is_own(table, name):
            verb: Verb = "delete" if right in _LOSES else "write"
            yield Touch("table", name, verb, right)

    def _read_back(self, node: exp.Expression | None) -> Iterator[Touch]:
        """A condition reads the table that it changes: Postgres asks for SELECT, too."""
        yield from (Touch("table", each.name, "read", "SELECT") for each in self._target(node, "UPDATE"))

    def _create(self, tree: exp.Create) -> Iterator[Touch]:
        kind = str(tree.args.get("kind") or "").upper()
        properties = tree.args.get("properties")
        name = name_of(tree.this.find(exp.Table)) if isinstance(tree.this, exp.Expression) else ""
        if kind == "INDEX":
            yield from self._target(tree.this.args.get("table"), "ALTER")
        elif kind in _ROUTINES:
            yield Touch("routine", name, "create", "CREATE")
            return
        elif (properties is not None and properties.find(exp.TemporaryProperty)) or name.startswith("#"):
            self.temporary.add(name.lower())
        elif kind in _MADE and name:
            yield Touch(_MADE[kind], name, "create", "CREATE")
            if kind == "TABLE" and tree.args.get("replace"):
                yield Touch("table", name, "delete", "DROP")
        yield from self._reads(tree.args.get("expression"))

    def _drop(self, tree: exp.Drop) -> Iterator[Touch]:
        kind = str(tree.args.get("kind") or "").upper()
        dropped = [tree.this, *(tree.args.get("tables") or []), *(tree.args.get("expressions") or [])]
        for each in dropped:
            name = name_of(each.find(exp.Table)) if isinstance(each, exp.Expression) else ""
            if (
                name
                and name.lower() not in self.temporary
                and not name.startswith("#")
                and kind in (*_MADE, *_ROUTINES)
            ):
                yield Touch(_MADE.get(kind, "routine"), name, "delete", "DROP")

    def _alter(self, tree: exp.Alter) -> Iterator[Touch]:
        if str(tree.args.get("kind") or "TABLE").upper() in _MADE:  # no index, no sequence
            yield from self._target(tree.this, "ALTER")

    def _insert(self, tree: exp.Insert) -> Iterator[Touch]:
        yield from self._target(tree.this, "INSERT")
        if tree.args.get("overwrite"):
            yield from self._target(tree.this, "DELETE")
        conflict = tree.args.get("conflict")
        if isinstance(conflict, exp.Expression) and (conflict.args.get("duplicate") or conflict.expressions):
            yield from self._target(tree.this, "UPDATE")
            yield from self._read_back(tree.this)
        yield from self._reads(tree, tree.this)

    def _changed(self, tree: exp.Update | exp.Delete) -> Iterator[Touch]:
        target = target_of(tree)
        if isinstance(tree, exp.Update) and isinstance(target, exp.Table) and not target.db:
            named = {each.alias or each.name: each for each in tree.find_all(exp.Table) if each is not target}
            target = named.get(target.name, target)  # T-SQL: UPDATE o SET … FROM orders AS o
        yield from self._target(target, "UPDATE" if isinstance(tree, exp.Update) else "DELETE")
        if tree.args.get("where") is not None or tree.find(exp.From) is not None:
            yield from self._read_back(target)
        yield from self._reads(tree, target, target_of(tree))

    def _merge(self, tree: exp.Merge) -> Iterator[Touch]:
        whens = tree.args.get("whens")
        for when in whens.expressions if isinstance(whens, exp.Expression) else ():
            action = when.args.get("then")
            right = (
                "INSERT" if isinstance(action, exp.Insert) else "UPDATE" if isinstance(action, exp.Update) else "DELETE"
            )
            yield from self._target(tree.this, right)
        yield from self._read_back(tree.this)
        yield from self._reads(tree.args.get("using"))

    def _copy(self, tree: exp.Copy) -> Iterator[Touch]:
        """`kind` is true for COPY … FROM, which fills the table."""
        if isinstance(tree.this, exp.Query) or not tree.args.get("kind"):
            yield from self._reads(tree.this)
        else:
            yield from self._target(tree.this, "INSERT")

    def _command(self, word: str, rest: str) -> Iterator[Touch]:
        """What sqlglot doesn't parse; most of it needs no table that could be named."""
        if word in {"CALL", "EXEC", "EXECUTE"} and (found := _CALLED.match(rest)):
            yield Touch("routine", _unquoted(found[1]), "run", "EXECUTE")
        elif word == "REPLACE" and (found := _REPLACE.match(rest)):
            yield Touch("table", _unquoted(found[1]), "write", "INSERT")
            yield Touch("table", _unquoted(found[1]), "delete", "DELETE")
        elif word == "UNLOAD" and (found := _UNLOADED.match(rest)):
            for tree in self.read((found[1] or found[2] or "").replace("''", "'")):
                yield from self.touches(tree)
        elif word in {"EXPLAIN", "BEGIN"}:
            for tree in self.read(rest):
                yield from self.touches(tree)


def target_of(tree: exp.Expression) -> exp.Expression | None:
    """What INSERT, UPDATE or DELETE changes."""
    named = tree.args.get("tables") or [tree.this]
    return named[0] if isinstance(named[0], exp.Expression) else None


def name_of(table: exp.Expression | None) -> str:
    """catalog.schema.table as far as it is there; "" for a function or a stage."""
    if not isinstance(table, exp.Table) or (
        table.args.get("this") and not isinstance(table.this, exp.Identifier | exp.Dot)
    ):
        return ""
    return joined(part.name for part in table.parts if part.name)


def _ctes(table: exp.Expression) -> set[str]:
    """The names of the CTEs around a table. Case is the dialect's, which has been applied."""
    found: set[str] = set()
    node: object = table
    while isinstance(node, exp.Expression):
        clause = node.args.get("with_") or node.args.get("with")
        if isinstance(clause, exp.With):
            found.update(cte.alias for cte in clause.expressions)
        node = node.parent
    return found


def _aliases(table: exp.Table) -> set[str]:
    """Names of other tables of the same SELECT, where this one isn't the first."""
    select = table.find_ancestor(exp.Select)
    if select is None or isinstance(table.parent, exp.From):
        return set()
    return {each.alias for each in select.find_all(exp.Table) if each is not table and each.alias}


def _text(expression: object) -> str:
    return expression.name if isinstance(expression, exp.Expression) else str(expression or "")


def _unquoted(name: str) -> str:
    return joined(part.strip('`"[]') for part in parts(name.replace("`", '"').replace("[", '"').replace("]", '"')))
