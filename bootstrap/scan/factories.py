"""DAG factories' YAML: operators and their connection ids as mappings, `operator: airflow.providers.….SomeOperator`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.scan.code.values import Call, Items, Site, Table, Value, known, unknown

_OPERATOR = ("operator", "sensor", "operator_class", "task_type")
_DEFAULTS = "default_args"
_DEEPEST = 40


def calls(text: str, file: str) -> list[Call]:
    """The operators that a YAML file names, as calls; none for YAML of another kind, or that can't be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.compose_all(text, Loader=loader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    return [call for document in documents if document is not None for call in _calls(document, file, {}, 0)]


def _calls(node: Any, file: str, defaults: Mapping[str, Value], depth: int) -> Iterator[Call]:
    """`node` is one of yaml's; PyYAML's types are untyped."""
    if depth > _DEEPEST:
        return
    if node.id == "sequence":
        for each in node.value:
            yield from _calls(each, file, defaults, depth + 1)
    if node.id != "mapping":
        return
    entries = {key.value: value for key, value in node.value if key.id == "scalar"}
    if _DEFAULTS in entries:
        defaults = {**defaults, **_words(entries[_DEFAULTS])}
    name = next((entries[key].value for key in _OPERATOR if key in entries and entries[key].id == "scalar"), None)
    if isinstance(name, str) and "." in name:
        site = Site(file, node.start_mark.line + 1)
        yield Call(name, site, keywords=_words(node), defaults=defaults, top_level=True)
    for value in entries.values():
        yield from _calls(value, file, defaults, depth + 1)


def _words(node: Any) -> dict[str, Value]:
    if node.id != "mapping":
        return {}
    return {str(key.value): _value(value, 0) for key, value in node.value if key.id == "scalar"}


def _value(node: Any, depth: int) -> Value:
    if depth > _DEEPEST:
        return unknown("…")
    if node.id == "sequence":
        return Value((Items(tuple(_value(each, depth + 1) for each in node.value)),))
    if node.id == "mapping":
        entries = tuple((key.value, _value(value, depth + 1)) for key, value in node.value if key.id == "scalar")
        return Value((Table(entries),))
    words = {"tag:yaml.org,2002:bool": node.value.lower() in ("true", "yes", "on"), "tag:yaml.org,2002:null": None}
    if node.tag == "tag:yaml.org,2002:int":
        return known(int(node.value)) if node.value.lstrip("-").isdigit() else known(node.value)
    return known(words.get(node.tag, node.value))
