"""Statements of one line, as `ast` nodes; Python 2's print and exec as calls."""

from __future__ import annotations

import ast
from typing import Any

from tree_sitter import Node

from bootstrap.scan.sources.tolerant.expressions import BINARY, Expressions
from bootstrap.scan.sources.tolerant.nodes import (
    at,
    between,
    dotted,
    field,
    fields,
    identifier,
    named,
    parts,
    text_of,
    unread,
)


class SimpleStatements(Expressions):
    """Lowers them. A method's name is that of its node in the grammar."""

    def _expression_statement(self, node: Node) -> ast.stmt:
        inner = named(node)
        if len(inner) == 1 and inner[0].type in {"assignment", "augmented_assignment"}:
            made: ast.stmt = getattr(self, f"_{inner[0].type}")(inner[0])
            return made
        return ast.Expr(self.several(inner, node), **at(node))

    def _assignment(self, node: Node) -> ast.stmt:
        kind = field(node, "type")
        if kind is not None:
            target = fields(node, "left")[0]
            simple = int(target.type == "identifier")
            value = self.optional(field(node, "right"))
            made: Any = self.stored(target)
            return ast.AnnAssign(made, self.expression(kind), value, simple, **at(node))
        targets = []
        right: Node | None = node
        while right is not None and right.type == "assignment":  # a = b = c
            targets.append(self.stored(fields(right, "left")[0]))
            right = field(right, "right")
        value = self.expression(right) if right is not None else unread(at(node))
        return ast.Assign(targets, value, None, **at(node))

    def _augmented_assignment(self, node: Node) -> ast.stmt:
        operator = field(node, "operator")
        sign = BINARY[operator.type.removesuffix("=") if operator else ""]()
        target, value = self.stored(fields(node, "left")[0]), self.expression(fields(node, "right")[0])
        return ast.AugAssign(target, sign, value, **at(node))  # type: ignore[arg-type]  # what `stored` returns is one

    def _type_alias_statement(self, node: Node) -> ast.stmt:
        """`type X[T] = list[T]` as `X = list[T]`. The grammar takes `type(x).y = z` for such one, too."""
        left = named(fields(node, "left")[0])[0]
        if text_of(left).startswith("("):
            return _reparsed(node)
        self.newer = True
        name = left if left.type == "identifier" else named(left)[0]
        return ast.Assign([self.stored(name)], self.expression(fields(node, "right")[0]), None, **at(node))

    def _return_statement(self, node: Node) -> ast.stmt:
        inner = named(node)
        return ast.Return(self.expression(inner[0]) if inner else None, **at(node))

    def _delete_statement(self, node: Node) -> ast.stmt:
        inner = named(node)[0]
        targets = named(inner) if inner.type == "expression_list" else [inner]
        made: list[Any] = [self.expression(each) for each in targets]
        for each in made:
            _deleted(each)
        return ast.Delete(made, **at(node))

    def _raise_statement(self, node: Node) -> ast.stmt:
        cause = field(node, "cause")
        raised = [each for each in named(node) if each != cause]
        return ast.Raise(self.expression(raised[0]) if raised else None, self.optional(cause), **at(node))

    def _assert_statement(self, node: Node) -> ast.stmt:
        test, *message = named(node)
        return ast.Assert(self.expression(test), self.expression(message[0]) if message else None, **at(node))

    def _pass_statement(self, node: Node) -> ast.stmt:
        return ast.Pass(**at(node))

    def _break_statement(self, node: Node) -> ast.stmt:
        return ast.Break(**at(node))

    def _continue_statement(self, node: Node) -> ast.stmt:
        return ast.Continue(**at(node))

    def _global_statement(self, node: Node) -> ast.stmt:
        return ast.Global([identifier(each) for each in named(node)], **at(node))

    def _nonlocal_statement(self, node: Node) -> ast.stmt:
        return ast.Nonlocal([identifier(each) for each in named(node)], **at(node))

    # imports

    def _import_statement(self, node: Node) -> ast.stmt:
        return ast.Import(_aliases(node), **at(node))

    def _future_import_statement(self, node: Node) -> ast.stmt:
        return ast.ImportFrom("__future__", _aliases(node), 0, **at(node))

    def _import_from_statement(self, node: Node) -> ast.stmt:
        module = fields(node, "module_name")[0]
        name: str | None = dotted(module)
        level = 0
        if module.type == "relative_import":
            dots = text_of(module.children[0])
            level = dots.count(".")
            name = next((dotted(each) for each in named(module) if each.type == "dotted_name"), None)
        star = next((each for each in node.children if each.type == "wildcard_import"), None)
        names = [ast.alias("*", None, **at(star))] if star else _aliases(node)
        return ast.ImportFrom(name, names, level, **at(node))

    # Python 2

    def _print_statement(self, node: Node) -> ast.stmt:
        self.problems.setdefault(node.start_point.row + 1, "a print statement, as in Python 2")
        return self._called(node, fields(node, "argument"))

    def _exec_statement(self, node: Node) -> ast.stmt:
        self.problems.setdefault(node.start_point.row + 1, "an exec statement, as in Python 2")
        return self._called(node, named(node))

    def _called(self, node: Node, arguments: list[Node]) -> ast.stmt:
        keyword = parts(node)[0]
        name = ast.Name(keyword.type, ast.Load(), **at(keyword))
        call = ast.Call(name, [self.expression(each) for each in arguments], [], **at(node))
        return ast.Expr(call, **at(node))


def _aliases(node: Node) -> list[ast.alias]:
    made = []
    for each in fields(node, "name"):
        if each.type == "aliased_import":
            name, alias = named(each)
            made.append(ast.alias(dotted(name), identifier(alias), **between(name, alias)))
        else:
            made.append(ast.alias(dotted(each), None, **at(each)))
    return made


def _reparsed(node: Node) -> ast.stmt:
    """What Python makes of the statement by itself."""
    made = ast.parse(text_of(node)).body[0]
    start = node.start_point
    for each in ast.walk(made):
        if isinstance(each, (ast.expr, ast.stmt, ast.keyword, ast.arg)):
            if each.lineno == 1:
                each.col_offset += start.column
            if each.end_lineno == 1:
                each.end_col_offset = (each.end_col_offset or 0) + start.column
            each.lineno += start.row
            each.end_lineno = (each.end_lineno or 1) + start.row
    return made


def _deleted(target: Any) -> None:
    if hasattr(target, "ctx"):
        target.ctx = ast.Del()
    for each in getattr(target, "elts", ()):
        _deleted(each)
