"""Reads Python source into `ast` nodes, whatever Python it was written for, and also where it is broken.

Python's own parser comes first: for 1,000 lines of Airflow it takes 4 ms of CPU, as much as walking tree-sitter's tree from Python, and a
tenth of libcst's 44. What it refuses is read by tree-sitter and lowered (20 ms).
"""

from __future__ import annotations

import ast
import codecs
import contextlib
import gc
import io
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

_MOST_NULS = 20  # beyond, it is no source


@dataclass(frozen=True)
class SyntaxProblem:
    """What couldn't be read; `line` counts from 1."""

    line: int
    message: str


@dataclass(frozen=True)
class Parsed:
    """A module: `text` is its source with line feeds between lines, as the tree's positions count; `errors` what was left out."""

    tree: ast.Module
    text: str
    errors: tuple[SyntaxProblem, ...] = ()

    @cached_property
    def comments(self) -> Mapping[int, str]:
        """The comment of a line, `#` included."""
        if "#" not in self.text:
            return {}
        from tree_sitter import Query, QueryCursor

        from bootstrap.scan.sources.tolerant import language, tree

        read = tree(self.text)
        query = QueryCursor(Query(language(), "(comment) @comment"))
        found = query.captures(read.root_node) if read is not None else {}
        return {node.start_point.row + 1: (node.text or b"").decode() for node in found.get("comment", ())}


def parse(source: bytes) -> Parsed:
    """The module of a source; where Python itself can't read it, what can be read of it. Never raises."""
    text, problems = decoded(source)
    if (count := text.count("\0")) > _MOST_NULS:
        return Parsed(ast.Module([], []), "", (SyntaxProblem(1, "no text: it is full of NUL bytes"),))
    if count:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems = (*problems, SyntaxProblem(line, "a NUL byte"))
        text = text.replace("\0", " ")
    try:
        with warnings.catch_warnings(), _no_collections():
            warnings.simplefilter("ignore")  # a foreign file's invalid escape is not our user's business
            return Parsed(ast.parse(text), text, problems)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        from bootstrap.scan.sources import tolerant

        tree, errors = tolerant.module(text, err)
        return Parsed(tree, text, (*problems, *(SyntaxProblem(*each) for each in errors)))


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Without the garbage collector, which would look through all trees again and again: two thirds of the time for 1,000 files."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def decoded(source: bytes) -> tuple[str, tuple[SyntaxProblem, ...]]:
    """The text, decoded as Python does (PEP 263, a byte order mark); else as Latin-1, which is a problem of line 1."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text, problem = source.decode(encoding), ""
    except (SyntaxError, UnicodeError, LookupError, ValueError):
        text, problem = _guessed(source)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removeprefix("\ufeff"), (SyntaxProblem(1, problem),) if problem else ()


def _guessed(source: bytes) -> tuple[str, str]:
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if source.startswith(mark):
            return source.decode("utf-16", "replace"), "encoded in UTF-16, which Python doesn't read"
    try:
        return source.decode("utf-8-sig"), "its coding comment names no encoding that Python knows; read as UTF-8"
    except UnicodeError:
        return source.decode("latin-1"), "not UTF-8, and no coding comment says what; read as Latin-1"
