"""The JSON Schema of the JSON report, made from the same types as the report itself."""

from __future__ import annotations

import json
from typing import Any, get_args

from bootstrap.checks.base import CauseName, StepName
from bootstrap.smoke.report import VERSION, StageStatus
from bootstrap.smoke.verdict import CheckStatus, Status

_REASON = ("cause", "message", "hint")
_TEXT = {"type": "string"}
_SECONDS = {"type": "number", "minimum": 0, "description": "wall time in seconds"}


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The report of airflow-bootstrap smoke --json",
        **_object(
            {
                "version": {"const": VERSION},
                "verdict": {"enum": ["passed", "failed"], "description": "passed: the exit code is 0"},
                "airflow": _TEXT | {"description": "Airflow's version; empty if it is not installed"},
                "started": _TEXT | {"format": "date-time"},
                "seconds": _SECONDS,
                "unchecked": _texts("connections that have no check", least=0),
                "coverage": _coverage(),
                "checks": {"type": "array", "items": {"$ref": "#/$defs/check"}},
                "stages": {"type": "array", "items": {"$ref": "#/$defs/stage"}, "minItems": 1},
                "drift": _texts("connections, or airflow.cfg, that differ from the manifest"),
                "reasons": _texts("why the verdict is failed, beside checks that failed"),
            },
            optional=("coverage", "stages", "drift", "reasons"),
        ),
        "$defs": {"check": _check(), "step": _step(), "stage": _stage()},
    }


def generated() -> str:
    """The schema as JSON text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _check() -> dict[str, Any]:
    reason = _REASON
    fields = {
        "id": _TEXT | {"description": "<connection>.<check>"},
        "connection": _TEXT,
        "check": _TEXT,
        "status": {"enum": list(get_args(CheckStatus))},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "cause": {"enum": list(get_args(CauseName))},
        "message": _TEXT | {"description": "what went wrong, or why nothing is proven"},
        "hint": _TEXT | {"description": "the next step"},
        "warnings": _texts("what did not fail and should be known", least=0),
        "measured": {"type": "object", "minProperties": 1, "description": "figures by name; units are in the names"},
        "seconds": _SECONDS,
    }
    return {
        **_object(fields, optional=(*reason, "measured")),
        "oneOf": [_told("passed"), _told("failed", *reason), _told("unproven", *reason[1:])],
    }


def _coverage() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    fields = {
        "used": count | {"minimum": 1, "description": "connections that the DAGs of airflow.dags use"},
        "proven": count | {"description": "those of them that have checks, all of which passed"},
        "unproven": _texts("the others", least=0),
    }
    return _object(fields, optional=())


def _told(status: CheckStatus, *reason: str) -> dict[str, Any]:
    """What a check of this status says of its reason, and nothing else of it."""
    others = [{"required": [name]} for name in _REASON if name not in reason]
    return {
        "properties": {"status": {"const": status}},
        "required": list(reason),
        **({"not": {"anyOf": others}} if others else {}),
    }


def _step() -> dict[str, Any]:
    fields = {
        "name": {"enum": list(get_args(StepName))},
        "status": {"enum": list(get_args(Status))},
        "seconds": _SECONDS,
        "detail": _TEXT,
    }
    return _object(fields, optional=("detail",))


def _stage() -> dict[str, Any]:
    fields = {
        "stage": _TEXT | {"description": "manifest, doctor, render or register"},
        "subject": _TEXT | {"description": "a connection, a variable, a store, …"},
        "message": _TEXT,
        "status": {"enum": list(get_args(StageStatus))},
        "hint": _TEXT | {"description": "the next step"},
        "seconds": _SECONDS,
        "line": {"type": "integer", "minimum": 1, "description": "in the manifest"},
    }
    return _object(fields, optional=("hint", "seconds", "line"))


def _object(fields: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def _texts(description: str, *, least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": _TEXT, "minItems": least, "description": description}
