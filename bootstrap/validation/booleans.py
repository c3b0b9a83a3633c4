"""Texts where a hook wants true or false: to Python any text is true, `"False"` as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.providers.facts import Extras
from bootstrap.validation.conn_types import FORMER
from bootstrap.validation.problem import Problem

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


def problems(conn_type: str, extra: Mapping[str, Any], known: Extras) -> Iterator[Problem]:
    """Each key of the extra that holds such a text."""
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
