"""Writes a manifest as people would, such that each value is read back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.convert.conversion import Conversion
from bootstrap.domain.reference import Reference
from bootstrap.util import yaml_document, yaml_text

NEW = {
    "version": 1,
    "airflow": {"home": ".airflow"},
    "stores": {"local": {"kind": "embedded"}},
    "backend": {"store": "local", "connections": "connections", "variables": "variables"},
}
_HEAD = """\
# Made by `airflow-bootstrap init` from {source}. It holds no secret: each {{secret: "STORE:PATH#FIELD"}} says where one is
# kept, `airflow-bootstrap store get` what is known of it. Next: airflow-bootstrap up
"""


class NotReadBack(RuntimeError):
    """What was written is not what it should be."""


def text(base: Mapping[str, Any], conversion: Conversion, source: str) -> str:
    """The whole file. `base` are the other sections, as plain data."""
    sections = {**base, "connections": conversion.connections, "variables": conversion.variables}
    kept = {name: value for name, value in sections.items() if value}
    made = "\n".join(
        [
            _HEAD.format(source=" ".join(source.split())),
            *(yaml_text.dump({key: kept[key]}, {Reference: _plain}) for key in kept),
        ]
    )
    if yaml_document.parse(made, Path("manifest")).data != _plain(kept):
        raise NotReadBack("the manifest would not be read as it is meant")
    return made


def _plain(node: Any) -> Any:
    """As it is read back."""
    if isinstance(node, Reference):
        return {"secret": str(node)}
    if isinstance(node, Mapping):
        return {key: _plain(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node
