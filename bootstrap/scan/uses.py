"""Which connections and variables a call needs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bootstrap.scan.code.expressions import source
from bootstrap.scan.code.values import Attribute, Call, Const, Made, Text, Unknown, Value, known
from bootstrap.scan.masked import masked
from bootstrap.scan.model import ConnectionUse, Dynamic, Evidence, Place, VariableUse
from bootstrap.scan.operators.table import ConnArgument, Operator, Operators

_GETTERS = re.compile(r"(?:^airflow\..*|Hook|^self|^cls)\.a?get_(?:connections?|hook|connection_from_secrets)$")
_CONNECTION_GET = re.compile(r"^airflow\.(?:.*\.)?Connection\.(?:async_)?get(?:_connection_from_secrets)?$")
_VARIABLE_GET = re.compile(r"^airflow\.(?:.*\.)?Variable\.(?:async_)?(?:get|setdefault|get_variable_from_secrets)$")
_CONNECTION = re.compile(r"^airflow\.(?:.*\.)?Connection$")
_ID = re.compile(r"conn(?:ection)?_id$")
_DECORATOR = re.compile(r"^airflow\..*\btask\.(\w+)$")
_HANDED_ON = ("default_args", "op_kwargs")  # they count where they arrive
_PANDAS = re.compile(r"\.read_sql(?:_query|_table)?$|\.to_sql$")
NAME = re.compile(r"[\w.-]+\Z")

Finding = ConnectionUse | VariableUse | Dynamic


@dataclass(frozen=True)
class Needed:
    """An argument of a call that is a connection id: `value` is what it can be. `evidence` is default where the call doesn't say."""

    name: str
    by: str
    value: Value
    evidence: Evidence
    conn_type: str | None = None
    package: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids that are known."""
        return [text for text in dict.fromkeys(self.value.texts()) if NAME.match(text)]


class Uses:
    """Reads calls, with the table of operators."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def operator(self, call: Call) -> Operator | None:
        """The operator or hook that is called; of `@task.docker(…)` the operator behind it."""
        decorated = _DECORATOR.match(call.name)
        return self._operators.decorator(decorated[1]) if decorated else self._operators.find(call.name)

    def findings(self, call: Call) -> Iterator[Finding]:
        """Everything that this call needs."""
        if _VARIABLE_GET.search(call.name):
            key = _first(call, "key")
            place = Place(call.site.file, call.site.line, "Variable.get")
            optional = len(call.arguments) > 1 or bool({"default", "default_var"} & set(call.keywords))
            yield from (VariableUse(text, place, optional) for text in key.texts() if key)
        for needed in self.needed(call):
            yield from _found(call, needed)

    def connections(self, call: Call) -> Mapping[str, Sequence[str]]:
        """The known ids by argument; of an object's method those that the object was made with, however far back."""
        found = (list(self.needed(each)) for each in _origins(call))
        return {each.name: each.ids for each in next(filter(None, found), [])}

    def needed(self, call: Call) -> Iterator[Needed]:
        """The connection ids among a call's arguments, given or by default."""
        if _CONNECTION.search(call.name):  # it makes one
            return
        if _CONNECTION_GET.search(call.name) or _GETTERS.search(call.name):
            yield from self._looked_up(call)
            return
        operator = self.operator(call)
        taken = set()
        if operator is not None:
            given = {each.name: self._given(call, operator, each) for each in operator.connections}
            replaced = {each.replaced_by for each in operator.connections if given[each.name] is not None}
            for argument in operator.connections:
                taken.add(argument.name)
                if given[argument.name] is not None or argument.name not in replaced:
                    yield from self._argument(call, operator, argument, given[argument.name])
        for name, value in call.keywords.items():
            if name not in taken and _ID.search(name) and (operator is not None or name.endswith("conn_id")):
                yield Needed(name, f"{_short(call)}.{name}", value, "explicit")
            elif name not in _HANDED_ON:
                yield from _in_tables(call, name, value)

    def _looked_up(self, call: Call) -> Iterator[Needed]:
        value = _first(call, "conn_id")
        if value.literal() is None:
            return
        hook = self._operators.find(call.name.rpartition(".")[0])
        conn_type = hook.connections[0].conn_type if hook is not None and hook.connections else None
        by = ".".join(call.name.split(".")[-2:])
        yield Needed("conn_id", by, value, "explicit", conn_type, self._package(conn_type, None))

    def _argument(
        self, call: Call, operator: Operator, argument: ConnArgument, value: Value | None
    ) -> Iterator[Needed]:
        by = f"{operator.name.rpartition('.')[2]}.{argument.name}"
        package = self._package(argument.conn_type, operator.package)
        if value is not None:
            yield Needed(argument.name, by, value, "explicit", argument.conn_type, package)
        elif call.open:
            yield Needed(argument.name, by, Value((Unknown(_rest(call)),)), "explicit", argument.conn_type, package)
        elif argument.default is not None:
            own = call.defaults.get("default_conn_name")  # of a hook of the project's
            yield Needed(argument.name, by, own or known(argument.default), "default", argument.conn_type, package)

    def _given(self, call: Call, operator: Operator, argument: ConnArgument) -> Value | None:
        if argument.name in operator.positional and (place := operator.positional.index(argument.name)) < len(
            call.arguments
        ):
            return call.arguments[place]
        return call.given(argument.name)

    def _package(self, conn_type: str | None, otherwise: str | None) -> str | None:
        return (self._operators.package_of(conn_type) if conn_type is not None else None) or otherwise


def _origins(call: Call) -> Iterator[Call]:
    """The call, what made the object whose method it is, and so on: a cursor, its connection, the hook. pandas is handed one."""
    each: Call | None = call
    while each is not None:
        yield each
        each = each.receiver
    if _PANDAS.search(call.name):
        con = call.keywords.get("con") or (call.arguments[1] if len(call.arguments) > 1 else None)
        for made in con.calls() if con is not None else ():
            yield from _origins(made)


def _in_tables(call: Call, name: str, value: Value) -> Iterator[Needed]:
    """Ids that a dict among the arguments has: `operator_args={"ci_conn_id": "aci"}`."""
    for table in value.tables():
        for key, each in table.entries:
            if isinstance(key, str) and key.endswith("conn_id"):
                yield Needed(key, f"{_short(call)}.{name}.{key}", each, "explicit")


def _found(call: Call, needed: Needed) -> Iterator[Finding]:
    for atom in needed.value.atoms:
        site = (atom.site if isinstance(atom, (Const, Text, Unknown)) else None) or call.site
        place = Place(site.file, site.line, needed.by)
        if isinstance(atom, Const):
            if isinstance(atom.value, str) and NAME.match(atom.value):
                evidence: Evidence = "default" if atom.default else needed.evidence
                yield ConnectionUse(atom.value, evidence, place, needed.conn_type, needed.package)
            elif isinstance(atom.value, str) and atom.value:
                yield Dynamic(place, masked(repr(atom.value)))
        elif isinstance(atom, (Unknown, Text, Made, Attribute)):
            yield Dynamic(place, masked(atom.expression))
        else:
            yield Dynamic(place, needed.name)


def _first(call: Call, name: str) -> Value:
    return call.arguments[0] if call.arguments else call.keywords.get(name, known(None))


def _short(call: Call) -> str:
    return call.name.rpartition(".")[2]


def _rest(call: Call) -> str:
    """The `**` of a call that could bring the argument."""
    words = call.node.keywords if isinstance(call.node, ast.Call) else []
    return ", ".join(f"**{source(word.value)}" for word in words if word.arg is None) or "**kwargs"
