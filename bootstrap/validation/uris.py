"""Finds unescaped special characters in a connection's URI, which Airflow reads differently than the author meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection
from bootstrap.manifest.loader import Manifest
from bootstrap.stores.base import pick_field
from bootstrap.stores.structured import json_object
from bootstrap.validation.problem import Problem
from bootstrap.validation.values import NAMES

_HINT = "store the connection as JSON, or percent-encode what is special in the password: @ %40, / %2F, # %23, ? %3F, % %25, [ %5B"
_UNESCAPED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BRACKET = re.compile(r"[\[\]]")
_ENDS = re.compile(r"[/?#]")
_NESTED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def problems(text: str) -> Iterator[Problem]:
    """Of the text of a URI. Nothing of it is quoted."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme.startswith("{"):
        return
    nested = _NESTED.match(rest)
    inner = rest[nested.end() :] if nested else rest
    end = _ENDS.search(inner)
    authority, after = (inner[: end.start()], inner[end.start() :]) if end else (inner, "")
    if _cuts_a_password(scheme.lower(), authority, after):
        yield Problem("uri", f"{after[0]} in the password ends it: what follows is read as something else", _HINT)
    elif "#" in after:
        yield Problem("uri", "what follows the # in the URI is dropped", _HINT)
    login = authority.rpartition("@")[0]
    if _UNESCAPED.search(login):
        yield Problem("uri", "a % in the login or password that escapes nothing", _HINT)
    if _BRACKET.search(login):
        message = (
            "a bracket in the login or password: whether Airflow reads the URI depends on the release of its Python"
        )
        yield Problem("uri", message, _HINT)


def _cuts_a_password(scheme: str, authority: str, after: str) -> bool:
    """True if an @ stands further on, and what is before is no HOST:PORT."""
    _, colon, password = authority.partition(":")
    if not colon or "@" in authority or "@" not in after:
        return False
    if not password.isdigit():
        return True
    before = after.partition("@")[0]
    return scheme.replace("-", "_") in NAMES and "=" not in before  # else the @ is in a query: db:5432/x?options=a@b


def signs(connection: Connection) -> Iterator[Problem]:
    """What a URI that was read wrongly leaves behind, where its text is not at hand."""
    misplaced = "an @ stands in it, as when a password with an unescaped / was read as part of a URI"
    if connection.conn_type in NAMES and "@" in (connection.schema or ""):
        yield Problem("schema", misplaced, _HINT)
    if any("@" in key for key in connection.extra or {}):
        yield Problem(
            "extra", "a key with an @ in it: a password with an unescaped ? was probably read as a URI", _HINT
        )


def stored(manifest: Manifest, secrets: SecretReader, conn_ids: Iterable[str]) -> dict[str, str]:
    """The text of each connection that a store keeps as a URI; of those that could be resolved. Raises StoreError."""
    found = {}
    for conn_id in conn_ids:
        reference = manifest.connections[conn_id].from_
        if reference is not None:
            text = pick_field(secrets.found(reference), str(reference), reference.field).unmasked()
            document = json_object(text)
            uri = text if document is None else document.get("conn_uri") or document.get("uri")
            if isinstance(uri, str):
                found[conn_id] = uri
    return found
