"""The signatures of Airflow's secrets backends: as they are installed, else as the shipped table has them (`make schema`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bootstrap.providers.python_source import Definition, Module, Sources
from bootstrap.render.backend_kwargs.annotations import Parameter
from bootstrap.render.backend_kwargs.rules import RULES
from bootstrap.render.backend_kwargs.signature import Reader, Signature
from bootstrap.util import distributions
from bootstrap.util.templates import folder_of

NAME = "backends.json"
_PROVIDERS = "apache-airflow-providers-"
_READ_AT = {name: rules.read_at for name, rules in RULES.items() if rules.read_at}


@dataclass(frozen=True)
class Backend:
    """A secrets backend's class. `package` is '' for one that belongs to no package of Airflow's.

    `rules` is the class that RULES has a row for: itself or one that it is derived from, or ''.
    """

    name: str
    package: str
    version: str
    signature: Signature
    rules: str = ""

    @property
    def title(self) -> str:
        """For people: the last part of its name."""
        return self.name.rpartition(".")[2]


def installed(definition: Definition, sources: Sources) -> Backend:
    """What the source of a class says. Raises UnreadableModule."""
    reader = Reader(sources, _READ_AT)
    rules = [definition.name] if definition.name in RULES else reader.ancestors(definition)
    package, version = _package(definition.module)
    known = next((name for name in rules if name in RULES), "")
    return Backend(definition.name, package, version, reader.signature(definition), known)


@cache
def shipped() -> Mapping[str, Backend]:
    """The rows of the table, by the class's dotted name."""
    rows = json.loads((folder_of(NAME) / NAME).read_text(encoding="utf-8"))
    return {
        name: Backend(
            name,
            row["package"],
            row["version"],
            Signature({key: _parameter(given) for key, given in row["parameters"].items()}, row["open"], row["strict"]),
            name if name in RULES else "",
        )
        for name, row in rows.items()
    }


def _parameter(given: Mapping[str, Any]) -> Parameter:
    frozen: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in given.items()}
    return Parameter(**frozen)


def _package(module: Module) -> tuple[str, str]:
    """The distribution of a module of Airflow's and its version; '' and '' for others."""
    for name in _candidates(module):
        if found := distributions.version(name, [module.folder]):
            return name, found
    return "", ""


def _candidates(module: Module) -> Iterator[str]:
    parts = module.name.split(".")
    if parts[:2] == ["airflow", "providers"]:
        for end in range(3, len(parts)):
            if module.folder.joinpath(*parts[:end], "get_provider_info.py").is_file():
                yield _PROVIDERS + "-".join(parts[2:end])
    elif parts[0] == "airflow":
        yield from ("apache-airflow-core", "apache-airflow")


def short(package: str) -> str:
    """A provider's name without what all of them begin with."""
    return package.removeprefix(_PROVIDERS)
