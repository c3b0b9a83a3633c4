"""The deprecated places where the installed Airflow still reads options, read from its source without importing it.

airflow/configuration.py has the two tables up to 3.1, airflow/_shared/configuration/parser.py from 3.2 on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bootstrap.providers.python_source import Module, Sources, UnreadableModule
from bootstrap.util.file_cache import remembered

_MODULES = ("airflow._shared.configuration.parser", "airflow.configuration")
_TABLES = ("deprecated_options", "deprecated_sections")


def old_place(section: str, option: str, folder: Path | None) -> tuple[str, str] | None:
    """The section and option that Airflow reads where there is nothing at the new place; None: there is no such place.

    What was read is kept in `folder`.
    """
    known = _known(folder)
    if section in known["sections"]:
        return known["sections"][section], option
    found = known["options"].get(f"{section}.{option}")
    return None if found is None else (found[0], found[1])


@cache
def _known(folder: Path | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read()[0] if folder is None else remembered(folder, "deprecated", None, _read)
    return found


def _read() -> tuple[dict[str, Any], tuple[str, ...]]:
    """{"options": {"section.option": [section, option]}, "sections": {section: section}}, and the files that it comes from."""
    modules = list(_modules())
    options, sections = ({key: item for module in modules for key, item in _table(module, name)} for name in _TABLES)
    found = {
        "options": {".".join(new): list(old[:2]) for new, old in options.items()},
        "sections": {new: old[0] for new, old in sections.items()},
    }
    return found, tuple(str(module.file) for module in modules)


def _modules() -> Iterator[Module]:
    for name in _MODULES:
        try:
            module = Sources().module(name)
        except UnreadableModule:
            continue
        if module is not None:
            yield module


def _table(module: Module, name: str) -> Iterator[tuple[Any, Any]]:
    """The entries of a dict that is written out in the module."""
    for node in ast.walk(module.tree):
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        value = getattr(node, "value", None)
        if isinstance(value, ast.Dict) and any(
            isinstance(target, ast.Name) and target.id == name for target in targets
        ):
            table: Mapping[Any, Any] = ast.literal_eval(value)
            yield from table.items()
