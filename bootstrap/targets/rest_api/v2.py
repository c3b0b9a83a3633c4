"""Airflow 3's REST API: connections and variables are read in pages, and written many at a time.

A bulk request is one transaction, and tells of each name whether something was done. Its update keeps what is "***" in
the request as it was, so connections are overwritten instead. Airflow takes no password away from a connection: those
that lose theirs are deleted and created anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from bootstrap.domain.connection import Connection
from bootstrap.errors import Conflict, IllegalName, Malformed, NotFound, StoreError
from bootstrap.targets.base import Change, Key, Kind
from bootstrap.targets.rest_api.client import Client
from bootstrap.targets.rest_api.errors import Failed
from bootstrap.targets.rest_api.shown import Shown
from bootstrap.util.json_text import loads

PAGE = 100  # what Airflow gives at most, unless it is told otherwise
BATCH = 50  # to see progress: Airflow takes longer for each password the more it has
_NAME = re.compile(r"[\w.-]{1,200}")
_LONGEST_KEY = 250


PATHS: Mapping[Kind, str] = {"connection": "/connections", "variable": "/variables"}
_IDS: Mapping[Kind, str] = {"connection": "connection_id", "variable": "key"}  # the field that holds the name


def connection_body(name: str, item: Connection) -> dict[str, Any]:
    """All fields, so that what isn't wanted is emptied."""
    fields = item.as_fields()
    return {
        "connection_id": name,
        **{field: fields.get(field) for field in ("conn_type", "description", "host", "login", "password", "schema")},
        "port": item.port,
        "extra": None if item.extra is None else json.dumps(item.extra),
    }


class V2:
    """Reads and writes through /api/v2."""

    batch = BATCH

    def __init__(self, client: Client) -> None:
        self._client = client

    def check(self, key: Key) -> None:
        """Raises IllegalName for one that the API takes from nobody."""
        require_legal(self._client.place, key)

    def read(self, keys: Iterable[Key]) -> dict[Key, Shown]:
        """Those that are there. Raises StoreError."""
        wanted = list(keys)
        found: dict[Key, Shown] = {}
        for kind in PATHS:
            names = {key.name for key in wanted if key.kind == kind}
            if names:
                found |= {Key(kind, name): self._shown(kind, item) for name, item in self._items(kind, names).items()}
        return found

    def write(self, kind: Kind, batch: Sequence[Change], there: Mapping[Key, Shown]) -> dict[Key, StoreError | None]:
        """What became of each. Raises StoreError if the whole request failed; `there` is what was read before."""
        losing = [change for change in batch if _loses_password(change, there.get(change.key))]
        lost = {change.key for change in losing}
        others = [change for change in batch if change.key not in lost]
        found: dict[Key, StoreError | None] = {}
        if losing:  # first: if the others fail, this may be done again
            self._bulk(kind, [_deletion(losing)])
            found |= self._done(kind, losing, [_creation(losing, "skip")])
        return found | (self._done(kind, others, _actions(kind, others, there)) if others else {})

    def put(self, name: str, value: str, description: str) -> None:
        """Write a variable, whether it is there or not."""
        entity = {"key": name, "value": value, "description": description}
        answer = self._bulk(
            "variable", [{"action": "create", "action_on_existence": "overwrite", "entities": [entity]}]
        )
        if errors := _errors(answer):
            raise _failure(f"{self._client.place}: variable {name}", errors)

    def _items(self, kind: Kind, names: set[str]) -> dict[str, dict[str, Any]]:
        """One page tells how many there are; then it is pages, or single ones, whatever is less."""
        first = self._page(kind, 0)
        items: list[dict[str, Any]] = list(first[kind + "s"])
        total, size = int(first["total_entries"]), len(items)
        missing = names - {item[_IDS[kind]] for item in items}
        offsets = range(size, total, size) if size else range(0)
        if missing and len(missing) <= len(offsets):
            singles = self._client.each(lambda name: self._single(kind, name), missing)
            items += [item for item in singles if item is not None]
        elif missing:
            for page in self._client.each(lambda offset: self._page(kind, offset), offsets):
                items += page[kind + "s"]
        by_name = {str(item[_IDS[kind]]): item for item in items}
        return {name: by_name[name] for name in names if name in by_name}

    def _page(self, kind: Kind, offset: int) -> dict[str, Any]:
        return self._client.get(PATHS[kind], f"the {kind}s", limit=PAGE, offset=offset, order_by=_IDS[kind])

    def _single(self, kind: Kind, name: str) -> dict[str, Any] | None:
        try:
            return self._client.get(f"{PATHS[kind]}/{quote(name, safe='')}", f"{kind} {name}")
        except NotFound:
            return None

    def _shown(self, kind: Kind, item: Mapping[str, Any]) -> Shown:
        team = item.get("team_name")
        if kind == "variable":
            return Shown({"value": item.get("value")}, team, description=item.get("description"))
        return shown_connection(item, f"{self._client.place}: {item['connection_id']}", team)

    def _done(self, kind: Kind, batch: Sequence[Change], actions: Sequence[Any]) -> dict[Key, StoreError | None]:
        answer = self._bulk(kind, actions)
        errors = _errors(answer)
        done = {name for result in answer.values() if result for name in result["success"]}
        found: dict[Key, StoreError | None] = {}
        for change in batch:
            where = f"{self._client.place}: {change.key}"
            if change.key.name in done or (change.action == "delete" and not errors):
                found[change.key] = None
            elif errors:
                found[change.key] = _failure(where, errors)
            else:
                what = "is there by now" if change.action == "create" else "is gone"
                message = f"{where} {what}: somebody else changed it since it was read"
                found[change.key] = Conflict(message, "airflow-bootstrap register")
        return found

    def _bulk(self, kind: Kind, actions: Sequence[Any]) -> dict[str, Any]:
        return self._client.send("PATCH", PATHS[kind], {"actions": list(actions)}, f"the {kind}s")


def require_legal(place: str, key: Key, *, ascii_only: bool = False) -> None:
    """Raises IllegalName for one that the API takes from nobody."""
    legal = _NAME.fullmatch(key.name) if key.kind == "connection" else 0 < len(key.name) <= _LONGEST_KEY
    if not legal or (ascii_only and not key.name.isascii()):
        raise IllegalName(f"{place}: Airflow's REST API takes no {key.kind} named {key.name!r}", "rename it")


def shown_connection(item: Mapping[str, Any], where: str, team: str | None = None) -> Shown:
    """`extra` is JSON text in the answers of both APIs."""
    names = ("conn_type", "description", "host", "login", "password", "schema", "port")
    fields = {name: item.get(name) for name in names if item.get(name) is not None}
    try:
        extra = loads(item.get("extra") or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        return Shown(fields, team, malformed=f"{where}: extra is not a JSON object")
    return Shown({**fields, "extra": extra}, team)


def _loses_password(change: Change, there: Shown | None) -> bool:
    """True if it has a password and should have none."""
    if change.action != "update" or not isinstance(change.content, Connection) or there is None:
        return False
    return not change.content.password and there.fields.get("password") is not None


def _actions(kind: Kind, batch: Sequence[Change], there: Mapping[Key, Shown]) -> list[Any]:
    by_action = {action: [it for it in batch if it.action == action] for action in ("create", "update", "delete")}
    creates, updates, deletes = by_action.values()
    found = [_creation(creates, "skip")] if creates else []
    if updates and kind == "connection":
        found.append(_creation(updates, "overwrite"))
    elif updates:  # what creates a variable takes its description away; so does an update of Airflow 3.1's
        known = {key: shown.description for key, shown in there.items()}
        entities = [{**_entity(it), "description": known.get(it.key)} for it in updates]
        found.append({"action": "update", "action_on_non_existence": "skip", "entities": entities})
    return [*found, *([_deletion(deletes)] if deletes else [])]


def _creation(batch: Sequence[Change], on_existence: str) -> dict[str, Any]:
    return {"action": "create", "action_on_existence": on_existence, "entities": [*map(_entity, batch)]}


def _deletion(batch: Sequence[Change]) -> dict[str, Any]:
    names = [change.key.name for change in batch]
    return {"action": "delete", "action_on_non_existence": "skip", "entities": names}


def _entity(change: Change) -> dict[str, Any]:
    if isinstance(change.content, Connection):
        return connection_body(change.key.name, change.content)
    return {"key": change.key.name, "value": change.content.value if change.content else ""}


def _errors(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [error for result in answer.values() if result for error in result["errors"]]


def _failure(where: str, errors: Sequence[Mapping[str, Any]]) -> StoreError:
    """What Airflow says of an entity quotes it."""
    if errors[0].get("status_code") == HTTPStatus.CONFLICT:
        return Conflict(f"{where}: somebody else wrote it meanwhile", "airflow-bootstrap register")
    if "status_code" in errors[0]:
        return Failed(f"{where}: Airflow refused it (HTTP {errors[0]['status_code']})", "airflow-bootstrap register")
    return Malformed(f"{where}: Airflow does not take it", "correct the manifest")
