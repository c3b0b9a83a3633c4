"""Limits of the values that AWS's stores accept."""

from __future__ import annotations

import json

from bootstrap.domain.secret import Secret, mask
from bootstrap.errors import Empty, Malformed
from bootstrap.stores.base import Fields
from bootstrap.stores.place import Place


def as_text(place: Place, value: Secret | Fields, largest: int) -> str:
    """The value as it is sent, masked in all output from now on; fields as JSON, which Airflow's backends read.

    Raises Empty or Malformed for what AWS would refuse.
    """
    text = value.unmasked() if isinstance(value, Secret) else json.dumps(dict(value), ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:  # it quotes the value
        raise Malformed(f"{place}: the value is not text", "write it as UTF-8, or as base64") from None
    if not size:
        raise Empty(f"{place}: the value is empty, which AWS does not keep", "give it a value")
    if size > largest:
        raise Malformed(f"{place}: the value has more than {largest} bytes", "keep it elsewhere, or in parts")
    mask(text)
    return text
