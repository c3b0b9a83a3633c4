"""Looks at resolved connections before they are written anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bootstrap.domain.connection import Connection
from bootstrap.providers.facts import UNREGISTERED, Extras, Known, known
from bootstrap.validation import google, hooks, keys, uris, values
from bootstrap.validation.problem import Problem


def check(
    resolved: Mapping[str, Connection], cache: Path, uri_texts: Mapping[str, str] | None = None
) -> Mapping[str, tuple[Problem, ...]]:
    """The problems of each connection, none for most; what the providers know is kept in the folder `cache`, which exists.

    `uri_texts`: of those that a store keeps as a URI, its text: only there it can be seen that a password wasn't escaped.
    """
    facts = known({connection.conn_type for connection in resolved.values()}, cache)
    texts = uri_texts or {}
    return {
        conn_id: tuple(problems(connection, facts, texts.get(conn_id, ""))) for conn_id, connection in resolved.items()
    }


def problems(connection: Connection, known: Known, uri_text: str = "") -> Iterator[Problem]:
    """What is wrong with one connection. No message holds a secret."""
    extras = known.extras.get(UNREGISTERED.get(connection.conn_type, connection.conn_type), Extras())
    extra = connection.extra or {}
    yield from hooks.unknown(connection.conn_type, known)
    yield from values.problems(connection)
    yield from hooks.ignored(connection, extras)
    yield from values.host(connection)
    yield from values.http(connection)
    yield from uris.problems(uri_text) if uri_text else uris.signs(connection)
    yield from hooks.misspelt(connection.conn_type, extra, extras)
    yield from hooks.booleans(connection.conn_type, extra, extras)
    yield from google.problems(connection.conn_type, extra)
    yield from keys.problems(connection)
