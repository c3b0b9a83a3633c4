"""Values with fields, in stores that hold plain text or plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.domain.secret import Secret, fingerprint
from bootstrap.stores.base import Stored
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
        value=Secret(text),
        version=fingerprint(text),
        fields=as_fields(fields) if fields is not None else None,
    )


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = loads(text)
    except BadInput:
        return None
    return document if isinstance(document, dict) else None
