"""Reads text from outside, up to a size, and says where it stops being valid."""

from __future__ import annotations

import codecs
from pathlib import Path

from bootstrap.util import special_files

SIZE = 2**29  # bytes; a manifest of 1,000,000 variables has a tenth of it
DEPTH = 100  # levels of lists and mappings: ours have twelve, and at some 300 libraries that walk them give up
_OTHERS = {  # the longer mark first: UTF-32's begins like UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class BadInput(ValueError):
    """What is wrong with a text, and where; line and column count from 1. Nothing of the text is in it, but for keys."""

    def __init__(self, problem: str, hint: str = "", *, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.line = line
        self.column = column

    def at(self, name: object) -> str:
        """The sentence, with its place in the file of that name."""
        return f"{name}:{self.line}:{self.column}: {self.problem}"


def read(file: Path) -> str:
    """The text of a file in UTF-8, without a byte order mark. Raises OSError and BadInput."""
    return decoded(special_files.read(file, SIZE + 1))


def decoded(data: bytes) -> str:
    """Text in UTF-8, without a byte order mark. Raises BadInput."""
    if len(data) > SIZE:
        raise BadInput(f"more than {SIZE // 2**20} MiB", "divide it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        known = next((name for mark, name in _OTHERS.items() if data.startswith(mark)), None)
        if known:
            raise BadInput(f"not UTF-8 but {known}", f"convert it: iconv -f {known} -t UTF-8") from None
        before = data[: err.start].decode("utf-8", "replace")
        line, column = place(before, len(before))
        raise BadInput("not text in UTF-8", "save it as UTF-8", line=line, column=column) from None


def place(text: str, position: int) -> tuple[int, int]:
    """The line and the column of a position."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
