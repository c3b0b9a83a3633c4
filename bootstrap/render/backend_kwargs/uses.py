"""Follows a mapping through a piece of code: which keys are read, and where the rest is passed on."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from bootstrap.providers.python_source import dotted_text

_READS = ("get", "pop", "setdefault")


@dataclass
class Uses(ast.NodeVisitor):
    """All uses of the mapping `name` (`kwargs`, or `self.kwargs`) in the nodes that were visited.

    `keys` are read of it by name, `calls` get it as `**name`, `stored` are the attributes that it is assigned to, and
    `elsewhere` says that it is used in another way, too: then nobody can tell which keys matter.
    """

    name: str
    keys: set[str] = field(default_factory=set)
    calls: list[ast.Call] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    elsewhere: bool = False

    def visit_Call(self, node: ast.Call) -> None:
        """`name.get("key")`, or `call(**name)`."""
        if isinstance(node.func, ast.Attribute) and self._is_it(node.func.value):
            key = _text(node.args[0]) if node.args else None
            if node.func.attr in _READS and key is not None:
                self.keys.add(key)
            else:
                self.elsewhere = True
        else:
            self.visit(node.func)
        for keyword in node.keywords:
            if keyword.arg is None and self._is_it(keyword.value):
                self.calls.append(node)
            else:
                self.visit(keyword.value)
        for argument in node.args:
            self.visit(argument)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`name["key"]`: read, unless it is assigned to."""
        key = _text(node.slice)
        if not self._is_it(node.value) or key is None:
            self.generic_visit(node)
        elif not isinstance(node.ctx, ast.Store):
            self.keys.add(key)

    def visit_Compare(self, node: ast.Compare) -> None:
        """`"key" in name` reads nothing."""
        for part in (node.left, *node.comparators):
            if not self._is_it(part) or not isinstance(node.ops[0], ast.In | ast.NotIn):
                self.visit(part)

    def visit_Assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        """`self.kwargs = name`, or `self.kwargs: dict = name`."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        attributes = [dotted_text(target) for target in targets]
        if self._is_it(node.value) and all(name.startswith("self.") for name in attributes):
            self.stored.update(attributes)
            return
        for part in (node.value, *targets):
            if part is not None:
                self.visit(part)

    visit_AnnAssign = visit_Assign  # noqa: N815  NodeVisitor's name

    def visit_Name(self, node: ast.Name) -> None:
        """Any other use."""
        self.elsewhere |= self._is_it(node) and isinstance(node.ctx, ast.Load)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Any other use."""
        if not self._is_it(node):
            self.visit(node.value)
        elif isinstance(node.ctx, ast.Load):
            self.elsewhere = True

    def _is_it(self, node: ast.expr | None) -> bool:
        return dotted_text(node) == self.name


def uses(name: str, *nodes: ast.AST) -> Uses:
    """How `nodes` use the mapping."""
    found = Uses(name)
    for node in nodes:
        found.visit(node)
    return found


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
