"""What no hook takes: a conn_type that nobody knows, and what of a connection its hook never reads or reads as something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bootstrap.domain.connection import Connection, likeliest
from bootstrap.providers import installed
from bootstrap.providers.facts import Extras, Known
from bootstrap.util import distributions
from bootstrap.util.nearest import nearest
from bootstrap.validation.problem import Problem

FORMER = {"s3": "aws"}  # conn_types of long ago that a hook still takes, as if they were the other one
_CLOSE = 0.7  # types are few and differ much
_OVER_TLS = {  # schemes of URLs that people take for conn_types: the nearest name alone would send the password in clear
    "https": "conn_type: http with schema: https, or as a URI http://LOGIN:PASSWORD@HOST/https; with http alone the"
    " password would travel in clear",
    "rediss": "conn_type: redis with extra: {ssl: true}; without it the password would travel in clear",
    "smtps": "conn_type: smtp: its hook uses TLS unless extra says disable_ssl",
    "imaps": "conn_type: imap: its hook uses TLS unless extra says use_ssl: false",
    "ftps": "conn_type: ftp, with FTPSHook; FTPHook sends the password in clear",
    "ldaps": "conn_type: ldap with the host ldaps://HOST",
    "amqps": "conn_type: generic, if your own code reads it",
}
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
    }
}
_PREFIXED = re.compile(r"extra__(.+?)__(.+)")  # the old form: extra__google_cloud_platform__project
_PASSED_ON = {  # what the hook hands on and doesn't name
    "postgres": frozenset(  # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, and psycopg's own
        {
            *("application_name", "channel_binding", "client_encoding", "connect_timeout", "connection_factory"),
            *("cursor_factory", "dbname", "fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host"),
            *("hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname"),
            *("load_balance_hosts", "options", "passfile", "password", "port", "replication", "require_auth"),
            *("requirepeer", "service", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert"),
            *("sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation"),
            *("sslpassword", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user"),
        }
    ),
    "mysql": frozenset({"ssl_ca", "ssl_cert", "ssl_cipher", "ssl_disabled", "ssl_key", "ssl_verify_cert"})
    | {"ssl_verify_identity", "tls_versions"},
}
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "1", "0", "none", "null", ""})
_TRUTHS: Mapping[str, frozenset[str]] = {  # read as they are, and declared nowhere; each in the hook of its conn_type
    "aws": frozenset({"use_ssl"}),
    "http": frozenset({"allow_redirects", "stream", "trust_env", "check_response"}),
    "imap": frozenset({"use_ssl"}),
    "mongo": frozenset({"srv", "ssl", "allow_insecure"}),
    "mysql": frozenset({"iam"}),
    "postgres": frozenset({"iam", "redshift"}),
    "redshift": frozenset({"iam", "is_serverless"}),
}
_PARSED: Mapping[str, frozenset[str]] = {  # declared as true or false, and the hook reads a text of it as people do
    "docker": frozenset({"reauth"}),
    "gcp_looker": frozenset({"verify_ssl"}),
    "http": frozenset({"srv_lookup"}),
    "spark_connect": frozenset({"use_ssl"}),
    "vault": frozenset({"use_tls"}),
}
_OR_A_PATH: Mapping[str, frozenset[str]] = {  # boto3's and requests' `verify`
    "aws": frozenset({"verify"}),
    "http": frozenset({"verify", "verify_ssl"}),
}


def unknown(conn_type: str, known: Known) -> Iterator[Problem]:
    """A type that nobody knows, or whose provider isn't installed beside this tool."""
    if known.has(conn_type):
        return
    package, strict = known.package(conn_type), known.airflow and known.complete
    message = f"no provider has the conn_type {conn_type!r}"
    if conn_type in FORMER:
        yield Problem("conn_type", f"{message} any more", f"conn_type: {FORMER[conn_type]}", strict=strict)
    elif package is None and conn_type in _OVER_TLS:
        message = f"{message}: the scheme of a connection's URI is its type"
        yield Problem("conn_type", message, _OVER_TLS[conn_type], strict=strict)
    elif package is None:
        types = {*known.types, *installed.conn_types()}
        meant = likeliest(conn_type)
        near = meant if meant in types else nearest(conn_type, types, _CLOSE)
        hint = f"did you mean {near!r}?" if near else "conn_type: generic, if your own code reads it"
        yield Problem("conn_type", message, hint, strict=strict)
    elif known.airflow:
        message = f"the conn_type {conn_type!r} comes with {package}, which is not installed"
        yield Problem("conn_type", message, install_command([package]), strict=known.complete)


def install_command(packages: Iterable[str]) -> str:
    """`pip install` for all of them. Airflow is pinned to the version that is there: pip then takes providers that fit it."""
    named, pin = sorted(set(packages)), []
    if any(name.startswith("apache-airflow") for name in named):
        versions = ((name, distributions.version(name)) for name in ("apache-airflow", "apache-airflow-core"))
        pin = [f'"{name}=={version}"' for name, version in versions if version is not None][:1]
    return " ".join(["pip install", *pin, *named])


def ignored(connection: Connection, known: Extras) -> Iterator[Problem]:
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


def misspelt(conn_type: str, extra: Mapping[str, Any], known: Extras) -> Iterator[Problem]:
    """Each key that is a misspelling of one that the hook reads.

    A key that is like no other is none of our business: hooks hand on what they don't know, as options of libpq, as headers.
    """
    read = known.keys | _PASSED_ON.get(conn_type, frozenset())
    for key in extra:
        prefixed = _PREFIXED.fullmatch(key)
        bare = prefixed[2] if prefixed else key
        if bare in read or bare in known.words or bare == "__extra__":
            continue
        near = nearest(bare, read)
        if near is not None:
            message = f"the hook of {conn_type} doesn't read the key {key!r}"
            yield Problem(f"extra.{key}", message, f"did you mean {near!r}?")


def booleans(conn_type: str, extra: Mapping[str, Any], known: Extras) -> Iterator[Problem]:
    """Each key with a text where the hook wants true or false: to Python any text is true, `"False"` as well."""
    name = FORMER.get(conn_type, conn_type)
    truths = (known.booleans - _PARSED.get(name, frozenset())) | _TRUTHS.get(name, frozenset())
    for key, value in extra.items():
        bare = key.rpartition("__")[2] if key.startswith("extra__") else key
        if not isinstance(value, str):
            continue
        if bare in truths:
            message = f"a text, where the hook of {name} takes true or false: any text but an empty one is true to it"
            yield Problem(f"extra.{key}", message, "write true or false, without quotes")
        elif bare in _OR_A_PATH.get(name, frozenset()) and value.strip().lower() in _WORDS:
            message = f"a text, which the hook of {name} takes for the path of a CA bundle"
            yield Problem(f"extra.{key}", message, "write true or false, without quotes")
