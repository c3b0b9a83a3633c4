"""Finds values that are almost never meant: surrounding blanks, an invalid port; in a host, what a hook that wants a name can't take.

Where a hook takes a URL (http, docker, spark, databricks, trino, …) only a password in it is a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bootstrap.domain.connection import Connection
from bootstrap.util.urls import is_here
from bootstrap.validation.problem import Problem

_FIELDS = ("conn_type", "host", "login", "password", "schema")
_PORTS = range(1, 65536)
# The hook hands the host to its client, or builds a URL around it.
NAMES = frozenset(
    {
        *("cassandra", "elasticsearch", "exasol", "ftp", "hive_metastore", "hiveserver2", "imap", "impala", "mongo"),
        *("mssql", "mysql", "neo4j", "postgres", "presto", "redis", "redshift", "samba", "sftp", "smtp", "ssh"),
        *("teradata", "vault", "vertica"),
    }
)
# Of these, a port in the host is right or harmless: lists of HOST:PORT, or a URL that is put together.
_PORT_ALLOWED = frozenset(
    {"cassandra", "elasticsearch", "exasol", "hive_metastore", "mongo", "mssql", "neo4j", "vault"}
)
# libpq's host may be the folder of a socket; vault's and Elasticsearch's URL may go on after the host.
_PATH_ALLOWED = frozenset({"elasticsearch", "mongo", "mssql", "postgres", "vault"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT = re.compile(r":\d+$")


def problems(connection: Connection) -> Iterator[Problem]:
    """Blanks, and ports."""
    values = {name: getattr(connection, name) for name in _FIELDS}
    values |= {f"extra.{key}": value for key, value in (connection.extra or {}).items() if _is_line(value)}
    for name, value in values.items():
        if value and (value.strip() or name != "host") and (said := blank(value)):
            yield Problem(name, said, "store it without")
    if connection.port is not None and connection.port not in _PORTS:
        yield Problem("port", "the port is not a number from 1 to 65535", "store a number", "error")


def blank(value: str) -> str:
    """What white space stands around a value, as a sentence; '' for none."""
    if value == value.strip():
        return ""
    end = "a line break" if value.endswith("\n") else "a blank"
    return f"{end} stands {'at its end' if value != value.rstrip() else 'before it'}"


def _is_line(value: object) -> bool:
    """A text of one line: PEMs and JSON documents may well end in a line break."""
    text = value.strip() if isinstance(value, str) else ""
    return bool(text) and "\n" not in text and not text.startswith("{")


def host(connection: Connection) -> Iterator[Problem]:
    """What is wrong with the host. It is never quoted: a password may be in it."""
    text = (connection.host or "").strip()
    if connection.host is not None and not text:
        yield Problem("host", "the host is empty", "leave it out, or name the host")
        return
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        password = ":" in authority.rpartition("@")[0]
        what = "a login and a password stand" if password else "a login stands"
        hint = "move them to `login` and `password`" if password else "move it to `login`"
        yield Problem("host", f"{what} in the host, which is shown in logs", hint)
    if connection.conn_type in NAMES:
        if scheme:
            message = f"{scheme[0]} stands in the host, and {connection.conn_type} takes a name alone"
            yield Problem("host", message, "leave out the scheme; set `port` for the port", "error")
        else:
            yield from _of_name(connection.conn_type, rest, authority.rpartition("@")[2])


def _of_name(conn_type: str, rest: str, authority: str) -> Iterator[Problem]:
    if conn_type not in _PORT_ALLOWED and any(_has_port(name) for name in authority.split(",")):
        yield Problem("host", f"a port stands in the host, which {conn_type} takes as part of its name", "set `port`")
    if conn_type not in _PATH_ALLOWED and "/" in rest:
        yield Problem("host", f"a path stands in the host, which {conn_type} takes as part of its name", "set `schema`")
    elif conn_type == "postgres" and "/" in rest[1:] and not rest.startswith(("/", "@")):
        yield Problem("host", "a path stands in the host: only a socket's folder begins with /", "set `schema`")


def _has_port(name: str) -> bool:
    """HOST:PORT, and no IPv6 address."""
    bare = name.rpartition("]")[2] if name.startswith("[") else name
    return bare.count(":") == 1 and _PORT.search(bare) is not None


def http(connection: Connection) -> Iterator[Problem]:
    """As HttpHook puts the URL together (`_set_base_url`): a host with a scheme stands alone, else `schema` is the scheme."""
    if connection.conn_type != "http":
        return
    host, schema = (connection.host or "").strip(), (connection.schema or "").strip().lower()
    within, separator, _ = host.partition("://")
    if schema and schema not in ("http", "https"):
        message = "the hook of http takes the schema for the URL's scheme, http or https"
        hint = "a path belongs in the host: https://HOST/PATH"
        yield Problem("schema", "the host has a scheme, so the schema is not read" if separator else message, hint)
    insecure = (within.lower() if separator else schema or "http") == "http"
    if insecure and connection.password and not is_here(host if separator else f"http://{host}"):
        hint = "schema: https, or https:// before the host, if the server has TLS"
        yield Problem("password", "it would be sent unencrypted: the URL begins with http://", hint)
