"""Airflow 2's REST API: one request for each connection and variable.

It never shows a password, not even whether there is one. It takes none away either: a connection that should have none is
deleted and created anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from bootstrap.domain.connection import Connection
from bootstrap.errors import NotFound, StoreError
from bootstrap.targets.base import Change, Key, Kind
from bootstrap.targets.rest_api.client import CONCURRENCY, Client
from bootstrap.targets.rest_api.shown import Shown
from bootstrap.targets.rest_api.v2 import PATHS, connection_body, require_legal, shown_connection


class V1:
    """Reads and writes through /api/v1."""

    batch = CONCURRENCY

    def __init__(self, client: Client) -> None:
        self._client = client

    def check(self, key: Key) -> None:
        """Raises IllegalName for one that the API takes from nobody."""
        require_legal(self._client.place, key, ascii_only=True)

    def read(self, keys: Iterable[Key]) -> dict[Key, Shown]:
        """Those that are there. Raises StoreError."""
        wanted = list(keys)
        found = self._client.each(self._shown, wanted)
        return {key: item for key, item in zip(wanted, found, strict=True) if item is not None}

    def write(self, kind: Kind, batch: Sequence[Change], _there: Mapping[Key, Shown]) -> dict[Key, StoreError | None]:
        """What became of each."""
        outcomes = self._client.each(partial(self._written, kind), batch)
        return {change.key: outcome for change, outcome in zip(batch, outcomes, strict=True)}

    def put(self, name: str, value: str, description: str) -> None:
        """Write a variable, whether it is there or not."""
        body = {"key": name, "value": value, "description": description}
        self._client.send("POST", PATHS["variable"], body, f"variable {name}")

    def _shown(self, key: Key) -> Shown | None:
        try:
            item = self._client.get(_path(key), f"{key.kind} {key.name}")
        except NotFound:
            return None
        if key.kind == "variable":
            return Shown({"value": item.get("value")}, exact=True)
        return replace(shown_connection(item, f"{self._client.place}: {key}"), blind=True)

    def _written(self, kind: Kind, change: Change) -> StoreError | None:
        try:
            content = change.content
            lacks_password = isinstance(content, Connection) and not content.password
            if change.action == "update" and not lacks_password:
                self._client.send("PATCH", _path(change.key), _body(change), str(change.key))
                return None
            if change.action in {"update", "delete"}:
                with suppress(NotFound):
                    self._client.send("DELETE", _path(change.key), what=str(change.key))
            if change.action != "delete":
                self._client.send("POST", PATHS[kind], _body(change), str(change.key))
        except StoreError as err:
            return err
        return None


def _path(key: Key) -> str:
    return f"{PATHS[key.kind]}/{quote(key.name, safe='')}"


def _body(change: Change) -> dict[str, Any]:
    if isinstance(change.content, Connection):
        body = connection_body(change.key.name, change.content)
        return {name: value for name, value in body.items() if name != "password" or value}  # it may not be null
    return {"key": change.key.name, "value": change.content.value if change.content else ""}
