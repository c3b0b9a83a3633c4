"""Notebooks (.ipynb, nbformat 3 and 4): the code of their cells as one Python source.

Each line of code gets the line of the .ipynb file that it stands in, as editors and pull requests count; where several share a line
(a notebook saved without line breaks), each follows the one before. Lines for IPython and not for Python are left blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json import scanner
from typing import Any

from bootstrap.scan.sources.source_file import Unreadable

_MAGIC = re.compile(r"^\s*(%%?[A-Za-z]|!(?!=)|\?|[\w.]+\?{1,2}\s*$)")
_ASSIGNED = re.compile(r"^(\s*[\w, ]+=\s*)(![^=]|%[A-Za-z]).*$")


class _Placed(str):
    """A string of the JSON text, with the line that it begins in, from 1."""

    __slots__ = ("line",)
    line: int


def source(data: bytes) -> bytes:
    """The Python source. Raises Unreadable for what is no notebook, or none in Python."""
    try:
        notebook = _loaded(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as err:
        raise Unreadable("no notebook: its JSON can't be read") from err
    if not isinstance(notebook, dict):
        raise Unreadable("no notebook: its JSON is no object")
    language = _language(notebook)
    if language not in {"", "python"}:
        raise Unreadable("a notebook in another language than Python")
    lines: list[str] = []
    for cell in _code_cells(notebook):
        for number, text in _cell_lines(cell):
            lines += [""] * (number - 1 - len(lines))
            lines.append(text)
    return "\n".join([*lines, ""]).encode("utf-8", "replace")


def _loaded(text: str) -> Any:
    decoder: Any = json.JSONDecoder()  # typeshed doesn't know what it is made of
    plain = decoder.parse_string
    counted = [0, 1]  # up to which position the lines were counted, and the line there

    def placed(string: str, end: int, *rest: Any) -> tuple[str, int]:
        value, after = plain(string, end, *rest)
        result = _Placed(value)
        counted[1] += string.count("\n", counted[0], end)
        counted[0] = end
        result.line = counted[1]
        return result, after

    decoder.parse_string = placed
    decoder.scan_once = scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]  # C's doesn't call parse_string
    return decoder.decode(text)


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for name, key in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(name) if isinstance(metadata, dict) else None
        if isinstance(part, dict) and isinstance(part.get(key), str):
            return str(part[key]).lower()
    return ""


def _code_cells(notebook: dict[str, Any]) -> Iterator[Any]:
    """The source of each code cell; nbformat 3 has them in worksheets, as `input`."""
    sheets = notebook.get("worksheets")
    for part in [notebook, *(sheets if isinstance(sheets, list) else [])]:
        cells = part.get("cells") if isinstance(part, dict) else None
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                yield cell.get("source", cell.get("input"))


def _cell_lines(cell: Any) -> Iterator[tuple[int, str]]:
    parts = [part for part in (cell if isinstance(cell, list) else [cell]) if isinstance(part, _Placed)]
    whole = "".join(parts)
    if whole.lstrip().startswith("%%") and not re.match(r"\s*%%(time|timeit|capture|prun)\b", whole):
        return  # another language, or a file
    for part in parts:
        for offset, line in enumerate(part.removesuffix("\n").split("\n")):
            number = part.line + offset if len(parts) == 1 else part.line
            yield number, "" if _MAGIC.match(line) else _ASSIGNED.sub(r"\1None", line)
