"""Finds fields that are set and that the hook never reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bootstrap.domain.connection import Connection
from bootstrap.providers.facts import Extras
from bootstrap.validation.conn_types import FORMER
from bootstrap.validation.problem import Problem

_FIELDS = ("host", "login", "password", "schema", "port")
_NEVER: Mapping[str, frozenset[str]] = {  # what the form shows all the same, or the source reads and does nothing with
    "aws": frozenset({"host", "schema", "port"}),  # airflow/providers/amazon/aws/utils/connection_wrapper.py
    "athena": frozenset({"host", "port"}),  # the base of all hooks of databases reads them, and these two never ask it
    "gcpbigquery": frozenset({"host", "login", "password", "schema", "port"}),
    "sqlite": frozenset({"login", "password", "schema", "port"}),  # airflow/providers/sqlite/hooks/sqlite.py
}
_ENDPOINT = (
    "an endpoint belongs in extra: endpoint_url: https://HOST:PORT, or for one service service_config:"
    " {s3: {endpoint_url: …}}; without it the keys go to amazonaws.com"
)
_INSTEAD = {("aws", "host"): _ENDPOINT, ("aws", "port"): _ENDPOINT, ("sqlite", "schema"): "host is the database's file"}
_KEYS: Mapping[str, Mapping[str, str]] = {  # of the extra: what people write, and releases of long ago read
    "aws": {
        "host": _ENDPOINT,
        "port": _ENDPOINT,
        "endpoint": _ENDPOINT,
        "region": "write region_name",
        "aws_account_id": "write role_arn",
        "aws_iam_role": "write role_arn",
        "external_id": "write assume_role_kwargs: {ExternalId: …}",
    },
}


def problems(connection: Connection, known: Extras) -> Iterator[Problem]:
    """Each such field, and where its value belongs. None is quoted."""
    conn_type = FORMER.get(connection.conn_type, connection.conn_type)
    never = known.ignored | _NEVER.get(conn_type, frozenset())
    for name in _FIELDS:
        if name in never and getattr(connection, name) not in {None, ""}:
            hint = _INSTEAD.get((conn_type, name), "leave it out")
            yield Problem(name, f"the hook of {conn_type} takes no {name}", hint)
    for key, hint in _KEYS.get(conn_type, {}).items():
        if key in (connection.extra or {}):
            yield Problem(f"extra.{key}", f"the hook of {conn_type} doesn't read the key {key!r}", hint)
