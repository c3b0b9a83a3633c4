"""Expressions of tree-sitter's tree as `ast` nodes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from tree_sitter import Node

from bootstrap.scan.sources.tolerant import strings
from bootstrap.scan.sources.tolerant.nodes import (
    at,
    between,
    field,
    fields,
    has,
    identifier,
    named,
    parts,
    text_of,
    unread,
)
from bootstrap.scan.sources.tolerant.parameters import arguments, parameters

DEEPEST = 150  # expressions in each other: 450 calls of the 1,000 that Python allows; its own limit is 200 brackets
BINARY: dict[str, type[ast.operator]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
    "@": ast.MatMult,
    "**": ast.Pow,
    "|": ast.BitOr,
    "&": ast.BitAnd,
    "^": ast.BitXor,
    "<<": ast.LShift,
    ">>": ast.RShift,
}
_UNARY: dict[str, type[ast.unaryop]] = {"+": ast.UAdd, "-": ast.USub, "~": ast.Invert}
_COMPARE: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt,
    "<=": ast.LtE,
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<>": ast.NotEq,
    ">=": ast.GtE,
    ">": ast.Gt,
    "in": ast.In,
    "not in": ast.NotIn,
    "is": ast.Is,
    "is not": ast.IsNot,
}


class Expressions:
    """Lowers expressions; `problems` gets what can't be read, by line, and `newer` is set by what only Python 3.12 and later read."""

    def __init__(self) -> None:
        self.problems: dict[int, str] = {}
        self.newer = False
        self._depth = 0

    def expression(self, node: Node) -> ast.expr:
        """The `ast` node; a name that nothing has for what can't be read."""
        self._depth += 1
        try:
            how: Callable[[Node], ast.expr] | None = getattr(self, f"_{node.type}", None)
            if how is not None and self._depth <= DEEPEST:
                return how(node)
            self.problems.setdefault(node.start_point.row + 1, "nested too deeply" if how else "syntax error")
        except (
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
        ):  # a tree that the grammar doesn't announce, where it is broken
            self.problems.setdefault(node.start_point.row + 1, "syntax error")
        finally:
            self._depth -= 1
        return unread(at(node))

    def optional(self, node: Node | None) -> ast.expr | None:
        """None stays None."""
        return None if node is None else self.expression(node)

    def stored(self, node: Node) -> ast.expr:
        """What is assigned to."""
        return store(self.expression(node))

    def several(self, nodes: list[Node], whole: Node | None = None) -> ast.expr:
        """One expression, or a tuple without brackets that ends where `whole` does."""
        if len(nodes) == 1 and (whole is None or not has(whole, ",")):
            return self.expression(nodes[0])
        last = whole or nodes[-1]
        return ast.Tuple([self.expression(each) for each in nodes], ast.Load(), **between(nodes[0], last))

    # names and literals

    def _identifier(self, node: Node) -> ast.expr:
        return ast.Name(identifier(node), ast.Load(), **at(node))

    def _integer(self, node: Node) -> ast.expr:
        text = text_of(node).rstrip("lL")
        old_octal = len(text) > 1 and text.isdecimal() and text[0] == "0" and text.strip("0")
        return ast.Constant(int(text, 8) if old_octal else ast.literal_eval(text), **at(node))

    _float = _integer

    def _true(self, node: Node) -> ast.expr:
        return ast.Constant(value=True, **at(node))

    def _false(self, node: Node) -> ast.expr:
        return ast.Constant(value=False, **at(node))

    def _none(self, node: Node) -> ast.expr:
        return ast.Constant(None, **at(node))

    def _ellipsis(self, node: Node) -> ast.expr:
        return ast.Constant(..., **at(node))

    def _string(self, node: Node) -> ast.expr:
        pieces = named(node) if node.type == "concatenated_string" else [node]
        self.newer = self.newer or any(strings.is_newer(piece) for piece in pieces)
        return strings.string(node, self.expression)

    _concatenated_string = _string

    # brackets

    def _parenthesized_expression(self, node: Node) -> ast.expr:
        return self.expression(named(node)[0])

    def _tuple(self, node: Node) -> ast.expr:
        return ast.Tuple([self.expression(each) for each in named(node)], ast.Load(), **at(node))

    def _list(self, node: Node) -> ast.expr:
        return ast.List([self.expression(each) for each in named(node)], ast.Load(), **at(node))

    _list_pattern = _list

    def _tuple_pattern(self, node: Node) -> ast.expr:
        elements = named(node)
        return self._tuple(node) if has(node, ",") or len(elements) != 1 else self.expression(elements[0])

    def _set(self, node: Node) -> ast.expr:
        return ast.Set([self.expression(each) for each in named(node)], **at(node))

    def _expression_list(self, node: Node) -> ast.expr:
        return self.several(named(node), node)

    _pattern_list = _expression_list

    def _dictionary(self, node: Node) -> ast.expr:
        keys: list[ast.expr | None] = []
        values = []
        for each in named(node):
            if each.type == "dictionary_splat":
                keys.append(None)
                values.append(self.expression(named(each)[0]))
                continue
            key, value = field(each, "key"), field(each, "value")
            if key is not None and value is not None:
                keys.append(self.expression(key))
                values.append(self.expression(value))
        return ast.Dict(keys, values, **at(node))

    def _list_splat(self, node: Node) -> ast.expr:
        return ast.Starred(self.expression(named(node)[0]), ast.Load(), **at(node))

    _list_splat_pattern = _list_splat
    _splat_type = _list_splat

    # comprehensions

    def _comprehension(self, node: Node, kind: Callable[..., ast.expr]) -> ast.expr:
        body = field(node, "body") or named(node)[0]
        return kind(self.expression(body), self._generators(node), **at(node))

    def _generators(self, node: Node) -> list[ast.comprehension]:
        made: list[ast.comprehension] = []
        for clause in named(node):
            if clause.type == "for_in_clause":
                left, right = fields(clause, "left"), fields(clause, "right")
                iterated = self.several(right)
                made.append(ast.comprehension(self.stored(left[0]), iterated, [], int(has(clause, "async"))))
            elif clause.type == "if_clause" and made:
                made[-1].ifs.append(self.expression(named(clause)[0]))
        return made

    def _list_comprehension(self, node: Node) -> ast.expr:
        return self._comprehension(node, ast.ListComp)

    def _set_comprehension(self, node: Node) -> ast.expr:
        return self._comprehension(node, ast.SetComp)

    def _generator_expression(self, node: Node) -> ast.expr:
        return self._comprehension(node, ast.GeneratorExp)

    def _dictionary_comprehension(self, node: Node) -> ast.expr:
        pair = named(node)[0]
        key, value = fields(pair, "key")[0], fields(pair, "value")[0]
        return ast.DictComp(self.expression(key), self.expression(value), self._generators(node), **at(node))

    # operators

    def _binary_operator(self, node: Node) -> ast.expr:
        spine = [node]  # a + b + c + …: the left side goes deep, and is taken without recursion
        while (left := field(spine[-1], "left")) is not None and left.type == node.type:
            spine.append(left)
        made = self.expression(left) if left is not None else unread(at(node))
        for each in reversed(spine):
            right, operator = fields(each, "right")[0], field(each, "operator")
            sign = BINARY[operator.type if operator else ""]()
            made = ast.BinOp(made, sign, self.expression(right), **at(each))
        return made

    def _boolean_operator(self, node: Node) -> ast.expr:
        operator = field(node, "operator")
        sign = operator.type if operator else ""
        values: list[Node] = []
        left: Node | None = node
        while left is not None and left.type == node.type and has(left, sign):
            values.append(fields(left, "right")[0])
            left = field(left, "left")
        values += [left] if left is not None else []
        kind = ast.And() if sign == "and" else ast.Or()
        return ast.BoolOp(kind, [self.expression(each) for each in reversed(values)], **at(node))

    def _comparison_operator(self, node: Node) -> ast.expr:
        operands = [self.expression(each) for each in named(node)]
        signs = [_COMPARE[each.type]() for each in node.children if each.type in _COMPARE]
        if len(operands) != len(signs) + 1:
            return operands[0]
        return ast.Compare(operands[0], list(signs), operands[1:], **at(node))

    def _not_operator(self, node: Node) -> ast.expr:
        return ast.UnaryOp(ast.Not(), self.expression(fields(node, "argument")[0]), **at(node))

    def _unary_operator(self, node: Node) -> ast.expr:
        sign = _UNARY[parts(node)[0].type]()
        return ast.UnaryOp(sign, self.expression(fields(node, "argument")[0]), **at(node))

    def _conditional_expression(self, node: Node) -> ast.expr:
        body, test, other = (self.expression(each) for each in named(node))
        return ast.IfExp(test, body, other, **at(node))

    def _named_expression(self, node: Node) -> ast.expr:
        name, value = fields(node, "name")[0], fields(node, "value")[0]
        return ast.NamedExpr(ast.Name(identifier(name), ast.Store(), **at(name)), self.expression(value), **at(node))

    def _await(self, node: Node) -> ast.expr:
        return ast.Await(self.expression(named(node)[0]), **at(node))

    def _yield(self, node: Node) -> ast.expr:
        inner = named(node)
        if has(node, "from"):
            return ast.YieldFrom(self.expression(inner[0]), **at(node))
        return ast.Yield(self.expression(inner[0]) if inner else None, **at(node))

    def _lambda(self, node: Node) -> ast.expr:
        made = parameters(field(node, "parameters"), self.expression)
        return ast.Lambda(made, self.expression(fields(node, "body")[0]), **at(node))

    # what follows a name

    def _attribute(self, node: Node) -> ast.expr:
        value, name = fields(node, "object")[0], field(node, "attribute")
        if name is None:
            return self.expression(value)
        return ast.Attribute(self.expression(value), identifier(name), ast.Load(), **at(node))

    def _call(self, node: Node) -> ast.expr:
        function = self.expression(fields(node, "function")[0])
        positional, by_name = arguments(field(node, "arguments"), self.expression)
        return ast.Call(function, positional, by_name, **at(node))

    def _subscript(self, node: Node) -> ast.expr:
        value = self.expression(fields(node, "value")[0])
        return ast.Subscript(value, self._index(node, fields(node, "subscript")), ast.Load(), **at(node))

    def _index(self, node: Node, inner: list[Node]) -> ast.expr:
        """What is between the brackets of a subscript."""
        if len(inner) == 1 and not has(node, ",") and inner[0].type not in {"list_splat", "splat_type"}:
            return self.expression(inner[0])
        last = parts(node)[-2]
        return ast.Tuple([self.expression(each) for each in inner], ast.Load(), **between(inner[0], last))

    def _slice(self, node: Node) -> ast.expr:
        given: list[ast.expr | None] = [None, None, None]
        position = 0
        for each in parts(node):
            if each.type == ":":
                position += 1
            else:
                given[position] = self.expression(each)
        return ast.Slice(*given, **at(node))

    # annotations

    def _type(self, node: Node) -> ast.expr:
        return self.expression(named(node)[0])

    def _constrained_type(self, node: Node) -> ast.expr:
        return self.expression(named(node)[0])

    def _generic_type(self, node: Node) -> ast.expr:
        name, parameter = named(node)
        return ast.Subscript(self.expression(name), self._index(parameter, named(parameter)), ast.Load(), **at(node))

    def _union_type(self, node: Node) -> ast.expr:
        """The grammar takes `list[A] | B | C` for `list[A] | (B | C)`; Python begins at the left."""
        first, *rest = _united(node)
        made = self.expression(first)
        for each in rest:
            made = ast.BinOp(made, ast.BitOr(), self.expression(each), **between(first, each))
        return made

    def _member_type(self, node: Node) -> ast.expr:
        value, name = named(node)
        return ast.Attribute(self.expression(value), identifier(name), ast.Load(), **at(node))


def _united(node: Node) -> list[Node]:
    """The operands of `|`, left to right."""
    if node.type == "type":
        return _united(named(node)[0])
    if node.type == "union_type" or (node.type == "binary_operator" and has(node, "|")):
        return [each for side in named(node) for each in _united(side)]
    return [node]


def store(target: Any) -> ast.expr:
    """As what is assigned to."""
    made: ast.expr = target
    if hasattr(made, "ctx"):
        made.ctx = ast.Store()
    if isinstance(made, ast.Starred):
        store(made.value)
    elif isinstance(made, (ast.Tuple, ast.List)):
        for each in made.elts:
            store(each)
    return made
