"""Airflow 2's REST API: one request for each connection and variable.

It never shows a password, not even whether there is one. It takes none away either: a connection that should have none is
deleted and created anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from bootstrap.domain.connection import Connection
from bootstrap.errors import IllegalName, NotFound, StoreError
from bootstrap.targets.base import Change, Key, Kind
from bootstrap.targets.rest_api.client import CONCURRENCY, Client
from bootstrap.targets.rest_api.shown import Shown
from bootstrap.targets.rest_api.v2 import connection_body, legal_name, shown_connection

_PATHS: Mapping[Kind, str] = {"connection": "/connections", "variable": "/variables"}


class V1:
    """Reads and writes through /api/v1."""

    batch = CONCURRENCY

    def __init__(self, client: Client) -> None:
        self._client = client

    def check(self, key: Key) -> None:
        """Raises IllegalName for one that the API takes from nobody."""
        if not legal_name(key) or not key.name.isascii():
            raise IllegalName(
                f"{self._client.place}: Airflow's REST API takes no {key.kind} named {key.name!r}", "rename it"
            )

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
        self._client.send("POST", _PATHS["variable"], body, f"variable {name}")

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
            if change.action == "delete":
                self._delete(change.key)
            elif change.action == "update" and not _lacks_password(change):
                self._client.send("PATCH", _path(change.key), _body(change), str(change.key))
            else:
                if change.action == "update":
                    self._delete(change.key)
                self._client.send("POST", _PATHS[kind], _body(change), str(change.key))
        except StoreError as err:
            return err
        return None

    def _delete(self, key: Key) -> None:
        try:
            self._client.send("DELETE", _path(key), what=str(key))
        except NotFound:
            return


def _path(key: Key) -> str:
    return f"{_PATHS[key.kind]}/{quote(key.name, safe='')}"


def _lacks_password(change: Change) -> bool:
    return isinstance(change.content, Connection) and not change.content.password


def _body(change: Change) -> dict[str, Any]:
    if isinstance(change.content, Connection):
        body = connection_body(change.key.name, change.content)
        return {name: value for name, value in body.items() if name != "password" or value}  # it may not be null
    return {"key": change.key.name, "value": change.content.value if change.content else ""}
