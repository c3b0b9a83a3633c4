"""The table of those installed distributions that the shipped one doesn't have in this version; read once per installation."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.scan.operators.provider_homes import Home, homes
from bootstrap.util.file_cache import remembered

if TYPE_CHECKING:
    from bootstrap.scan.operators.known_hooks import Shipped


def table(
    shipped: Mapping[str, Any], shipped_hook: Shipped, cache_folder: Path | None, folders: Sequence[str] | None = None
) -> Any:
    """As the shipped table; None where there is nothing that it lacks. `folders` are by default those that Python imports from."""
    around = [folder for folder in (sys.path if folders is None else folders) if folder]
    other = [home for home in homes(around) if shipped["versions"].get(home.package) != home.version]
    if not other:
        return None
    find_out = partial(_read, other, around, shipped_hook)
    if cache_folder is None:
        return find_out()[0]
    asked = sorted([home.package, home.version, str(home.folder)] for home in other)
    return remembered(cache_folder, "operators", asked, find_out)


def _read(other: Sequence[Home], around: Sequence[str], shipped_hook: Shipped) -> tuple[Any, Collection[str]]:
    from bootstrap.scan.operators.provider_source import read
    from bootstrap.scan.operators.rows import as_table

    found = read(other, [Path(folder) for folder in around], shipped_hook)
    for name in found.incomplete:  # the shipped table has them whole
        del found.classes[name]
    return as_table(found), [str(home.info / "entry_points.txt") for home in other] + [str(home.info) for home in other]
