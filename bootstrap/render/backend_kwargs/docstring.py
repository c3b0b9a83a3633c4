"""Reads what a function's docstring says of its parameters: allowed values, deprecations, null."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.providers.python_source import Definition, dotted_text
from bootstrap.render.backend_kwargs.annotations import Parameter, choices_of, types_of

_PARAM = re.compile(r"^\s*:param (?P<name>\w+):(?P<text>.*?)(?=^\s*:\w|^\s*$|\Z)", re.MULTILINE | re.DOTALL)
_NULL = re.compile(r"\bset to (`+)?None\b")  # "If set to None (null), requests for connections will not be sent"
_DEPRECATED = re.compile(r"\(?deprecated\b[).:]*\s*", re.IGNORECASE)
_LAST = re.compile(r".*?(?:will be removed|deprecated)[^.]*\.\s+(?=\S)", re.DOTALL)


def declared(function: Definition, *, bound: bool) -> dict[str, Parameter]:
    """The parameters that can be given by keyword; a method's first one can't."""
    node = function.node
    assert isinstance(node, ast.FunctionDef)  # noqa: S101  for mypy
    documented = (
        match for of in (function.owner, node) if of for match in _PARAM.finditer(ast.get_docstring(of) or "")
    )
    texts = {match["name"]: " ".join(match["text"].split()) for match in documented}
    old, defaults = _deprecated(node, texts), dict(defaults_of(node))
    static = "staticmethod" in map(dotted_text, node.decorator_list)
    first = bound and not static and not node.args.posonlyargs
    found = {}
    for argument in (*node.args.args[first:], *node.args.kwonlyargs):
        name, value = argument.arg, defaults.get(argument.arg)
        types = types_of(argument.annotation)
        may_be_null = _NULL.search(texts.get(name, "")) or (isinstance(value, ast.Constant) and value.value is None)
        found[name] = Parameter(
            types=(*types, "null") if types and may_be_null and "null" not in types else types,
            required=value is None,
            default=_plain(value),
            choices=choices_of(argument.annotation),
            deprecated=old.get(name, ""),
        )
    return found


def fields_of(node: ast.ClassDef) -> dict[str, Parameter]:
    """What a class says of its attributes' types."""
    lines = (line for line in node.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name))
    return {dotted_text(line.target): Parameter(types_of(line.annotation)) for line in lines}


def defaults_of(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """The default of each parameter that has one."""
    by_position = [*node.args.posonlyargs, *node.args.args]
    last = by_position[len(by_position) - len(node.args.defaults) :]
    yield from ((argument.arg, value) for argument, value in zip(last, node.args.defaults, strict=True))
    for argument, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if value is not None:
            yield argument.arg, value


def allowed(node: ast.FunctionDef, module: ast.Module) -> dict[str, tuple[Any, ...]]:
    """The values outside of which the function raises: `if NAME not in VALUES: raise …`."""
    found = {}
    for test in _guards(node):
        match test:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.NotIn()], comparators=[values]):
                listed = _plain(_value(values, node, module))
                if isinstance(listed, list | tuple | set | frozenset):
                    found[name] = tuple(listed)
    return found


def _guards(node: ast.FunctionDef) -> Iterator[ast.expr]:
    """What is tested right before a `raise`; of `A and B`, both."""
    for line in ast.walk(node):
        if isinstance(line, ast.If) and isinstance(line.body[-1], ast.Raise):
            test = line.test
            yield from test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else (test,)


def _value(node: ast.expr, *scopes: ast.AST) -> ast.expr | None:
    """An expression itself, or what its name is assigned in the first scope that has it."""
    if not isinstance(node, ast.Name):
        return node
    for line in (line for scope in scopes for line in ast.walk(scope)):
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == node.id:
                return value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name == node.id:
                return value
    return None


def _deprecated(node: ast.FunctionDef, texts: Mapping[str, str]) -> dict[str, str]:
    """The parameters that are, and what to do instead: as the docstring says it, or else the warning."""
    found: dict[str, str] = {}
    for line in ast.walk(node):
        if isinstance(line, ast.If) and (sentence := _warning(line)):
            found |= {name.id: sentence for name in ast.walk(line.test) if isinstance(name, ast.Name)}
    for name, text in texts.items():
        if match := _DEPRECATED.match(text):
            found.setdefault(name, text[match.end() :])
    return found


def _warning(line: ast.If) -> str:
    """The advice in `warnings.warn("…", SomeDeprecationWarning)`."""
    for call in (call for statement in line.body for call in ast.walk(statement) if isinstance(call, ast.Call)):
        parts = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(dotted_text(part).endswith("DeprecationWarning") for part in parts):
            text = _plain(parts[0])
            return _LAST.sub("", text, count=1) if isinstance(text, str) else "see the provider's documentation"
    return ""


def _plain(node: ast.expr | None) -> Any:
    """The value of a literal; None for everything else."""
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None
