"""Sources that are JSON or YAML: what `airflow connections export` and `airflow variables export` write."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bootstrap import connection
from bootstrap.connection import Connection
from bootstrap.convert.found import Found
from bootstrap.errors import Malformed, UsageError
from bootstrap.input_text import BadInput
from bootstrap.json_text import loads_file
from bootstrap.yaml_data import load
from bootstrap.yaml_dialects import YAML_1_1, Dialect


def loaded(text: str, name: str, dialect: Dialect = YAML_1_1) -> Any:
    """The data of a JSON or YAML text, as the program reads it whose it is. Raises UsageError, which quotes none of it."""
    try:
        return loads_file(text) if text.lstrip().startswith("{") else load(text, dialect)
    except BadInput as err:
        raise UsageError(err.at(name), err.hint or "export it again") from err


def mapping(data: Any, name: str) -> Mapping[str, Any]:
    """What an export is. Raises UsageError."""
    if not isinstance(data, Mapping):
        raise UsageError(f"{name}: expected a mapping of names to connections or variables", "check what it is")
    return data


def is_connection(value: object) -> bool:
    """Whether it can be nothing but a connection as Airflow exports one."""
    return isinstance(value, Mapping) and bool({"conn_type", "conn_uri", "uri"} & set(value))


def connections(data: Any, name: str) -> Found:
    """Each by its conn_id: fields, or a URI, or JSON text."""
    found = Found()
    for conn_id, value in mapping(data, name).items():
        where = f"{name}: {conn_id}"
        found.add_connection(conn_id, where, partial(_connection, conn_id, value, where))
    return found


def _connection(conn_id: str, value: object, where: str) -> Connection:
    if isinstance(value, list) and len(value) == 1:  # so Airflow's files for LocalFilesystemBackend may have it
        value = value[0]
    if isinstance(value, str):
        return connection.from_text(value, where)
    if not isinstance(value, Mapping):
        raise Malformed(f"{where}: neither a connection's fields nor a URI", "export it again")
    fields = dict(value)
    if fields.get("conn_id") == conn_id:
        del fields["conn_id"]
    if "extra_dejson" in fields and "extra" not in fields:
        fields["extra"] = fields.pop("extra_dejson")
    return connection.from_fields(fields, where)


def variables(data: Any, name: str) -> Found:
    """Each by its key; `{"value": …, "description": …}` is Airflow's way to export a description, too."""
    found = Found()
    for key, value in mapping(data, name).items():
        described = isinstance(value, Mapping) and "value" in value
        if described and value.get("description"):
            found.notes.append(f"{name}: the description of variable {key} is left out")
        found.add_variable(key, f"{name}: {key}", value["value"] if described else value)
    return found
