"""Parameters of functions and lambdas, and arguments of calls and classes."""

from __future__ import annotations

import ast

from tree_sitter import Node

from bootstrap.scan.sources.tolerant.nodes import UNREAD, Expression, at, between, field, identifier, named, parts


def parameters(node: Node | None, lower: Expression) -> ast.arguments:
    """Of a `parameters` or `lambda_parameters` node; none without one."""
    made = ast.arguments(posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[])
    only_keywords = False
    for each in named(node) if node else []:
        match each.type:
            case "keyword_separator":
                only_keywords = True
            case "positional_separator":
                made.posonlyargs, made.args = made.args, []
            case _:
                only_keywords = _add(made, each, lower, only_keywords=only_keywords)
    return made


def _add(made: ast.arguments, node: Node, lower: Expression, *, only_keywords: bool) -> bool:
    """Adds one; returns whether those after it are only given by name."""
    name = field(node, "name") or (named(node)[0] if node.type == "typed_parameter" else node)
    kind = field(node, "type")
    value = field(node, "value")
    argument = _argument(name, kind, lower)
    default = lower(value) if value is not None else None
    if name.type == "list_splat_pattern":
        made.vararg = argument
        return True
    if name.type == "dictionary_splat_pattern":
        made.kwarg = argument
    elif only_keywords:
        made.kwonlyargs.append(argument)
        made.kw_defaults.append(default)
    else:
        made.args.append(argument)
        made.defaults += [default] if default is not None else []
    return only_keywords


def _argument(node: Node, kind: Node | None, lower: Expression) -> ast.arg:
    bare = named(node)[0] if node.type.endswith("splat_pattern") and named(node) else node
    name = identifier(bare) if bare.type == "identifier" else UNREAD  # Python 2's (a, b)
    return ast.arg(name, lower(kind) if kind is not None else None, **between(bare, kind or bare))


def arguments(node: Node | None, lower: Expression) -> tuple[list[ast.expr], list[ast.keyword]]:
    """Positional ones and those by name, of an `argument_list` or of a lone generator."""
    if node is None:
        return [], []
    if node.type != "argument_list":
        return [lower(node)], []
    positional, by_name = [], []
    for each in parts(node):
        if each.type == "keyword_argument":
            name, value = field(each, "name"), field(each, "value")
            if name is not None and value is not None:
                by_name.append(ast.keyword(identifier(name), lower(value), **at(each)))
        elif each.type == "dictionary_splat":
            by_name += [ast.keyword(None, lower(value), **at(each)) for value in named(each)[:1]]
        elif each.is_named:
            positional.append(lower(each))
    return positional, by_name
