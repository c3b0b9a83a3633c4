"""A connection or variable as a secret of a store, in the form in which Airflow's backend looks for it there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.desired import interpret
from bootstrap.domain import connection
from bootstrap.domain.secret import PublicText, Secret
from bootstrap.domain.variable import Variable
from bootstrap.errors import Malformed
from bootstrap.stores.base import Fields, Stored
from bootstrap.targets.base import Content, Key


def payload(content: Content) -> Secret | Fields:
    """Airflow takes `extra` as an object or as its JSON: that keeps numbers which a Vault's 64 bits don't."""
    if isinstance(content, Variable):
        return Secret(content.value) if content.secret else PublicText(content.value)
    fields = content.as_fields()
    return {**fields, "extra": json.dumps(content.extra)} if _has_large_number(content.extra) else fields


def _has_large_number(node: Any) -> bool:
    if isinstance(node, Mapping):
        return any(map(_has_large_number, node.values()))
    if isinstance(node, list | tuple):
        return any(map(_has_large_number, node))
    return isinstance(node, int | float) and abs(node) >= 2**53


def read(key: Key, stored: Stored, where: str, *, keeps_fields: bool) -> Content | Malformed:
    """The content, as Airflow's backend of such a store reads it; or why it can't."""
    try:
        if key.kind == "variable":
            return _variable(stored, where, keeps_fields=keeps_fields)
        if stored.wording is not None:
            return interpret.worded(stored, where)
        if stored.fields is None:
            return connection.from_text(stored.value.unmasked(), where)
        return connection.from_fields({name: it.unmasked() for name, it in stored.fields.items()}, where)
    except Malformed as err:
        return err


def _variable(stored: Stored, where: str, *, keeps_fields: bool) -> Variable:
    """Airflow's VaultBackend takes the field `value`, others the whole text."""
    if not keeps_fields or stored.fields is None:
        return Variable(stored.value.unmasked())
    if "value" not in stored.fields:
        raise Malformed(f"{where}: it has no field 'value', which Airflow takes a variable from", f"store put {where}")
    return Variable(stored.fields["value"].unmasked())
