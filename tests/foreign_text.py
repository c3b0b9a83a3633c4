"""Finds in a source text of others that is shown as it is.

Foreign is what an `except` caught that is no error of ours, a parameter that is declared as such an exception, and what a
program printed (`done.stdout`, `done.stderr`, `outcome.output`); with them what is made of them: `text = str(err).strip()`.
They may be looked at. In an f-string, in what a function returns or is called with, they stand inside `foreign(…)`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["error", "text"]
PRINTED = {"stdout", "stderr", "output"}  # attributes
NOBODYS = {
    "sys",
    "wishes",
    "self",
    "subprocess",
    "params",
    "options",
    "spec",
    "how",
}  # whose attributes of these names are something else
PLAIN = {
    "errno",
    "lineno",
    "colno",
    "returncode",
    "strerror",
    "filename",
    "status_code",
    "exit_code",
    "response",
    "cause",
    "problem_mark",
    "context_mark",
    "again",  # seconds
    "position",
    "start",
    "conn_id",
}
INNER = {"__cause__", "__context__", "reason", "original"}  # attributes that are errors, or may be
HIDES = {
    "foreign",
    "foreign_stream",
    "_unquoted",  # of what a YAML parser says
    "fingerprint",
    "type",
    "isinstance",
    "_is_error",
    "len",
    "bool",
    "int",
    "id",
    "any",
    "all",
    "isdigit",
    "errors",  # pydantic's list of what is wrong with a model of ours, asked for without the input
    "extract_tb",
    "walk_tb",
    "_Done",  # keeps it
    "answer_in",
    "loads",  # data, which is shown part by part
    "Thread",
}
LOOKS = {"get", "search", "match", "fullmatch", "startswith", "endswith", "count"}  # of a text: nothing leaves it
KEEPS = {
    "str",
    "repr",
    "ascii",
    "format",
    "join",
    "sub",
    "split",
    "getattr",
    "next",
    "sorted",
    "list",
    "tuple",
    "dict",
    "zip",
    "reversed",
    "enumerate",
    "format_exception",
}


def own_errors(trees: Iterable[ast.AST]) -> set[str]:
    """The names of our own errors: their messages are made of what went through this already."""
    bases: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {_last(base) for base in node.bases}
    found = {name for name in bases if _is_exception(name)} | {
        name for name, of in bases.items() if any(map(_is_exception, of))
    }
    while grown := {name for name, parents in bases.items() if parents & found} - found:
        found |= grown
    return found


def offences(tree: ast.AST, ours: set[str]) -> set[tuple[int, str]]:
    """Line and source of each."""
    look = _Look(ours)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    look.checked = {item.name for item in functions if any(look.is_foreign(it.annotation) for it in item.args.args)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = (*node.args.args, *node.args.kwonlyargs)
            known: dict[str, Kind | None] = {item.arg: "error" for item in given if look.is_foreign(item.annotation)}
            look.of_text = (
                node.returns is None or "str" in ast.unparse(node.returns) or "Any" in ast.unparse(node.returns)
            )
            for _ in range(2):  # a loop's end tells of its beginning
                look.block(node.body, known)
    return look.found


class _Look:
    def __init__(self, ours: set[str]) -> None:
        self.ours = ours
        self.checked: set[str] = set()  # functions that are called with errors, and looked at themselves
        self.of_text = True  # what the function returns
        self.found: set[tuple[int, str]] = set()

    def is_foreign(self, node: ast.expr | None) -> bool:
        """Whether an annotation, or what a handler catches, names an exception that is none of ours."""
        names = (
            {_last(part) for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)} if node else set()
        )
        return any(name not in self.ours and _is_exception(name) for name in names)

    def block(self, body: list[ast.stmt], known: dict[str, Kind | None]) -> None:
        for node in body:
            self.statement(node, known)

    def statement(self, node: ast.stmt, known: dict[str, Kind | None]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return
        if isinstance(node, ast.Return) and self.of_text and not _is_data(node.value):
            if self.kind(node.value, known) == "text":
                self.tell(node)
            return
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.ExceptHandler):
                foreign = part.type is None or self.is_foreign(part.type)
                self.block(part.body, {**known, part.name: "error"} if part.name and foreign else known)
            elif isinstance(part, ast.match_case):
                self.block(part.body, known)
            elif isinstance(part, ast.expr):
                self.kind(part, known)
            elif isinstance(part, ast.withitem):
                self.kind(part.context_expr, known)
        self.bind(node, known)
        own = self.own(node)
        self.block(getattr(node, "body", []), known | dict.fromkeys(own) if own else known)
        for name in ("orelse", "finalbody"):
            self.block(getattr(node, name, []), known)

    def own(self, node: ast.stmt) -> list[str]:
        """The name in `if isinstance(error, OneOfOurs):`."""
        test = node.test if isinstance(node, ast.If) else None
        if isinstance(test, ast.Call) and _last(test.func) == "isinstance" and not self.is_foreign(test.args[1]):
            return [test.args[0].id] if isinstance(test.args[0], ast.Name) else []
        return []

    def bind(self, node: ast.stmt, known: dict[str, Kind | None]) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.assign(target, node.value, known)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value:
            kept = self.kind(node.target, known) if isinstance(node, ast.AugAssign) else None
            self.name(node.target, self.kind(node.value, known) or kept, known)
        elif isinstance(node, ast.For):
            self.name(node.target, self.kind(node.iter, known), known)

    def assign(self, target: ast.expr, value: ast.expr, known: dict[str, Kind | None]) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=True):
                self.assign(one, its, known)
        else:
            self.name(target, self.kind(value, known), known)

    def name(self, target: ast.expr, kind: Kind | None, known: dict[str, Kind | None]) -> None:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                known[part.id] = kind

    def kind(self, node: ast.expr | None, known: dict[str, Kind | None]) -> Kind | None:
        """What the expression is; tells of what is shown inside it."""
        if type(node) in _SPECIAL:
            return _SPECIAL[type(node)](self, node, known)
        parts = ast.iter_child_nodes(node) if node is not None else ()
        kinds = [self.kind(part, known) for part in parts if isinstance(part, ast.expr)]
        return next((kind for kind in kinds if kind), None)

    def of_lambda(self, _node: ast.Lambda, _known: dict[str, Kind | None]) -> None:
        """It is called with what it is called with."""

    def of_name(self, node: ast.Name, known: dict[str, Kind | None]) -> Kind | None:
        return known.get(node.id)

    def of_walrus(self, node: ast.NamedExpr, known: dict[str, Kind | None]) -> Kind | None:
        kind = self.kind(node.value, known)
        self.name(node.target, kind, known)
        return kind

    def of_shown(self, node: ast.FormattedValue, known: dict[str, Kind | None]) -> None:
        if self.kind(node.value, known):
            self.tell(node.value)

    def of_comparison(self, node: ast.Compare, known: dict[str, Kind | None]) -> None:
        for part in (node.left, *node.comparators):
            self.kind(part, known)

    def of_choice(self, node: ast.IfExp, known: dict[str, Kind | None]) -> Kind | None:
        self.kind(node.test, known)
        kinds = [self.kind(part, known) for part in (node.body, node.orelse)]
        return kinds[0] or kinds[1]

    def of_item(self, node: ast.Subscript, known: dict[str, Kind | None]) -> Kind | None:
        self.kind(node.slice, known)
        return self.kind(node.value, known)

    def of_yield(self, node: ast.Yield, known: dict[str, Kind | None]) -> None:
        if self.kind(node.value, known) == "text":
            self.tell(node)

    def of_sum(self, node: ast.BinOp, known: dict[str, Kind | None]) -> Kind | None:
        kinds = [self.kind(part, known) for part in (node.left, node.right)]
        return "text" if any(kinds) else None

    def of_attribute(self, node: ast.Attribute, known: dict[str, Kind | None]) -> Kind | None:
        kind = self.kind(node.value, known)
        if kind and node.attr in INNER:
            return "error"
        if kind:
            return None if node.attr in PLAIN else "text"
        return "text" if node.attr in PRINTED and _root(node) not in NOBODYS else None

    def of_call(self, node: ast.Call, known: dict[str, Kind | None]) -> Kind | None:
        name = _last(node.func)
        receiver = self.kind(node.func.value, known) if isinstance(node.func, ast.Attribute) else None
        given = [*node.args, *(item.value for item in node.keywords)]
        kinds = [self.kind(part, known) for part in given]
        if name == "getattr" and isinstance(given[1], ast.Constant) and given[1].value in PLAIN:
            return None
        if name in HIDES or (name == "get" and not receiver):
            return None
        if name in KEEPS or receiver or name in LOOKS:
            return "text" if receiver or any(kinds) else None
        if "text" in kinds and name not in self.checked:
            self.tell(node)
        return None

    def of_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, known: dict[str, Kind | None]
    ) -> Kind | None:
        inner = dict(known)
        for part in node.generators:
            self.name(part.target, self.kind(part.iter, inner), inner)
            for test in part.ifs:
                self.kind(test, inner)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return next((kind for kind in [self.kind(part, inner) for part in made] if kind), None)

    def tell(self, node: ast.AST) -> None:
        self.found.add((node.lineno, ast.unparse(node)))  # type: ignore[attr-defined]  # statements and expressions have a line


_SPECIAL: dict[type, Callable[..., Kind | None]] = {
    ast.Lambda: _Look.of_lambda,
    ast.Name: _Look.of_name,
    ast.NamedExpr: _Look.of_walrus,
    ast.FormattedValue: _Look.of_shown,
    ast.Compare: _Look.of_comparison,
    ast.IfExp: _Look.of_choice,
    ast.Subscript: _Look.of_item,
    ast.Yield: _Look.of_yield,
    ast.BinOp: _Look.of_sum,
    ast.Attribute: _Look.of_attribute,
    ast.Call: _Look.of_call,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), _Look.of_comprehension),
}


def _is_data(node: ast.expr | None) -> bool:
    """`return done.stdout`: for who asked, to be read."""
    return isinstance(node, ast.Attribute) and node.attr in PRINTED


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_exception(name: str) -> bool:
    known = getattr(builtins, name, None)
    if isinstance(known, type):
        return issubclass(known, BaseException)
    return name.endswith(("Error", "Exception", "Exit", "Expired", "Denied", "Unavailable"))


def lines(found: Iterable[tuple[int, str]]) -> Iterator[str]:
    """For a test's message."""
    return (f"line {line}: {said} is shown without foreign()" for line, said in sorted(found))
