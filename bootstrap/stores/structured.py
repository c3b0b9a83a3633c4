"""Values with fields, in stores that hold plain text or plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.domain.secret import Secret, fingerprint, mask
from bootstrap.errors import Empty, Malformed
from bootstrap.stores.base import Fields, Stored
from bootstrap.stores.place import Place
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads


def as_text(value: Any) -> str:
    """A field's value as text. Text stays as it is, to the last zero and newline; null is empty; the rest becomes JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_fields(fields: Mapping[str, Any]) -> dict[str, Secret]:
    """Each field as a Secret."""
    return {str(name): Secret(as_text(value)) for name, value in fields.items()}


def as_stored(value: Any) -> Stored:
    """A value that came without a version of its own: its fingerprint serves for check-and-set in this process."""
    text = as_text(value)
    fields = value if isinstance(value, Mapping) else json_object(text)
    return Stored(
        value=Secret(text), version=fingerprint(text), fields=as_fields(fields) if fields is not None else None
    )


def payload(place: Place, value: Secret | Fields, largest: int, service: str) -> str:
    """A value as a `service` takes it that keeps at most `largest` bytes, masked in all output from now on; fields become
    JSON, which Airflow's backends read. Raises Empty or Malformed for what it would refuse.
    """
    text = value.unmasked() if isinstance(value, Secret) else json.dumps(dict(value), ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:  # it quotes the value
        raise Malformed(f"{place}: the value is not text", "write it as UTF-8, or as base64") from None
    if not size:
        raise Empty(f"{place}: the value is empty, which {service} does not keep", "give it a value")
    if size > largest:
        raise Malformed(f"{place}: the value has more than {largest} bytes", "keep it elsewhere, or in parts")
    mask(text)
    return text


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = loads(text)
    except BadInput:
        return None
    return document if isinstance(document, dict) else None
