"""The text of a Kubernetes Secret: connections and variables as the environment variables that Airflow reads, for `envFrom`.

Limits: kubernetes.io/docs/concepts/configuration/secret/ (names of keys, 1 MiB) and
/docs/reference/kubernetes-api/common-definitions/object-meta/ (256 KiB of annotations); execve(2), where one variable
has at most 128 KiB.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.errors import IllegalName, Malformed
from bootstrap.util import yaml_text
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads_file
from bootstrap.util.yaml_data import load
from bootstrap.util.yaml_dialects import YAML_1_1

CORRECT = "correct it, or name another file"
INDEX = "airflow-bootstrap/index"  # an annotation
LABELS = {"app.kubernetes.io/managed-by": "airflow-bootstrap"}
LARGEST, LARGEST_NOTES, LARGEST_VARIABLE = 1024 * 1024, 256 * 1024, 128 * 1024  # bytes
_PREFIXES = {"connection": "AIRFLOW_CONN_", "variable": "AIRFLOW_VAR_"}
_LONGEST = 253  # characters of a Secret's name, and of a key
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what a Secret and a shell take
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # RFC 1123
_NAME, _NAMESPACE = re.compile(rf"{_LABEL}(\.{_LABEL})*"), re.compile(rf"(?=.{{1,63}}\Z){_LABEL}")


@dataclass(frozen=True)
class Found:
    """What a Secret holds: its values by the names of the variables, as far as they are Airflow's, and the index."""

    where: str
    values: Mapping[str, str | Malformed] = field(repr=False)
    index: str | None

    def connection(self, conn_id: str) -> Connection | Malformed | None:
        """None: it isn't there."""
        name = variable_name("connection", conn_id)
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return connection.from_text(value, f"{name} in {self.where}")
        except Malformed as err:
            return err

    def variable(self, key: str) -> str | Malformed | None:
        """None: it isn't there."""
        return self.values.get(variable_name("variable", key))


def read(text: str, where: str) -> Found:
    """What stands in a Secret's YAML or JSON. Raises Malformed for a text that is none."""
    document = _document(text, where)
    ours = tuple(_PREFIXES.values())
    values: dict[str, str | Malformed] = {
        name: _decoded(value, f"{name} in {where}") for name, value in document["data"].items() if name.startswith(ours)
    }
    values |= {name: value for name, value in document["stringData"].items() if name.startswith(ours)}
    return Found(where, values, document["metadata"]["annotations"].get(INDEX))


def require_secret(text: str, name: str, namespace: str | None, where: str) -> None:
    """Raises Malformed where another Secret stands in the text; IllegalName for a name that none can have."""
    _place(name, namespace)
    metadata = _document(text, where)["metadata"] if text else {"name": name, "namespace": namespace}
    if (metadata.get("name"), metadata.get("namespace")) != (name, namespace):
        message = f"{where}: it holds another Secret than {_place(name, namespace).partition(' ')[2]}"
        raise Malformed(message, "name another file, or the Secret that is there")


def render(
    name: str,
    namespace: str | None,
    connections: Mapping[str, Connection | None],
    variables: Mapping[str, str | None],
    index: str,
    before: str | None,
) -> str:
    """The Secret in YAML, or in JSON where `before` is: the same text for the same content.

    What is None is taken out. What else stands in `before` stays, but for its comments. Raises IllegalName, or Malformed for
    a `before` that is no such Secret, and for what Kubernetes or a process would refuse.
    """
    where = _place(name, namespace)
    place = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    new = {"apiVersion": "v1", "kind": "Secret", "metadata": {**place, "labels": LABELS}, "type": "Opaque"}
    document = _document(before or json.dumps(new), where)
    metadata = document["metadata"]
    if namespace is not None and metadata.get("namespace") is None:  # one without a namespace gets it
        metadata["namespace"] = namespace
    if metadata.get("name") != name or namespace not in (None, metadata.get("namespace")):
        raise Malformed(f"{where}: it holds another Secret", "name another file, or the Secret that is there")
    texts = {conn_id: json.dumps(it.as_fields()) if it is not None else None for conn_id, it in connections.items()}
    named = {key: texts[conn_id] for key, conn_id in variable_names("connection", texts).items()}
    named |= {key: variables[name] for key, name in variable_names("variable", variables).items()}
    for key, text in named.items():
        document["data"].pop(key, None)
        document["stringData"].pop(key, None)  # it would win
        if text is not None:
            document["data"][key] = _encoded(text, key, where)
    document["metadata"]["annotations"][INDEX] = index
    _check_sizes(document, where)
    document["data"] = dict(sorted(document["data"].items()))
    document["metadata"] = _filled(document["metadata"])
    return dump(_filled(document), as_json=_is_json(before or ""))


def variable_name(kind: str, name: str) -> str:
    """Of the environment variable, and of the key in the Secret. Raises IllegalName where there can be none."""
    found = f"{_PREFIXES[kind]}{name.upper()}"
    if not _KEY.fullmatch(found) or len(found) > _LONGEST:
        message = f"{kind} {name}: no environment variable of a Secret can be called {found}"
        raise IllegalName(message, f"rename it: letters, digits and _, {_LONGEST} in all")
    return found


def variable_names(kind: str, names: Iterable[str]) -> dict[str, str]:
    """Whose each variable is. Raises IllegalName where there can be none, or one for two."""
    found: dict[str, str] = {}
    for name in names:
        key = variable_name(kind, name)
        if key in found:
            raise IllegalName(f"{kind}s {found[key]} and {name} would both be {key}", "rename one of them")
        found[key] = name
    return found


def _place(name: str, namespace: str | None) -> str:
    where = f"Secret {namespace}/{name}" if namespace is not None else f"Secret {name}"
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise IllegalName(f"{where}: no Secret can have this name", "give it one of a-z, 0-9, - and .")
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        raise IllegalName(f"{where}: no namespace can have this name", "give it one of a-z, 0-9 and -")
    return where


def _document(text: str, where: str) -> dict[str, Any]:
    """A Secret as plain data; each of its mappings is there, be it empty."""
    document = parse(text, where)
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != ("v1", "Secret"):
        raise Malformed(f"{where}: not a Secret of apiVersion v1", CORRECT)
    metadata = document["metadata"] = _mapping(document, "metadata", where)
    for inside, key in ((metadata, "labels"), (metadata, "annotations"), (document, "data"), (document, "stringData")):
        inside[key] = _mapping(inside, key, where)
        if not all(_is_text(item) for item in (*inside[key], *inside[key].values())):
            raise Malformed(f"{where}: {key} has what is not text", CORRECT)
    return document


def _mapping(inside: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = inside.get(key)
    if value is not None and not isinstance(value, dict):
        raise Malformed(f"{where}: {key} is not a mapping", CORRECT)
    return dict(value or {})


def _filled(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value != {}}


def _encoded(text: str, key: str, where: str) -> str:
    """In base64. Raises Malformed for what no environment variable can hold."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # it quotes the value
        raise Malformed(f"{key} in {where}: the value is not text", "give it one in Unicode") from None
    if 0 in data:
        raise Malformed(f"{key} in {where}: no environment variable holds a NUL", "register it into another target")
    if len(f"{key}=") + len(data) >= LARGEST_VARIABLE:
        message = f"{key} in {where}: no process starts with a variable of more than {LARGEST_VARIABLE} bytes"
        raise Malformed(message, "register it into another target")
    return base64.b64encode(data).decode()


def _bytes(value: str, where: str) -> bytes:
    try:
        return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)  # as Kubernetes does
    except ValueError:
        raise Malformed(f"{where}: the value is not base64", CORRECT) from None


def _decoded(value: str, where: str) -> str | Malformed:
    try:
        return _bytes(value, where).decode()
    except UnicodeDecodeError:  # it quotes the value
        return Malformed(f"{where}: the value is not text in UTF-8", CORRECT)
    except Malformed as err:
        return err


def _check_sizes(document: Mapping[str, Any], where: str) -> None:
    size = sum(len(_bytes(value, f"{key} in {where}")) for key, value in document["data"].items())
    size += sum(len(value.encode()) for value in document["stringData"].values())
    if size > LARGEST:
        raise Malformed(f"{where}: {size} bytes, and a Secret has at most {LARGEST}", "register into several Secrets")
    notes = sum(len(f"{key}{value}".encode()) for key, value in document["metadata"]["annotations"].items())
    if notes > LARGEST_NOTES:
        message = f"{where}: {notes} bytes of annotations, and it has at most {LARGEST_NOTES}"
        raise Malformed(message, "register into several Secrets")


def parse(text: str, where: str) -> Any:
    """What stands there. Raises Malformed for neither one document of YAML nor of JSON."""
    try:
        return loads_file(text) if _is_json(text) else load(text, YAML_1_1)
    except BadInput as err:
        raise Malformed(f"{err.at(where)}: neither one object in JSON nor in YAML", err.hint or CORRECT) from err


def dump(document: Mapping[str, Any], *, as_json: bool) -> str:
    """In the order that is given."""
    if as_json:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_text.dump(document)


def _is_json(text: str) -> bool:
    """True if it is to be read as JSON: PyYAML takes its surrogate pairs apart."""
    return text.lstrip().startswith("{")


def _is_text(item: object) -> bool:
    """Half of a surrogate pair is none, though JSON can spell it."""
    return isinstance(item, str) and not any("\ud800" <= sign <= "\udfff" for sign in item)
