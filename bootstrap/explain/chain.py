"""Walks the chains that Airflow walks, the server's and a worker's, and describes each source without a value.

For use inside Airflow's processes. What it returns is plain JSON data.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timezone
from typing import Any

from bootstrap.airflow import compat
from bootstrap.domain import connection
from bootstrap.domain.secret import fingerprint
from bootstrap.explain import backends
from bootstrap.explain.sources import ENVIRONMENT, PLAIN, Answer, ask, is_store_wide, source_name
from bootstrap.providers.installed import package_for
from bootstrap.stores.airflow_look import Query
from bootstrap.util.json_text import loads

_BLANK = ("", None)
_FIELDS = ("host", "login", "password", "schema", "port")
_TYPES = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}


@dataclass
class Source:
    """A source of a chain. `store`: its name in the manifest; `section`: of airflow.cfg, where that names it."""

    backend: Any
    section: str = ""
    store: str = ""
    silent: Answer | None = None  # what came of it when its store was out of reach

    def ask(self, query: Query) -> Answer:
        """Ask it; not again once its store was out of reach: each try may take a minute."""
        answer = self.silent or ask(self.backend, query)
        if is_store_wide(answer):
            self.silent = answer
        return answer

    def describe(self, query: Query) -> dict[str, Any]:
        """What it is, and what it asks for."""
        kind = type(self.backend)
        name = source_name(self.backend)
        described: dict[str, Any] = {"source": name, "asks": self._asks(name, query)}
        if name == "backend":
            described |= {"class": f"{kind.__module__}.{kind.__qualname__}", "section": self.section}
            described |= {"store": self.store} if self.store else {}
        return described

    def _asks(self, name: str, query: Query) -> list[str] | None:
        if name == "environment":
            plain = ENVIRONMENT[query.kind]
            prefixes = [f"{plain}_{query.team.upper()}___", plain] if query.team else [plain]
            return [f"{prefix}{query.key.upper()}" for prefix in prefixes]
        if name == "database":
            return [f"table {query.kind}"]
        return backends.names(self.backend, query) if name == "backend" else []


@dataclass(frozen=True)
class Walk:
    """One chain's answers. `winner`: the place of the source that Airflow takes; None for none."""

    sources: Sequence[Mapping[str, Any]]
    answers: Sequence[Answer]
    winner: int | None
    origin: Mapping[str, Any] = field(default_factory=dict)  # of the Execution API's: the server's source

    @property
    def value(self) -> Any:
        """What Airflow gets."""
        return None if self.winner is None else self.answers[self.winner].value

    def as_json(self, kind: str) -> dict[str, Any]:
        """Without a value."""
        rows = [self._row(index, kind) for index in range(len(self.sources))]
        return {"sources": rows, "winner": None if self.winner is None else self.sources[self.winner]["source"]}

    def _row(self, index: int, kind: str) -> dict[str, Any]:
        answer = self.answers[index]
        shadowed = answer.state == "hit" and index != self.winner
        row = {**self.sources[index], "state": "shadowed" if shadowed else answer.state}
        row |= {"detail": answer.detail} if answer.detail else {}
        row |= {"stops": True} if answer.stops else {}
        if answer.state == "hit":
            row |= _contents(answer.value, kind)
            if shadowed and self.winner is not None:
                row["differs"] = differing(answer.value, self.value, kind)
        if answer.look is not None:
            row |= {"version": answer.look.version} if answer.look.version else {}
            if created := answer.look.created:
                row |= {"created": created.astimezone(timezone.utc).isoformat(timespec="seconds")}
            row |= {"found_at": answer.look.name}
        if row["source"] == "execution_api" and self.origin:
            row["origin"] = dict(self.origin)
        return row


def walk(chain: Sequence[Source], query: Query) -> Walk:
    """Ask every source, also those after the first that has it: what they hold is never used, and may differ."""
    answers = [source.ask(query) for source in chain]
    return Walk([source.describe(query) for source in chain], answers, _winner(answers))


def walk_worker(chain: Sequence[Source], query: Query, server: Walk | None) -> Walk:
    """A worker's own sources, then the Execution API, which asks the server's.

    A worker asks its own sources without a team: only the API server knows which team a task is of.
    """
    own = replace(query, team=None)
    walked = walk([source for source in chain if source_name(source.backend) != "execution_api"], own)
    answers = [*walked.answers, _through_api(server, query)]
    sources = [*walked.sources, {"source": "execution_api", "asks": []}]
    origin: dict[str, Any] = {}  # the server's source that the Execution API answers with
    if server is not None and server.winner is not None:
        look = server.answers[server.winner].look
        origin = {key: value for key, value in server.sources[server.winner].items() if key != "asks"}
        origin |= {"found_at": look.name} if look is not None else {}
    return Walk(sources, answers, _winner(answers), origin)


def _winner(answers: Sequence[Answer]) -> int | None:
    for index, answer in enumerate(answers):
        if answer.stops:
            return None
        if answer.state == "hit":
            return index
    return None


def _through_api(server: Walk | None, query: Query) -> Answer:
    if server is None:
        return Answer("unreachable", detail="no API server starts")
    if server.winner is None:
        return Answer("miss", detail="the server finds none")
    if query.kind == "connection" and not compat.passes_execution_api(server.value):
        detail = "has no conn_type, or one of its fields is no text: the API server fails on it"
        return Answer("malformed", detail=detail)
    return Answer("hit", server.value)


def differing(one: Any, other: Any, kind: str) -> list[str]:
    """The fields that two connections differ in; of variables: "value". Compared by fingerprints, in this process only."""
    if kind != "connection":
        return [] if fingerprint(one) == fingerprint(other) else ["value"]
    left, right = _fingerprints(one), _fingerprints(other)
    names = {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}
    return sorted({name if _is_plain(name) else "extra" for name in names})


def _fingerprints(conn: Any) -> dict[str, str]:
    """Of a connection of the server's or the task's class. A description doesn't reach a task, and '' is nothing."""
    extra = _extra(conn)
    nameless = sorted(name for name, value in extra.items() if value in _BLANK)  # `?TOKEN` makes one of a secret
    filled = {name: value for name, value in extra.items() if value not in _BLANK}
    made = connection.Connection(
        conn_type=conn.conn_type or "",
        port=conn.port or None,
        extra={**filled, **({"": nameless} if nameless else {})} or None,
        **{name: getattr(conn, name) or None for name in ("host", "login", "password", "schema")},
    )
    return made.fingerprints()


def _contents(value: Any, kind: str) -> dict[str, Any]:
    """Which fields are set, and the conn_type. No text of the secret's own: a key of `extra` only where it is a name."""
    if kind != "connection":
        return {"fields": ["value"] if value else []}
    extra = _extra(value)
    keys = sorted(f"extra.{key}" for key, item in extra.items() if PLAIN.fullmatch(key) and item not in _BLANK)
    fields = [name for name in _FIELDS if getattr(value, name)]
    # '' for one that nobody knows, of a connection with nothing else: Airflow reads one out of any text with a colon
    is_one = value.conn_type and (package_for(value.conn_type) is not None or value.host or extra)
    conn_type = str(value.conn_type) if is_one else ""
    return {"conn_type": conn_type, "fields": [*fields, *(keys or (["extra"] if extra else []))]}


def _extra(conn: Any) -> dict[str, Any]:
    try:
        extra = loads(conn.extra or "{}")
    except ValueError:
        extra = {"": conn.extra}
    return extra if isinstance(extra, dict) else {"": extra}


def types(server: Any, task: Any) -> dict[str, list[str]]:
    """The keys of `extra` that the two classes read alike but for the type, with the type in each: a URI's query is JSON to the
    server's class, and text to the task's: `false` is True there.
    """
    one, other = _extra(server), _extra(task)
    keys = sorted(key for key in one if key in other and _is_plain(key) and _loaded(one[key]) == _loaded(other[key]))
    kinds = {f"extra.{key}": [_TYPES.get(type(extra[key]), "null") for extra in (one, other)] for key in keys}
    return {key: [left, right] for key, (left, right) in kinds.items() if left != right}


def _loaded(value: Any) -> Any:
    try:
        return loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _is_plain(name: str) -> bool:
    return all(PLAIN.fullmatch(part) for part in name.split(".", 1))


def named(backend: Any, wanted: Mapping[str, Any] | None) -> str:
    """The store of the manifest that a backend object reads; "" where airflow.cfg points to another place.

    `wanted`: the store's `name`, the backend's `class`, and its keyword arguments that say where the store is.
    """
    if wanted is None:
        return ""
    kind, (module, _, name) = type(backend), wanted["class"].rpartition(".")
    if (
        f"{kind.__module__}.{kind.__qualname__}" != wanted["class"]
        and getattr(sys.modules.get(module), name, None) is not kind
    ):
        return ""  # a path may name another module than the one that the class was made in
    places = (getattr(backend, "kwargs", {}), vars(getattr(backend, "vault_client", backend)), vars(backend))
    for key, value in wanted["kwargs"].items():
        found = next((place[key] for place in places if key in place), None)
        if value is not None and found is not None and found != value:
            return ""
    return str(wanted["name"])
