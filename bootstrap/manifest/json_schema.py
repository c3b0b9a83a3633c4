"""The manifest's JSON Schema, assembled from the models of all stores, checks, targets and issuers."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from bootstrap import plugins
from bootstrap.manifest.kinds import Configurable, FillsFields, SuitsConnTypes
from bootstrap.manifest.loader import ConnectionSpec, Top
from bootstrap.manifest.models import Kept
from bootstrap.stores.kind import StoreKind
from bootstrap.util.model import Model

_TEMPLATE = "#/$defs/{model}"


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    kinds = {kind: plugins.STORES.get(kind, StoreKind).Options for kind in plugins.STORES.names()}
    params = {name: plugins.CHECKS.get(name, SuitsConnTypes).Params for name in plugins.CHECKS.names()}
    options = {name: plugins.TARGETS.get(name, Configurable).Options for name in plugins.TARGETS.names()}
    minted = {name: plugins.ISSUERS.get(name, FillsFields).Options for name in plugins.ISSUERS.names()}
    of_plugins = (*kinds.values(), *params.values(), *options.values(), *minted.values())
    models: list[type[Model]] = [Top, ConnectionSpec, Kept, *of_plugins]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template=_TEMPLATE)
    names = {model: refs[model, "validation"] for model in models}
    result: dict[str, Any] = document["$defs"].pop(names[Top]["$ref"].rpartition("/")[2])
    result["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    result["title"] = "bootstrap.yaml"
    result["$defs"] = document["$defs"]
    fields = result["properties"]
    stores = {"oneOf": [names[model] for model in kinds.values()]}
    fields["stores"] = {"type": "object", "additionalProperties": stores}
    fields["connections"] = {"type": "object", "additionalProperties": names[ConnectionSpec]}
    fields["register"]["items"] = _named({name: names[model] for name, model in options.items()})
    spec = result["$defs"][names[ConnectionSpec]["$ref"].rpartition("/")[2]]
    rotations = [names[model] for model in minted.values()]
    spec["properties"]["rotate"] = {"oneOf": rotations}
    result["$defs"]["Backend"]["properties"]["rotate"] = _kept(rotations, result["$defs"])
    spec["properties"]["checks"] = {
        "type": "array",
        "items": _named({name: names[model] for name, model in params.items()}),
    }
    return result


def _kept(rotations: list[dict[str, Any]], models: dict[str, Any]) -> dict[str, Any]:
    """Those of a connection, and the place where the credential is kept."""
    found = []
    for each in rotations:
        model = models[each["$ref"].rpartition("/")[2]]
        properties = model["properties"] | models["Kept"]["properties"]
        found.append({**model, "properties": properties, "required": [*model["required"], "keep"]})
    return {"oneOf": found}


def generated() -> str:
    """The schema as JSON text."""
    return json.dumps(schema(), indent=2) + "\n"


def _named(params: dict[str, Any]) -> dict[str, Any]:
    named = [
        {"type": "object", "properties": {name: ref}, "required": [name], "additionalProperties": False}
        for name, ref in params.items()
    ]
    return {"anyOf": [{"enum": list(params)}, *named]}
