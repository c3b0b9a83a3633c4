"""Makes foreign text harmless for terminals, logs and pages."""

from __future__ import annotations

import re

# ECMA-48: control sequences (colours, cursor), and strings that a terminal takes as its title, a link, the clipboard
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
)
# What XML forbids, what a terminal obeys, and what turns the direction of writing or ends a line unseen
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """`text` with U+FFFD instead of each control character but tab and newline."""
    return _CONTROL.sub("\ufffd", text)


def plain(text: str) -> str:
    """`text` without a terminal's sequences, its colours for instance, and otherwise `printable`."""
    if _CONTROL.search(text) is None:
        return text
    return printable(_SEQUENCE.sub("", text.replace("\r\n", "\n")))
