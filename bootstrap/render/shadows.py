"""Finds what Airflow reads before an option that `render` manages: variables, and deprecated places in airflow.cfg.

It asks, each at the new place and then at the deprecated one: variables (NAME, NAME_CMD, NAME_SECRET), the option in the
file, OPTION_cmd there, OPTION_secret there (`AirflowConfigParser.get`).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bootstrap.airflow.environment import Environment
from bootstrap.errors import BootstrapError
from bootstrap.providers.installed import sensitive_options
from bootstrap.render import ini
from bootstrap.render.settings import Settings
from bootstrap.util.file_cache import remembered

_KINDS = ("", "_cmd", "_secret")  # in the order in which Airflow asks
_JSON = frozenset({"backend_kwargs", "secrets_backend_kwargs"})
# The deprecated places where Airflow still reads options: in its source, up to 3.1 in the second of these, from 3.2 on in the first
_MODULES = ("airflow._shared.configuration.parser", "airflow.configuration")
_TABLES = ("deprecated_options", "deprecated_sections")
_KWARGS = ("AIRFLOW__SECRETS__BACKEND_KWARG__", "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__")


@dataclass(frozen=True)
class Managed:
    """An option that is written to the file: its value (None: it isn't, as there is none), as itself or as one of the kinds."""

    section: str
    option: str
    kind: str
    value: str | None


@dataclass(frozen=True)
class Place:
    """An option in the file that Airflow reads before the managed one."""

    section: str
    option: str
    instead_of: str

    def __str__(self) -> str:
        """For people."""
        return f"[{self.section}] {self.option} is still set, and Airflow reads it before {self.instead_of}"

    @property
    def is_default(self) -> bool:
        """True if it is in [DEFAULT], so that removing it could change another section."""
        return self.section == "DEFAULT"


class Shadowed(BootstrapError):
    """Airflow reads something else than what is written."""


def managed(settings: Settings, written: Mapping[str, Mapping[str, str]]) -> Iterator[Managed]:
    """All that the manifest decides; `written` are the options as they stand in the file."""
    for section, options in written.items():
        for name, value in options.items():
            kind = next(
                (kind for kind in _KINDS[1:] if name.endswith(kind) and name in settings.config.get(section, {})), ""
            )
            yield Managed(section, name.removesuffix(kind), kind, value)
    if settings.secrets is not None:
        every = [("secrets", "backend_kwargs")]
        every += (
            [("workers", "secrets_backend"), ("workers", "secrets_backend_kwargs")] if settings.release.workers else []
        )
        yield from (Managed(section, name, "", None) for section, name in every if name not in written.get(section, {}))


def in_file(options: Iterator[Managed], settings: Settings, text: str, file: object) -> list[Place]:
    """Those in an airflow.cfg whose managed options are written."""
    default = ini.section_values(text, "DEFAULT", file)
    found = []
    for item in options:
        earlier = _KINDS[: _KINDS.index(item.kind)]
        name = f"[{item.section}] {item.option}{item.kind}"
        old = _old_place(item.section, item.option, settings.cache)
        old_options = ini.section_values(text, old[0], file) if old is not None else {}
        for kind in earlier:
            if item.option + kind in default:
                found.append(Place("DEFAULT", item.option + kind, name))
            if old is not None and old[1] + kind in old_options:
                found.append(Place(old[0], old[1] + kind, name))
    return found


def in_environment(options: Iterator[Managed], settings: Settings, environment: Environment) -> list[str]:
    """The variables of Airflow's processes that say something else than the file; not those that we give them ourselves."""
    given = {**environment.child(), **{name: value.unmasked() for name, value in environment.secrets.items()}}
    given = {name: value for name, value in given.items() if name not in settings.variables}
    found = {
        name
        for item in options
        for kind, name in _names(item, settings)
        if name in given and not _says(item, name, given) and (not kind or _is_sensitive(item, settings))
    }
    if settings.secrets is not None and settings.release.kwarg_variables:
        found |= {name for name in given if name.startswith(_KWARGS)}
    return sorted(found)


def require_none(options: Iterator[Managed], settings: Settings, environment: Environment) -> None:
    """Raises Shadowed if there are such variables."""
    names = in_environment(options, settings, environment)
    if names:
        raise Shadowed(overriding(names), f"unset {' '.join(names)}")


def overriding(names: Sequence[str]) -> str:
    """A sentence about variables."""
    return f"{', '.join(names)} in the environment override{'s' * (len(names) == 1)} airflow.cfg"


def _names(item: Managed, settings: Settings) -> Iterator[tuple[str, str]]:
    """The variables that Airflow could ask, each with its kind; those with one only for an option that is sensitive."""
    old = _old_place(item.section, item.option, settings.cache)
    for section, option in filter(None, ((item.section, item.option), old)):
        for kind in _KINDS:
            yield kind, _variable(section, option, kind)


def _is_sensitive(item: Managed, settings: Settings) -> bool:
    name = f"{item.section}.{item.option}"
    return item.option in _JSON or name in settings.release.sensitive or name in sensitive_options()


def _variable(section: str, option: str, kind: str = "") -> str:
    return f"AIRFLOW__{section.replace('.', '_')}__{option}{kind}".upper()


def _says(item: Managed, name: str, given: Mapping[str, str]) -> bool:
    """True if the variable only says what the file says, too."""
    if item.value is None:
        return not given[name]
    if name != _variable(item.section, item.option, item.kind):
        return False
    return same(item.option, item.value, given[name])


def same(option: str, written: str, read: str) -> bool:
    """True if two values mean the same to Airflow."""
    if option not in _JSON:
        return written == read or written.lower() == read.lower() in ("true", "false")
    try:
        return bool(json.loads(written) == json.loads(read))
    except ValueError:
        return False


def _old_place(section: str, option: str, folder: Path | None) -> tuple[str, str] | None:
    """The section and option that Airflow reads where there is nothing at the new place; None: there is no such place.

    What was read is kept in `folder`.
    """
    known = _deprecated(folder)
    if section in known["sections"]:
        return known["sections"][section], option
    found = known["options"].get(f"{section}.{option}")
    return None if found is None else (found[0], found[1])


@cache
def _deprecated(folder: Path | None) -> Mapping[str, Any]:
    known: Mapping[str, Any] = _read()[0] if folder is None else remembered(folder, "deprecated", None, _read)
    return known


def _read() -> tuple[dict[str, Any], tuple[str, ...]]:
    """{"options": {"section.option": [section, option]}, "sections": {section: section}}, and the files that it comes from."""
    from bootstrap.providers.python_source import Sources, UnreadableModule

    tables: dict[str, dict[Any, Any]] = {name: {} for name in _TABLES}
    files = []
    for name in _MODULES:
        try:
            module = Sources().module(name)
        except UnreadableModule:
            continue
        if module is None:
            continue
        files.append(str(module.file))
        for node in ast.walk(module.tree):
            match node:
                case ast.AnnAssign(target=ast.Name(id=table), value=ast.Dict() as entries) if table in tables:
                    tables[table] |= ast.literal_eval(entries)
                case ast.Assign(targets=[ast.Name(id=table)], value=ast.Dict() as entries) if table in tables:
                    tables[table] |= ast.literal_eval(entries)
    options, sections = (tables[name] for name in _TABLES)
    found = {
        "options": {".".join(new): list(old[:2]) for new, old in options.items()},
        "sections": {new: old[0] for new, old in sections.items()},
    }
    return found, tuple(files)
