"""Checks the address of an HTTP connection as its hook puts it together."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.domain.connection import Connection
from bootstrap.util.loopback import is_here
from bootstrap.validation.problem import Problem

_SCHEMES = ("http", "https")


def problems(connection: Connection) -> Iterator[Problem]:
    """As HttpHook puts the URL together (`_set_base_url`): a host with a scheme stands alone, else `schema` is the scheme."""
    if connection.conn_type != "http":
        return
    host, schema = (connection.host or "").strip(), (connection.schema or "").strip().lower()
    within, separator, _ = host.partition("://")
    if schema and schema not in _SCHEMES:
        message = "the hook of http takes the schema for the URL's scheme, http or https"
        hint = "a path belongs in the host: https://HOST/PATH"
        yield Problem("schema", "the host has a scheme, so the schema is not read" if separator else message, hint)
    if (within.lower() if separator else schema or "http") == "http" and connection.password and not _is_here(host):
        hint = "schema: https, or https:// before the host, if the server has TLS"
        yield Problem("password", "it would be sent unencrypted: the URL begins with http://", hint)


def _is_here(host: str) -> bool:
    return is_here(host if "://" in host else f"http://{host}")
