"""Writes a manifest as people would, such that each value is read back unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bootstrap.convert.conversion import Conversion
from bootstrap.domain.reference import Reference
from bootstrap.util import yaml_document

NEW = {
    "version": 1,
    "airflow": {"home": ".airflow"},
    "stores": {"local": {"kind": "embedded"}},
    "backend": {"store": "local", "connections": "connections", "variables": "variables"},
}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_BOOLEANS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # to some YAML readers, in any case
_SCALAR = "tag:yaml.org,2002:str"
_HEAD = """\
# Made by `airflow-bootstrap init` from {source}. It holds no secret: each {{secret: "STORE:PATH#FIELD"}} says where one is
# kept, `airflow-bootstrap store get` what is known of it. Next: airflow-bootstrap up
"""


class NotReadBack(RuntimeError):
    """What was written is not what it should be."""


class _Dumper(yaml.SafeDumper):
    """Quotes every text that is more than a word, and writes a reference on one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    plain = _WORD.fullmatch(value) and value.lower() not in _BOOLEANS
    return dumper.represent_scalar(_SCALAR, value, style=None if plain else '"')


def _reference(dumper: _Dumper, value: Reference) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", {"secret": str(value)}, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Reference, _reference)


def text(base: Mapping[str, Any], conversion: Conversion, source: str) -> str:
    """The whole file. `base` are the other sections, as plain data."""
    sections = {**base, "connections": conversion.connections, "variables": conversion.variables}
    kept = {name: value for name, value in sections.items() if value}
    made = "\n".join([_HEAD.format(source=" ".join(source.split())), *(_dumped({key: kept[key]}) for key in kept)])
    if yaml_document.parse(made, Path("manifest")).data != _plain(kept):
        raise NotReadBack("the manifest would not be read as it is meant")
    return made


def _dumped(section: Mapping[str, Any]) -> str:
    found: str = yaml.dump(
        dict(section), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=float("inf")
    )
    return found


def _plain(node: Any) -> Any:
    """As it is read back."""
    if isinstance(node, Reference):
        return {"secret": str(node)}
    if isinstance(node, Mapping):
        return {key: _plain(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node
