"""Types of values in bootstrap.yaml: text, numbers, and references that take a secret's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from bootstrap.domain.reference import SHAPE_HELP, Reference, parse_reference
from bootstrap.errors import UsageError
from bootstrap.stores.credential import Credential

NAME = r"^[A-Za-z0-9_.-]+$"  # legal in a store's path, a task id and an environment variable of Airflow's alike
CONN_TYPE = r"^[a-z0-9_]+$"
_REFERENCE_SCHEMA = {
    "type": "object",
    "properties": {"secret": {"type": "string", "description": SHAPE_HELP}},
    "required": ["secret"],
    "additionalProperties": False,
}


def _or_reference(*schemas: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*schemas, _REFERENCE_SCHEMA]})


def _reference(data: Any) -> Reference:
    if isinstance(data, Reference):
        return data
    if not (isinstance(data, dict) and set(data) == {"secret"} and isinstance(data["secret"], str)):
        msg = f'expected {{secret: "{SHAPE_HELP}"}}'
        raise ValueError(msg)
    try:
        return parse_reference(data["secret"])
    except UsageError as err:  # its message quotes the text, which may be a secret that was put here by mistake
        msg = f"not a reference to a secret, which is {SHAPE_HELP}"
        raise ValueError(msg) from err


def _text_or_reference(data: Any) -> str | Reference:
    if isinstance(data, str):
        return data
    if isinstance(data, dict | Reference):
        return _reference(data)
    msg = f'expected text in quotes, or {{secret: "{SHAPE_HELP}"}}'
    raise ValueError(msg)


def _port_or_reference(data: Any) -> int | Reference:
    if isinstance(data, dict | Reference):
        return _reference(data)
    if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 65536:  # noqa: PLR2004
        return data
    msg = f'expected a number from 1 to 65535, or {{secret: "{SHAPE_HELP}"}}'
    raise ValueError(msg)


def _with_references(data: Any) -> Any:
    """Plain data in which each {secret: …} has become a Reference."""
    if isinstance(data, dict):
        return (
            _reference(data) if set(data) == {"secret"} else {key: _with_references(item) for key, item in data.items()}
        )
    if isinstance(data, list):
        return [_with_references(item) for item in data]
    return data


def _variable(data: Any) -> str | Reference | Mapping[str, Any] | list[Any]:
    if isinstance(data, str | Reference):
        return data
    if isinstance(data, dict | list):
        return cast("Mapping[str, Any] | list[Any] | Reference", _with_references(data))
    msg = f'expected text in quotes, {{secret: "{SHAPE_HELP}"}}, or a mapping or list that becomes JSON'
    raise ValueError(msg)


def _extra(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        msg = "expected a mapping"
        raise ValueError(msg)  # noqa: TRY004  pydantic gathers ValueErrors
    return cast("dict[str, Any]", _with_references(data)) if set(data) != {"secret"} else {"secret": _reference(data)}


@dataclass(frozen=True)
class Command:
    """What prints a value; Airflow runs it, without a shell."""

    text: str


def _secret_or_command(data: Any) -> Reference | Command:
    if isinstance(data, Command):
        return data
    if isinstance(data, dict) and set(data) == {"cmd"} and isinstance(data["cmd"], str) and data["cmd"].strip():
        return Command(data["cmd"].strip())  # a block of YAML ends in a line break
    if isinstance(data, Reference) or (isinstance(data, dict) and "secret" in data):
        return _reference(data)
    msg = f'expected {{secret: "{SHAPE_HELP}"}} or {{cmd: COMMAND}}'
    raise ValueError(msg)


def _keyword_argument(data: Any) -> Any:
    """A credential among the keyword arguments is {env: NAME} or {file: PATH}."""
    if isinstance(data, dict) and len(data) == 1 and set(data) <= {"env", "file"}:
        return Credential.model_validate(data)
    return data


def _variable_name(data: Any) -> Any:
    if isinstance(data, str) and not re.fullmatch(_VARIABLE, data):
        msg = "the name of an environment variable is not empty and has no `=`"
        raise ValueError(msg)
    return data


_VARIABLE = r"[^=\0]+"
VariableName = Annotated[
    str, BeforeValidator(_variable_name), WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE}$"})
]
SecretRef = Annotated[Reference, PlainValidator(_reference), WithJsonSchema(_REFERENCE_SCHEMA)]
Text = Annotated[str | Reference, PlainValidator(_text_or_reference), _or_reference({"type": "string"})]
Port = Annotated[
    int | Reference,
    PlainValidator(_port_or_reference),
    _or_reference({"type": "integer", "minimum": 1, "maximum": 65535}),
]
ConfigOption = Annotated[
    Reference | Command,
    PlainValidator(_secret_or_command),
    WithJsonSchema(
        {
            "anyOf": [
                _REFERENCE_SCHEMA,
                {
                    "type": "object",
                    "properties": {"cmd": {"type": "string"}},
                    "required": ["cmd"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Kwarg = Annotated[
    Any,
    PlainValidator(_keyword_argument),
    WithJsonSchema({"description": "any value; {env: NAME} or {file: PATH} for a credential"}),
]
VariableValue = Annotated[
    str | Reference | Mapping[str, Any] | list[Any],
    PlainValidator(_variable),
    WithJsonSchema({"anyOf": [{"type": "string"}, _REFERENCE_SCHEMA, {"type": "object"}, {"type": "array"}]}),
]
Extra = Annotated[Mapping[str, Any], PlainValidator(_extra), WithJsonSchema({"type": "object"})]
