"""Statements with others in them, as `ast` nodes: what the grammar couldn't read is left out, and all around it is kept."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tree_sitter import Node

from bootstrap.scan.sources.tolerant.nodes import at, field, fields, has, identifier, named, parts
from bootstrap.scan.sources.tolerant.parameters import arguments, parameters
from bootstrap.scan.sources.tolerant.patterns import pattern
from bootstrap.scan.sources.tolerant.simple_statements import SimpleStatements

_INDENTATION = 100  # blocks in each other: as many as Python takes
_AS_STATEMENT = {
    "call",
    "await",
    "assignment",
    "augmented_assignment",
}  # what is left of one, between what can't be read


class Statements(SimpleStatements):
    """Lowers them. A method's name is that of its node in the grammar."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks = 0

    def statements(self, nodes: Iterable[Node]) -> list[ast.stmt]:
        """What can be read of these."""
        made = []
        for node in nodes:
            if node.type in {"ERROR", "block"}:
                made += self.statements(node.children)
            elif node.is_named and not node.is_missing:
                statement = self._statement(node)
                made += [statement] if statement is not None else []
        return made

    def _statement(self, node: Node) -> ast.stmt | None:
        how: Callable[[Node], Any] | None = getattr(self, f"_{node.type}", None)
        is_statement = node.type.endswith(("_statement", "_definition"))
        if how is None or not (is_statement or node.type in _AS_STATEMENT):
            return None
        try:
            made = how(node)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError):  # as in `expression`
            self.problems.setdefault(node.start_point.row + 1, "syntax error")
            return None
        return ast.Expr(made, **at(node)) if isinstance(made, ast.expr) else made

    def _body(self, node: Node | None) -> list[ast.stmt]:
        """The statements of a block; `pass` where none can be read, since Python has no empty one."""
        if node is None:
            return []
        self._blocks += 1
        try:
            made = self.statements(node.children) if self._blocks <= _INDENTATION else []
        finally:
            self._blocks -= 1
        return made or [ast.Pass(**at(node))]

    def _needed(self, node: Node, name: str) -> list[ast.stmt]:
        return self._body(field(node, name)) or [ast.Pass(**at(node))]

    def _else(self, node: Node) -> list[ast.stmt]:
        clause = next((each for each in node.children if each.type == "else_clause"), None)
        return self._needed(clause, "body") if clause else []

    def _if_statement(self, node: Node) -> ast.stmt:
        orelse = self._else(node)
        for clause in reversed([each for each in node.children if each.type == "elif_clause"]):
            orelse = [self._if(clause, orelse)]
        return self._if(node, orelse)

    def _if(self, node: Node, orelse: list[ast.stmt]) -> ast.If:
        test = self.expression(fields(node, "condition")[0])
        body = self._needed(node, "consequence")
        return _ended(ast.If(test, body, orelse, **at(node)), orelse or body)

    def _while_statement(self, node: Node) -> ast.stmt:
        test = self.expression(fields(node, "condition")[0])
        body, orelse = self._needed(node, "body"), self._else(node)
        return _ended(ast.While(test, body, orelse, **at(node)), orelse or body)

    def _for_statement(self, node: Node) -> ast.stmt:
        target, iterated = self.stored(fields(node, "left")[0]), self.expression(fields(node, "right")[0])
        body, orelse = self._needed(node, "body"), self._else(node)
        kind = ast.AsyncFor if has(node, "async") else ast.For
        return _ended(kind(target, iterated, body, orelse, None, **at(node)), orelse or body)

    def _with_statement(self, node: Node) -> ast.stmt:
        clause = next(each for each in node.children if each.type == "with_clause")
        items = [self._with_item(each) for each in self._with_items(clause)]
        body = self._needed(node, "body")
        kind = ast.AsyncWith if has(node, "async") else ast.With
        return _ended(kind(items, body, None, **at(node)), body)

    def _with_items(self, clause: Node) -> list[Node]:
        """Python reads `with (a, b):` as two."""
        items = [named(each)[0] for each in named(clause) if each.type == "with_item" and named(each)]
        if len(items) == 1 and items[0].type == "tuple" and not any(each.type == "yield" for each in named(items[0])):
            return named(items[0])
        return items

    def _with_item(self, node: Node) -> ast.withitem:
        while node.type == "parenthesized_expression" and named(node) and named(node)[0].type == "as_pattern":
            node = named(node)[0]
        value, target = self._as(node)
        return ast.withitem(self.expression(value), self.stored(target) if target is not None else None)

    def _as(self, node: Node) -> tuple[Node, Node | None]:
        """The sides of `a as b`."""
        if node.type != "as_pattern":
            return node, None
        value, *target = named(node)
        return value, (named(target[0])[0] if target else None)

    def _try_statement(self, node: Node) -> ast.stmt:
        clauses = [each for each in node.children if each.type in {"except_clause", "except_group_clause"}]
        is_group = any(has(each, "*") or each.type == "except_group_clause" for each in clauses)
        handlers = [self._handler(each) for each in clauses]
        last = next((each for each in node.children if each.type == "finally_clause"), None)
        body, orelse = self._needed(node, "body"), self._else(node)
        final = self._body(_block(last)) if last else []
        self.newer = self.newer or is_group
        kind: Any = getattr(ast, "TryStar", ast.Try) if is_group else ast.Try  # Python 3.10 has none
        ends: Sequence[Any] = final or orelse or handlers or body
        made: ast.stmt = _ended(kind(body, handlers, orelse, final, **at(node)), ends)
        return made

    def _handler(self, node: Node) -> ast.ExceptHandler:
        caught = [each for each in named(node) if each.type != "block"]
        name = None
        if len(caught) == 1:
            value, target = self._as(caught[0])
            kind: ast.expr | None = self.expression(value)
            name = identifier(target) if target is not None else None
        else:  # Python 3.14 needs no brackets: except A, B:
            self.newer = self.newer or bool(caught)
            kind = self.several(caught) if caught else None
        body = self._body(_block(node)) or [ast.Pass(**at(node))]
        return _ended(ast.ExceptHandler(kind, name, body, **at(node)), body)

    def _function_definition(self, node: Node) -> ast.stmt:
        name = field(node, "name")
        self.newer = self.newer or field(node, "type_parameters") is not None
        given = parameters(field(node, "parameters"), self.expression)
        returns = self.optional(field(node, "return_type"))
        body = self._needed(node, "body")
        kind: Any = ast.AsyncFunctionDef if has(node, "async") else ast.FunctionDef
        made: ast.stmt = kind(identifier(name) if name else "…", given, body, [], returns, None, **at(node), **_GENERIC)
        return _ended(made, body)

    def _class_definition(self, node: Node) -> ast.stmt:
        name = field(node, "name")
        self.newer = self.newer or field(node, "type_parameters") is not None
        bases, keywords = arguments(field(node, "superclasses"), self.expression)
        body = self._needed(node, "body")
        kind: Any = ast.ClassDef
        made: ast.stmt = kind(identifier(name) if name else "…", bases, keywords, body, [], **at(node), **_GENERIC)
        return _ended(made, body)

    def _decorated_definition(self, node: Node) -> ast.stmt | None:
        definition = field(node, "definition")
        made: Any = self._statement(definition) if definition is not None else None
        if made is not None:
            decorators = [each for each in named(node) if each.type == "decorator" and named(each)]
            made.decorator_list = [self.expression(named(each)[0]) for each in decorators]
        return made if made is None or isinstance(made, ast.stmt) else None

    def _match_statement(self, node: Node) -> ast.stmt:
        subjects = fields(node, "subject")
        block = field(node, "body")
        ends = next(each for each in node.children if each.type == ":")
        before = [each for each in parts(node)[1:] if each.end_byte <= ends.start_byte and each.id != ends.id]
        if len(before) == 1:
            subject = self.expression(subjects[0])
        else:
            made = self.several(subjects)
            subject = made if isinstance(made, ast.Tuple) else ast.Tuple([made], ast.Load(), **at(before[0]))
            subject.end_lineno, subject.end_col_offset = before[-1].end_point.row + 1, before[-1].end_point.column
        cases = [self._case(each) for each in named(block)] if block is not None else []
        return _ended(ast.Match(subject, cases, **at(node)), cases[-1].body if cases else [])

    def _case(self, node: Node) -> ast.match_case:
        guard = field(node, "guard")
        found = [each for each in parts(node) if each.type == "case_pattern"]
        made = [pattern([each], self.expression) for each in found]
        comma = [each for each in node.children if each.type == ","]
        whole: ast.pattern = made[0]
        if comma:
            last = max(comma[-1], found[-1], key=lambda each: each.end_byte)
            place = at(found[0])
            place["end_lineno"], place["end_col_offset"] = last.end_point.row + 1, last.end_point.column
            whole = ast.MatchSequence(made, **place)
        test = self.expression(named(guard)[0]) if guard is not None else None
        return ast.match_case(whole, test, self._needed(node, "consequence"))


_Made = TypeVar("_Made", bound="ast.stmt | ast.ExceptHandler")
_GENERIC: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}


def _block(node: Node) -> Node | None:
    return next((each for each in node.children if each.type == "block"), None)


def _ended(made: _Made, inner: Sequence[Any]) -> _Made:
    """The statement, ending where the last one in it does: the grammar's blocks go on over comments."""
    if inner:
        made.end_lineno, made.end_col_offset = inner[-1].end_lineno, inner[-1].end_col_offset
    return made
