"""Interprets a secret as a whole connection or as a raw value; it is an error where both are possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bootstrap.domain import connection
from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed
from bootstrap.stores.base import Stored, pick_field
from bootstrap.stores.structured import json_object
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads

_URIS = ("conn_uri", "uri")  # a field that holds the whole connection
_GOOGLE = "google_cloud_platform"


def whole(stored: Stored, reference: Reference, conn_type: str | None) -> Connection:
    """The connection that `from:` brings: a URI, JSON, fields, `conn_uri`; or a service account's key. Raises Malformed.

    `conn_type` is what the manifest says it is, if it says anything.
    """
    where = str(reference)
    text = pick_field(stored, where, reference.field).unmasked()
    document = json_object(text)
    if document is not None and document.get("type") == "service_account":
        return _of_key(document, text, where, conn_type)
    if stored.wording is not None and reference.field is None:
        return worded(stored, where)
    if document is not None:
        _one_reading(document, where)
    elif text.lstrip().startswith("-----BEGIN "):
        message = f"{where}: a PEM, not a connection"
        raise Malformed(message, f'name it where it belongs: {{secret: "{where}"}} in extra')
    elif "://" not in text:
        hint = f'for a password write password: {{secret: "{where}"}} beside conn_type, host and login'
        raise Malformed(f"{where}: neither a connection's JSON nor a URI", hint)
    return connection.from_text(text, where)


def worded(stored: Stored, where: str) -> Connection:
    """The connection that Airflow's backend of the store makes of a whole secret. Raises Malformed or Empty."""
    text = pick_field(stored, where, None).unmasked()
    if stored.wording is None or not text.lstrip().startswith(("{", "[")):
        return connection.from_text(text, where)
    try:
        document = stored.wording(loads(text))
    except BadInput as err:
        raise Malformed(f"{where}: not a connection's JSON: {err.problem}", "store it again") from err
    if not isinstance(document, Mapping):
        raise Malformed(f"{where}: neither a connection's fields nor a URI", "store a JSON object")
    _one_reading(document, where)
    return connection.from_fields(document, where)


def raw(stored: Stored, reference: Reference, name: str) -> Secret:
    """The value of the connection's field `name` ("password", "extra.token"), or of a variable. Raises Malformed where it may be a connection."""
    where = str(reference)
    value = pick_field(stored, where, reference.field)
    if reference.field is not None:
        return value
    fields = stored.fields if stored.fields is not None and set(stored.fields) != {"value"} else None
    if fields is not None and (set(_URIS) & set(fields) or "conn_type" in fields):
        raise _ambiguous(where, name, f"fields: {_names(fields)}")
    if name.startswith(("extra", "variables.")):
        return value  # a JSON document or a URL may well be what belongs there
    if fields is not None:
        hint = f"name the field: {where}#{'password' if 'password' in fields else next(iter(fields), 'FIELD')}"
        raise Malformed(f"{where}: has fields ({_names(fields)}), and {name} is one value", hint)
    if name in {"login", "password"} and (found := _of_uri(value.unmasked(), where)):
        raise _ambiguous(where, name, found)
    return value


def _ambiguous(where: str, name: str, seen: str) -> Malformed:
    return Malformed(
        f"{where}: can be read in two ways: as a whole connection ({seen}), or as the text of {name}",
        f'write from: {{secret: "{where}"}} for the connection, or {where}#value for the text as it is',
    )


def _of_uri(text: str, where: str) -> str:
    """What a text sets when it is read as a connection's URI; '' for a text that nobody would read so."""
    if "://" not in text or len(text.splitlines()) > 1:
        return ""
    try:
        found = connection.from_text(text, where)
    except Malformed:
        return ""
    if not (found.host and (found.login or found.password)):
        return ""
    return f"{found.conn_type}; {_names(found.as_fields())} are set"


def _one_reading(document: Mapping[str, Any], where: str) -> None:
    """Airflow takes `conn_uri` and forgets the fields beside it. Raises Malformed where there are any."""
    uri = next((key for key in _URIS if key in document), None)
    beside = sorted(set(document) & set(FIELDS))
    if uri is not None and beside:
        message = f"{where}: can be read in two ways: as `{uri}`, or as fields: {', '.join(beside)}"
        raise Malformed(message, "keep one of them in the secret")


def _of_key(key: Mapping[str, Any], text: str, where: str, conn_type: str | None) -> Connection:
    if conn_type != _GOOGLE:
        message = f"{where}: a service account's key, not a connection"
        raise Malformed(message, f"set conn_type: {_GOOGLE} beside `from`")
    made = Connection(conn_type=_GOOGLE, extra={"keyfile_dict": text})
    project = key.get("project_id")
    return replace(made, extra={"project": project, "keyfile_dict": text}) if isinstance(project, str) else made


def _names(fields: Mapping[str, Any]) -> str:
    return ", ".join(sorted(fields))
