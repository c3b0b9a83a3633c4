"""Terraform's language: values as literals, whatever is in them. github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_ESCAPE = re.compile(r"\\.")
_OTHERWISE = {"\\b": "\\u0008", "\\f": "\\u000c"}


class Expression(str):
    """Terraform's own words, which aren't quoted: `local.member`."""

    __slots__ = ()


def literal(value: object, indent: int = 0) -> str:
    """Text, a list or an object."""
    pad = "  " * (indent + 1)
    match value:
        case Expression():
            return str(value)
        case str():
            return quoted(value)
        case Mapping():
            rows = "".join(f"{pad}{quoted(str(key))} = {literal(each, indent + 1)}\n" for key, each in value.items())
            return f"{{\n{rows}{'  ' * indent}}}"
        case list() | tuple():
            if all(isinstance(each, str) for each in value):
                return f"[{', '.join(literal(each, indent) for each in value)}]"
            rows = "".join(f"{pad}{literal(each, indent + 1)},\n" for each in value)
            return f"[\n{rows}{'  ' * indent}]"
    return json.dumps(value)


def quoted(text: str) -> str:
    """A string: neither a quote nor the opening of a template ends it. HCL knows fewer escapes than JSON."""
    escaped = _ESCAPE.sub(lambda found: _OTHERWISE.get(found[0], found[0]), json.dumps(text, ensure_ascii=False))
    return escaped.replace("${", "\\u0024{").replace("%{", "\\u0025{")


def block(kind: str, label: str, arguments: Iterable[tuple[str, object]]) -> str:
    """A resource."""
    rows = "".join(f"  {name} = {literal(value, 1)}\n" for name, value in arguments)
    return f'resource "{kind}" "{label}" {{\n{rows}}}\n'
