"""Connections and variables that text names: Jinja templates, and environment variables that Airflow reads them from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bootstrap.scan.model import ConnectionUse, Place, VariableUse

_HINT = re.compile(r"\{\{|\{%|AIRFLOW_(?:CONN|VAR)_")
_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CONN = re.compile(
    r"""(?<![\w.])conn(?:\.get\(\s*['"]([\w.-]+)['"]|\[\s*['"]([\w.-]+)['"]\s*\]|\.(?!get\b)([A-Za-z_]\w*))"""
)
_VAR = re.compile(
    r"""(?<![\w.])var\.(?:value|json)(?:\.get\(\s*['"]([^'"]+)['"]|\[\s*['"]([^'"]+)['"]\s*\]|\.(?!get\b)([A-Za-z_]\w*))"""
)
_ENVIRONMENT = re.compile(r"\bAIRFLOW_(CONN|VAR)_([A-Z0-9_]+)\b")
_PROSE = frozenset(("doc", "doc_md", "doc_rst", "doc_json", "doc_yaml", "description"))

Finding = ConnectionUse | VariableUse


def in_text(text: str, file: str, line: int = 1, *, environment: bool = True) -> Iterator[Finding]:
    """What a template names, and a script if `environment`; `line` is that of its first character."""
    if not _HINT.search(text):
        return
    for block in _BLOCK.finditer(text):
        at = line + text.count("\n", 0, block.start())
        for hit in _CONN.finditer(block[0]):
            yield ConnectionUse(hit[1] or hit[2] or hit[3], "template", Place(file, at, "conn"))
        for hit in _VAR.finditer(block[0]):
            yield VariableUse(hit[1] or hit[2] or hit[3], Place(file, at, "var"))
    for hit in _ENVIRONMENT.finditer(text) if environment else ():
        place = Place(file, line + text.count("\n", 0, hit.start()), hit[0])
        name = hit[2].lower()
        yield ConnectionUse(name, "environment", place) if hit[1] == "CONN" else VariableUse(name, place)


def in_code(tree: ast.Module, text: str, file: str) -> Iterator[Finding]:
    """What the strings of a module name; documentation is left out."""
    if not _HINT.search(text):
        return
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield from in_text(node.value, file, node.lineno)
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.keyword) and node.arg in _PROSE:
            continue
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Attribute) and each.attr in _PROSE for each in node.targets
        ):
            continue
        pending.extend(ast.iter_child_nodes(node))
