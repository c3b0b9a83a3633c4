"""Names of what SQL touches: catalog, schema and table with dots between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bootstrap.scan.model import Verb


@dataclass(frozen=True)
class Touch:
    """One thing that a statement touches. `right` is SQL's word for what it needs: SELECT, INSERT, CREATE, EXECUTE, …"""

    kind: str
    name: str
    verb: Verb
    right: str = ""
    template: bool = False


def joined(parts: Iterable[str]) -> str:
    """The parts of a name with dots between; one with a dot or a quote in it is quoted."""
    return ".".join(part if re.fullmatch(r"[^\s.\"]+", part) else '"' + part.replace('"', '""') + '"' for part in parts)


def parts(name: str) -> list[str]:
    """The parts of a name that `joined` has made."""
    found = re.findall(r'"((?:[^"]|"")*)"|([^.]+)', name)
    return [plain or quoted.replace('""', '"') for quoted, plain in found]
