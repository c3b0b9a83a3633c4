"""The signatures of Airflow's secrets backends, as they are installed, or else as the table knows that is shipped.

`make schema` generates the table anew; a class that isn't installed there keeps its row.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any

from bootstrap.providers.metadata import literal
from bootstrap.providers.python_source import Definition, Module, Sources
from bootstrap.render.backend_kwargs.annotations import Parameter
from bootstrap.render.backend_kwargs.rules import RULES
from bootstrap.render.backend_kwargs.signature import Reader, Signature
from bootstrap.util import distributions
from bootstrap.util.templates import folder_of

NAME = "backends.json"
_PROVIDERS = "apache-airflow-providers-"
_CORE = ("apache-airflow-core", "apache-airflow")
_READ_AT = {name: rules.read_at for name, rules in RULES.items() if rules.read_at}


@dataclass(frozen=True)
class Backend:
    """A secrets backend's class. `package` is '' for one that belongs to no package of Airflow's.

    `rules` is the class that backend_rules has a row for: itself or one that it is derived from, or ''.
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
    return {name: _from_row(name, row) for name, row in rows.items()}


def generated(more: Sequence[str] = ()) -> str:
    """The table as JSON: of what is installed, and of what lies in `more` folders; the rest as it is."""
    sources = Sources([*more, *sys.path])
    rows = {name: _as_row(backend) for name, backend in shipped().items()}
    for name in sorted({*RULES, *rows, *_declared(sources)}):
        module, _, title = name.rpartition(".")
        found = sources.module(module)
        definition = sources.find(found, title) if found else None
        if definition is not None:
            rows[name] = _as_row(installed(definition, sources))
    return _one_line_each(dict(sorted(rows.items())))


def _declared(sources: Sources) -> Iterator[str]:
    """The secrets backends that Airflow's providers say they have."""
    for folder in sources.folders:
        for depth in ("*", "*/*"):
            for file in sorted(folder.glob(f"airflow/providers/{depth}/get_provider_info.py")):
                yield from literal(ast.parse(file.read_bytes()), "secrets-backends")


def _package(module: Module) -> tuple[str, str]:
    """The distribution of a module of Airflow's and its version; '' and '' for others."""
    for name in _candidates(module):
        found = distributions.version(name, [module.folder])
        if found is not None:
            return name, found
    return "", ""


def _candidates(module: Module) -> Iterator[str]:
    parts = module.name.split(".")
    if parts[:2] == ["airflow", "providers"]:
        for end in range(3, len(parts)):
            if module.folder.joinpath(*parts[:end], "get_provider_info.py").is_file():
                yield _PROVIDERS + "-".join(parts[2:end])
    elif parts[0] == "airflow":
        yield from _CORE


def short(package: str) -> str:
    """A provider's name without what all of them begin with."""
    return package.removeprefix(_PROVIDERS)


def _one_line_each(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with a line for each parameter, which makes for readable differences."""
    texts = []
    for name, row in rows.items():
        parameters = (f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in row["parameters"].items())
        head = "".join(
            f"  {json.dumps(key)}: {json.dumps(row[key])},\n" for key in ("package", "version", "open", "strict")
        )
        lines = ",\n".join(parameters)
        texts.append(f' {json.dumps(name)}: {{\n{head}  "parameters": {{\n{lines}\n  }}\n }}')
    return "{\n" + ",\n".join(texts) + "\n}\n"


def _as_row(backend: Backend) -> dict[str, Any]:
    parameters = backend.signature.parameters.items()
    return {
        "package": backend.package,
        "version": backend.version,
        "open": backend.signature.open,
        "strict": backend.signature.strict,
        "parameters": {name: _without_defaults(parameter) for name, parameter in parameters},
    }


def _without_defaults(parameter: Parameter) -> dict[str, Any]:
    values = {item.name: (getattr(parameter, item.name), item.default) for item in fields(parameter)}
    kept = {name: value for name, (value, usual) in values.items() if value != usual or usual is MISSING}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def _from_row(name: str, row: Mapping[str, Any]) -> Backend:
    parameters = {
        key: Parameter(**{k: _frozen(v) for k, v in given.items()}) for key, given in row["parameters"].items()
    }
    signature = Signature(parameters, row["open"], row["strict"])
    return Backend(name, row["package"], row["version"], signature, name if name in RULES else "")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
