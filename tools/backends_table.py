"""templates/backends.json: the signatures of the secrets backends that Airflow and its providers bring."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from bootstrap.providers.metadata import literal
from bootstrap.providers.python_source import Sources
from bootstrap.render.backend_kwargs import signature_table
from bootstrap.render.backend_kwargs.annotations import Parameter
from bootstrap.render.backend_kwargs.rules import RULES


def generated(more: Sequence[str] = ()) -> str:
    """The table as JSON: of what is installed, and of what lies in `more` folders; a class that is in neither keeps its row."""
    sources = Sources([*more, *sys.path])
    rows = {name: _as_row(backend) for name, backend in signature_table.shipped().items()}
    for name in sorted({*RULES, *rows, *_declared(sources)}):
        module, _, title = name.rpartition(".")
        found = sources.module(module)
        definition = sources.find(found, title) if found else None
        if definition is not None:
            rows[name] = _as_row(signature_table.installed(definition, sources))
    return _one_line_each(dict(sorted(rows.items())))


def _declared(sources: Sources) -> Iterator[str]:
    """The secrets backends that Airflow's providers say they have."""
    for folder in sources.folders:
        for depth in ("*", "*/*"):
            for file in sorted(folder.glob(f"airflow/providers/{depth}/get_provider_info.py")):
                yield from literal(ast.parse(file.read_bytes()), "secrets-backends")


def _as_row(backend: signature_table.Backend) -> dict[str, Any]:
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
