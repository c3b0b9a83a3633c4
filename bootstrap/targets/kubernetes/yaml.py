"""An object of Kubernetes' as plain data, from YAML or JSON and back: what is text there is text to every reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.errors import Malformed
from bootstrap.util import yaml_text
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads_file
from bootstrap.util.yaml_data import load
from bootstrap.util.yaml_dialects import YAML_1_1

CORRECT = "correct it, or name another file"


def parse(text: str, where: str) -> Any:
    """What stands there. Raises Malformed for neither one document of YAML nor of JSON."""
    try:
        return loads_file(text) if is_json(text) else load(text, YAML_1_1)
    except BadInput as err:
        raise Malformed(f"{err.at(where)}: neither one object in JSON nor in YAML", err.hint or CORRECT) from err


def dump(document: Mapping[str, Any], *, as_json: bool) -> str:
    """In the order that is given."""
    if as_json:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_text.dump(document)


def is_json(text: str) -> bool:
    """True if it is to be read as JSON: PyYAML takes its surrogate pairs apart."""
    return text.lstrip().startswith("{")


def is_text(item: object) -> bool:
    """Half of a surrogate pair is none, though JSON can spell it."""
    return isinstance(item, str) and not any("\ud800" <= sign <= "\udfff" for sign in item)
