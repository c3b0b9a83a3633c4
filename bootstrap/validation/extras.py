"""Keys of `extra` that the hook of a conn_type doesn't read, and that are nearly one that it reads.

A key that is like no other is none of our business: hooks hand on what they don't know, as options of libpq, as headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.providers.facts import Extras
from bootstrap.util.nearest import nearest
from bootstrap.validation.problem import Problem

_PREFIXED = re.compile(r"extra__(.+?)__(.+)")
_PASSED_ON = {  # what the hook hands on and doesn't name
    "postgres": frozenset(  # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, and psycopg's own
        {
            *("application_name", "channel_binding", "client_encoding", "connect_timeout", "connection_factory"),
            *("cursor_factory", "dbname", "fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host"),
            *("hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname"),
            *("load_balance_hosts", "options", "passfile", "password", "port", "replication", "require_auth"),
            *(
                "requirepeer",
                "service",
                "ssl_max_protocol_version",
                "ssl_min_protocol_version",
                "sslcert",
                "sslcertmode",
            ),
            *("sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation", "sslpassword"),
            *("sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user"),
        }
    ),
    "mysql": frozenset({"ssl_ca", "ssl_cert", "ssl_cipher", "ssl_disabled", "ssl_key", "ssl_verify_cert"})
    | {"ssl_verify_identity", "tls_versions"},
}


def problems(conn_type: str, extra: Mapping[str, Any], known: Extras) -> Iterator[Problem]:
    """Each key that is a misspelling of one that the hook reads."""
    read = known.keys | _PASSED_ON.get(conn_type, frozenset())
    for key in extra:
        bare = _bare(key)
        if bare in read or bare in known.words or bare == "__extra__":
            continue
        near = nearest(bare, read)
        if near is not None:
            message = f"the hook of {conn_type} doesn't read the key {key!r}"
            yield Problem(f"extra.{key}", message, f"did you mean {near!r}?")


def _bare(key: str) -> str:
    """Without the prefix of the old form: `extra__google_cloud_platform__project`."""
    found = _PREFIXED.fullmatch(key)
    return found[2] if found else key
