"""Connections and variables in a list: as the REST API, `airflow connections list` or a person writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.domain.connection import FIELDS
from bootstrap.errors import Malformed, UsageError
from bootstrap.util.nearest import nearest

_NAMES = {  # other words for a field: the UI's, the REST API's, the Astro CLI's; as _plain has them
    **{name: name for name in (*FIELDS, "uri", "conn_uri", "conn_id", "extra_dejson")},
    **{f"conn_{name}": name for name in FIELDS if name != "conn_type"},
    "connection_id": "conn_id",
    "connection_type": "conn_type",
    "extras": "extra",
    "extra_fields_json": "extra",
    "connection_uri": "conn_uri",
}
_TOLD_BY_AIRFLOW = {"id", "is_encrypted", "is_extra_encrypted", "get_uri", "team_name", "connection_test_result"}
_IN_LIST = ("connections", "variables")


def named(data: Any, name: str) -> dict[str, dict[str, Any]]:
    """The entries of each kind, by their names, where data is lists of them; {} where it is something else.

    Raises UsageError for entries without a name, and for those that only name what there is.
    """
    if isinstance(data, Mapping) and set(data) <= {*_IN_LIST, "total_entries"} and any(map(_is_list, data.values())):
        return {kind: _by_name(data[kind], name) for kind in _IN_LIST if _is_list(data.get(kind))}
    if _is_list(data):
        kind = "variables" if all("key" in map(plain, item) for item in data) else "connections"
        return {kind: _by_name(data, name)}
    if isinstance(data, Mapping) and is_entry(data):
        return {"connections": _by_name([data], name)}
    return {}


def is_entry(value: object) -> bool:
    """True for one connection: its keys are names of fields, in some spelling, and their values are not mappings."""
    if not isinstance(value, Mapping) or not value:
        return False
    keys = {_NAMES.get(plain(key)) for key in value}
    return "conn_type" in keys and not any(
        isinstance(item, Mapping) for key, item in value.items() if "extra" not in plain(key)
    )


def fields(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A connection's fields by Airflow's names for them, and whatever else stands there. Raises Malformed."""
    made: dict[str, Any] = {}
    for key, value in entry.items():
        if plain(key) in _TOLD_BY_AIRFLOW:
            continue
        name = _NAMES.get(plain(key))
        if name is None:
            near = nearest(plain(key), _NAMES)
            raise Malformed(
                f"{where}: no field of a connection: {key!r}", f"did you mean {near!r}?" if near else "leave it out"
            )
        if made.get(name) not in (None, "") and value not in (None, ""):
            raise Malformed(f"{where}: {name} appears twice", "keep one of them")
        made[name] = value if name not in made or value not in (None, "") else made[name]
    return made


def plain(key: object) -> str:
    """`Connection Id`, `connection-id` and `connectionId` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key).strip())
    return re.sub(r"[\s_-]+", "_", spaced).lower()


def _is_list(data: object) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(item, Mapping) for item in data)


def _by_name(entries: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        by_word = {_NAMES.get(plain(key), plain(key)): key for key in entry}
        word = by_word.get("conn_id") or by_word.get("key")
        if word is None or not isinstance(entry[word], str) or not entry[word]:
            looks = (
                "one connection without a name"
                if len(entries) == 1
                else f"connections, and number {index + 1} has no conn_id"
            )
            raise UsageError(f"{name} looks like {looks}", 'name it: {"NAME": {"conn_type": …}}')
        if set(by_word) <= {"conn_id", "conn_type", "key", "id"}:
            raise UsageError(
                f"{name} is a listing, as `airflow connections list` and `airflow variables list` print: it lacks fields",
                "airflow connections export connections.json; airflow variables export variables.json",
            )
        if entry[word] in found:
            raise UsageError(f"{name}: {entry[word]} appears twice", "keep one of them")
        found[entry[word]] = {key: item for key, item in entry.items() if key != word}
    return found
