"""The installed providers' connection types, read from their `get_provider_info.py` and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.providers.python_source import Sources, UnreadableModule

CORE = {  # Airflow's own (ProvidersManager._init_airflow_core_hooks); the last two moved to the standard provider in 3.0
    "generic": "",
    "email": "",
    "fs": "airflow.hooks.filesystem.FSHook",
    "package_index": "airflow.hooks.package_index.PackageIndexHook",
}
_GROUP = "[apache_airflow_provider]"
_INFO = "airflow.providers_manager"


@dataclass(frozen=True)
class Declared:
    """What a provider says of a conn_type: its hook, the extra's fields, those that its form hides, and which are passwords
    or take true or false.

    `package` is the distribution; `home` the provider's own Python package.
    """

    package: str
    hook: str = ""
    home: str = ""
    fields: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    passwords: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Installed:
    """All conn_types; `complete` unless a provider makes its list in a way that can't be read. `files` were read."""

    types: Mapping[str, Declared]
    complete: bool
    files: tuple[str, ...]


def installed(folders: Sequence[str]) -> Installed:
    """The conn_types of the distributions in these folders, and Airflow's own where Airflow is among them."""
    sources = Sources(folders)
    types = dict(_core(sources))
    complete = True
    for package, module in _entry_points(folders):
        found = _types(sources, module)
        complete &= found is not None
        for row in found or ():
            types.setdefault(str(row.get("connection-type")), _declared(package, module, row))
    return Installed(types, complete, tuple(map(str, sources.files)))


def _core(sources: Sources) -> Iterator[tuple[str, Declared]]:
    if not _is_there(sources, _INFO):
        return
    for conn_type, hook in CORE.items():
        if not hook or _is_there(sources, hook.rpartition(".")[0]):
            yield conn_type, Declared("apache-airflow", hook, "airflow.hooks")


def _is_there(sources: Sources, module: str) -> bool:
    path = Path(*module.split(".")).with_suffix(".py")
    return any((folder / path).is_file() for folder in sources.folders)


def _entry_points(folders: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each provider's distribution and the module of its `get_provider_info`; the first of a name counts."""
    seen = set()
    for folder in folders:
        for file in sorted(Path(folder or ".").glob("*.dist-info/entry_points.txt")):
            package = file.parent.name.partition("-")[0].replace("_", "-").lower()
            if package not in seen and (module := _in_group(file.read_text(encoding="utf-8"))):
                yield package, module
            seen.add(package)


def _in_group(text: str) -> str:
    lines = iter(text.splitlines())
    if not any(line.strip() == _GROUP for line in lines):
        return ""
    value = next((line.partition("=")[2] for line in lines if "=" in line), "")
    return value.partition(":")[0].strip()


def _types(sources: Sources, name: str) -> list[Mapping[str, Any]] | None:
    """The rows of a provider's `connection-types`; None where they can't be read."""
    try:
        module = sources.module(name)
        rows = literal(module.tree, "connection-types") if module else None
    except (UnreadableModule, ValueError):
        return None
    if rows is None:
        return None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def literal(tree: ast.AST, wanted: str) -> Any:
    """The value of a key, wherever it stands; [] where there is no such key. Raises ValueError for what isn't a literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == wanted:
                    return ast.literal_eval(value)
    return []


def _declared(package: str, module: str, row: Mapping[str, Any]) -> Declared:
    behaviour = row.get("ui-field-behaviour")
    hidden = behaviour.get("hidden-fields") if isinstance(behaviour, Mapping) else None
    fields = row.get("conn-fields") or {}
    make = partial(Declared, package, str(row.get("hook-class-name") or ""), module.rpartition(".")[0])
    schemas = dict(_schemas(fields))
    passwords = (name for name, schema in schemas.items() if schema.get("format") == "password")
    booleans = (name for name, schema in schemas.items() if "boolean" in (schema.get("type") or ()))  # one, or a list
    return make(tuple(fields), tuple(hidden or ()), tuple(passwords), tuple(booleans))


def _schemas(fields: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, said in fields.items() if isinstance(fields, Mapping) else ():
        schema = said.get("schema") if isinstance(said, Mapping) else None
        if isinstance(schema, Mapping):
            yield str(name), schema
