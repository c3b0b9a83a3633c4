"""Strings: plain ones, f-strings (also as of PEP 701), t-strings, and those that follow each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tree_sitter import Node

from bootstrap.scan.sources.tolerant.nodes import Expression, Place, at, field, named, text_of

_BRACES = re.compile(r"(\\N\{[^}]*\})|\{\{|\}\}")
_PREFIX = re.compile(r"^[A-Za-z]*")


def string(node: Node, lower: Expression) -> ast.expr:
    """A `string`, or a `concatenated_string` of several."""
    pieces = named(node) if node.type == "concatenated_string" else [node]
    place = at(node)
    if not any(_is_template(piece) for piece in pieces):
        return _plain(pieces, place)
    values: list[ast.expr] = []
    for piece in pieces:
        values += _values(piece, lower) if _is_template(piece) else [_plain([piece], at(piece))]
    return ast.JoinedStr(_merged(values), **place)


def is_newer(node: Node) -> bool:
    """True for a string that only Python 3.12 or later reads: t"", or f"" whose braces hold its own quote, a backslash, # or a new line."""
    if not _is_template(node):
        return False
    prefix, quote = _prefix_and_quote(node)
    inner = [text_of(child) for child in node.children if child.type == "interpolation"]
    marks = (quote, "\\", "#", *(["\n"] if len(quote) == 1 else []))
    return "t" in prefix or any(mark in text for text in inner for mark in marks)


def _is_template(node: Node) -> bool:
    prefix, _ = _prefix_and_quote(node)
    return "f" in prefix or "t" in prefix


def _prefix_and_quote(node: Node) -> tuple[str, str]:
    """`rf` and `\"\"\"`."""
    start = text_of(node.children[0]) if node.children else ""
    prefix = _PREFIX.match(start)
    length = prefix.end() if prefix else 0
    return start[:length].lower(), start[length:] or '"'


def _plain(pieces: list[Node], place: Place) -> ast.Constant:
    values = [_literal(text_of(piece)) for piece in pieces]
    kind = "u" if text_of(pieces[0])[:2] in {"u'", 'u"'} else None
    if all(isinstance(value, bytes) for value in values):
        return ast.Constant(b"".join(value for value in values if isinstance(value, bytes)), kind, **place)
    texts = (value if isinstance(value, str) else value.decode("latin-1") for value in values)
    return ast.Constant("".join(texts), kind, **place)


def _literal(text: str) -> str | bytes:
    """The value of a literal; where Python 3 knows none, as of `ur""`, what stands between its quotes."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError):
        value = None
    if isinstance(value, (str, bytes)):
        return value
    bare = _PREFIX.sub("", text)
    quotes = 3 if bare[:3] in {'"""', "'''"} else 1
    return bare[quotes:-quotes]


def _values(node: Node, lower: Expression) -> Iterator[ast.expr]:
    """The parts of one f-string: the text between its braces, and what is in them."""
    prefix, quote = _prefix_and_quote(node)
    start, end = node.children[0], node.children[-1]
    holes = [child for child in node.children if child.type == "interpolation"]
    last = end if end.type == "string_end" else None
    yield from _with_holes(
        node, holes, (start.end_byte, last.start_byte if last else node.end_byte), (prefix, quote), lower
    )


def _with_holes(
    node: Node, holes: list[Node], span: tuple[int, int], how: tuple[str, str], lower: Expression
) -> Iterator[ast.expr]:
    source = node.text or b""
    position, stop = span
    for hole in [*holes, None]:
        until = hole.start_byte if hole else stop
        text = source[position - node.start_byte : until - node.start_byte].decode("utf-8", "replace")
        if text:
            yield ast.Constant(_decoded(text, *how), **at(node))
        if hole:
            yield from _hole(hole, how, lower)
            position = hole.end_byte


def _decoded(text: str, prefix: str, quote: str) -> str:
    text = _BRACES.sub(lambda found: found[1] or found[0][0], text)
    if "\\" not in text or "r" in prefix:
        return text
    value = _literal(f"{quote}{text}{quote}")
    return value if isinstance(value, str) else text


def _hole(node: Node, how: tuple[str, str], lower: Expression) -> Iterator[ast.expr]:
    """`{x!r:>5}`; for `{x=}`, the text before it."""
    inner = field(node, "expression")
    if inner is None:
        return
    conversion, spec = field(node, "type_conversion"), field(node, "format_specifier")
    code = ord(text_of(conversion)[1]) if conversion else -1
    equals = next((child for child in node.children if child.type == "="), None)
    if equals is not None:
        following = next(child for child in node.children if child.start_byte >= equals.end_byte)
        shown = (node.text or b"")[1 : following.start_byte - node.start_byte]
        yield ast.Constant(shown.decode("utf-8", "replace"), **at(node))
        code = code if conversion or spec else ord("r")
    yield ast.FormattedValue(lower(inner), code, _spec(spec, how, lower) if spec else None, **at(node))


def _spec(node: Node, how: tuple[str, str], lower: Expression) -> ast.JoinedStr:
    holes = [child for child in node.children if child.type in {"format_expression", "interpolation"}]
    values = _with_holes(node, holes, (node.start_byte + 1, node.end_byte), how, lower)
    return ast.JoinedStr(_merged(list(values)), **at(node))


def _merged(values: list[ast.expr]) -> list[ast.expr]:
    """With neighbouring texts as one, and without empty ones."""
    merged: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant):
            text = value.value if isinstance(value.value, str) else ""
            before = merged[-1] if merged else None
            if isinstance(before, ast.Constant) and isinstance(before.value, str):
                before.value += text
                continue
            if not text:
                continue
        merged.append(value)
    return merged
