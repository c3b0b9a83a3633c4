"""YAML, written so that every reader of it sees texts where there are texts: 1.1 and 1.2 differ in what is a number or a yes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

WORDS = {"y", "yes", "n", "no", "on", "off", "true", "false", "null"}  # no texts, to some readers, in any case
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def dump(document: Any, as_mappings: Mapping[type, Callable[[Any], Any]] = MappingProxyType({})) -> str:
    """In the order that is given; what is more than a word in quotes: base64 can look like 1234e567.

    Objects of these types are written on one line, as the mappings that the functions make of them.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: object) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> yaml.Node:
        plain = _PLAIN.fullmatch(value) and value.lower() not in WORDS
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')

    def one_line(dumper: Dumper, value: Any) -> yaml.Node:
        return dumper.represent_mapping("tag:yaml.org,2002:map", as_mappings[type(value)](value), flow_style=True)

    Dumper.add_representer(str, text)
    for kind in as_mappings:
        Dumper.add_representer(kind, one_line)
    return yaml.dump(
        document, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=math.inf
    )


def quoted(value: str) -> str:
    """The text in quotes, on one line."""
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    import yaml

    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf).rstrip("\n")
