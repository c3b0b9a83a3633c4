"""Converts a secret of one store for another, and compares it with what is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from bootstrap.desired import interpret
from bootstrap.domain import connection
from bootstrap.domain.secret import Secret, fingerprint
from bootstrap.stores.base import Fields, Store, Stored, keeps_fields, pick_field

Payload: TypeAlias = Secret | Fields


@dataclass(frozen=True)
class Conversion:
    """From one store to another."""

    source: Store
    target: Store
    as_connections: bool = False

    def payload(self, found: Stored, where: str) -> Payload:
        """What to write. Raises Malformed or Empty for what is to be a connection and is none."""
        if self.as_connections:
            return _connection(found, where).as_fields()
        if found.fields is None or not (keeps_fields(self.source) or keeps_fields(self.target)):
            return found.value
        return _unwrapped(json.loads(found.value.unmasked()))

    def is_in(self, there: Stored, payload: Payload) -> bool:
        """True if the target holds this already. Compares fingerprints."""
        if isinstance(payload, Secret):
            held: object = there.value.unmasked()
            if keeps_fields(self.target):
                only = _unwrapped(json.loads(there.value.unmasked()))
                held = only.unmasked() if isinstance(only, Secret) else only
            return fingerprint(held) == fingerprint(payload.unmasked())
        return there.fields is not None and _same(json.loads(there.value.unmasked()), payload)


def mask_payload(payload: Payload) -> None:
    """Mask it in all output from now on."""
    (payload if isinstance(payload, Secret) else Secret(json.dumps(payload, ensure_ascii=False))).reveal()


def _unwrapped(data: Any) -> Payload:
    """A secret whose only field is `value` is that value."""
    if set(data) == {"value"} and isinstance(data["value"], str):
        return Secret(data["value"])
    return dict(data)


def _same(one: object, other: object) -> bool:
    return fingerprint(one) == fingerprint(other)


def _connection(found: Stored, where: str) -> connection.Connection:
    """As bootstrap reads it from a path where Airflow looks."""
    if found.wording is not None:
        return interpret.worded(found, where)
    only_value = found.fields is not None and set(found.fields) == {"value"}
    if found.fields is None or only_value:
        return connection.from_text(pick_field(found, where, None).unmasked(), where)
    return connection.from_fields({name: value.unmasked() for name, value in found.fields.items()}, where)
