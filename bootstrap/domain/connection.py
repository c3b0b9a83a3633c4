"""An Airflow connection as a value: its fields, and reading and writing them.

JSON is written, with `extra` as an object: it survives everything that Airflow accepts. URIs, which lose special
characters and nested extras, are only read, in the way of `airflow.models.connection.Connection._parse_from_uri`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, unquote

from bootstrap.domain.secret import fingerprint, mask
from bootstrap.domain.secret_shapes import own_parts
from bootstrap.domain.sensitive import looks_secret, secret_texts
from bootstrap.errors import Empty, Malformed
from bootstrap.util import urls
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads

FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port", "extra")
_PORTS = range(1, 65536)
_LABELS = {  # hooks' `hook_name`, where it is not the type in capitals
    "amazon_elastic_mapreduce": "emr",
    "amazon_redshift": "redshift",
    "amazon_s3": "aws",
    "amazon_web_services": "aws",
    "google_cloud": "google_cloud_platform",
    "google_bigquery": "gcpbigquery",
    "kubernetes_cluster_connection": "kubernetes",
    "microsoft_sql_server": "mssql",
}
_PORT = re.compile(r"0*[0-9]{1,5}")


@dataclass(frozen=True)
class Connection:
    """The fields of one connection. `extra` is a JSON object; None means that a field isn't set."""

    conn_type: str
    description: str | None = None
    host: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    port: int | None = None
    extra: Mapping[str, Any] | None = field(default=None, repr=False)

    def as_fields(self) -> dict[str, Any]:
        """The fields that are set, as Airflow's `Connection.from_json` and VaultBackend take them: no other key."""
        return {item.name: getattr(self, item.name) for item in fields(self) if getattr(self, item.name) is not None}

    def fingerprints(self) -> dict[str, str]:
        """A fingerprint for each field that is set; for `extra`, one for each of its keys (`extra.sslmode`)."""
        found = {name: fingerprint(value) for name, value in self.as_fields().items() if name != "extra"}
        return found | {f"extra.{key}": fingerprint(value) for key, value in (self.extra or {}).items()}

    def mask(self) -> None:
        """Mask this connection's secrets in all output from now on."""
        mask_login(self.login, self.password)
        plain = (self.host, self.schema, self.login, self.description)
        mask_secrets(self.conn_type, self.extra or {}, *filter(None, plain))


def mask_secrets(conn_type: str | None, extra: Any, *plain: str) -> None:
    """Mask what of `extra`, which is plain JSON data, is a secret, and fields that are none but hold one, as a webhook's URL."""
    for text in (*filter(looks_secret, plain), *secret_texts(extra, conn_type=conn_type)):
        for part in (text, *own_parts(text)):
            mask(part)


def mask_login(login: str | None, password: str | None) -> None:
    """Mask a password, and the form in which HTTP's basic authentication sends it."""
    if password:
        mask(password)
        mask(f"{login or ''}:{password}")


def from_text(text: str, where: str) -> Connection:
    """A whole connection from a URI or a JSON object. Raises Empty or Malformed; no message quotes the text."""
    stripped = text.strip()
    if not stripped:
        raise Empty(f"{where}: the value is empty", f"airflow-bootstrap store put {where}")
    if stripped.startswith("{"):
        try:
            document = loads(stripped)
        except BadInput as err:
            raise Malformed(f"{where}: neither a connection's JSON nor a URI: {err.problem}", _EXPECTED) from err
        return from_fields(document, where)
    return _from_uri(stripped, where)


def from_fields(values: Mapping[str, Any], where: str) -> Connection:
    """A whole connection from its fields. Raises Malformed for an unknown key, which would make Airflow say "isn't defined"."""
    if set(values) == {"conn_uri"} or set(values) == {"uri"}:
        return _from_uri(str(next(iter(values.values()))), where)
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise Malformed(f"{where}: an Airflow connection has no field {', '.join(map(repr, unknown))}", _EXPECTED)
    conn_type = values.get("conn_type")
    if not isinstance(conn_type, str) or not conn_type:
        raise Malformed(f"{where}: the connection has no conn_type", _EXPECTED)
    texts = {name: _text(values[name], name, where) for name in FIELDS[1:6] if values.get(name) is not None}
    return Connection(
        conn_type=normalize(conn_type),
        port=port_number(values.get("port"), where),
        extra=extra_object(values.get("extra"), where),
        **texts,
    )


_EXPECTED = f"expected a URI, or these fields: {', '.join(FIELDS)}"


def normalize(conn_type: str) -> str:
    """Airflow's own renaming of connection types (`Connection._normalize_conn_type`)."""
    return "postgres" if conn_type == "postgresql" else conn_type.replace("-", "_")


def likeliest(conn_type: str) -> str:
    """The type that is meant by one as people write it: `HTTP`, `Postgres`, `postgresql+psycopg2`, or a label of the UI's."""
    name = normalize(conn_type.strip().lower().partition("+")[0].replace(" ", "_"))
    return _LABELS.get(name, name)


def port_number(value: object, where: str) -> int | None:
    """A port from a number or from digits. Raises Malformed."""
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, bool) or not _PORT.fullmatch(text) or int(text) not in _PORTS:
        raise Malformed(f"{where}: the port is not a number from 1 to 65535", "store a number")
    return int(text)


def extra_object(value: object, where: str) -> Mapping[str, Any] | None:
    """`extra` as an object, from one or from its JSON. Raises Malformed."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = loads(value)
        except BadInput as err:
            why = "" if "JSON" in err.problem else f": {err.problem}"
            raise Malformed(f"{where}: extra is not valid JSON{why}", "store a JSON object") from err
    if not isinstance(value, Mapping):
        raise Malformed(f"{where}: extra is not a JSON object", "store a JSON object")
    return value


def _text(value: object, name: str, where: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{where}: {name} is not text", "store it in quotes, so that 00123 stays 00123")
    return value


def _from_uri(uri: str, where: str) -> Connection:
    scheme, separator, rest = uri.partition("://")
    if not separator or not scheme:
        raise Malformed(f"{where}: neither a connection's JSON nor a URI", _EXPECTED)
    inner, nested, _ = rest.partition("://")
    if rest.count("://") > 1 or (nested and ("@" in inner or ":" in inner)):
        raise Malformed(f"{where}: a URI that Airflow refuses, because of another :// in it", "write it as %3A%2F%2F")
    try:
        parts = urls.split(rest if nested else f"//{rest}")
    except urls.BadUrl as err:
        raise Malformed(f"{where}: the URI's host or port is not valid", "percent-encode special characters") from err
    host = unquote(parts.hostname or "")
    if "/" in host:  # a path keeps its capitals, as in Airflow's `_parse_netloc_to_hostname`
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    port = port_number(parts.port, where)
    query: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Connection(
        conn_type=normalize(scheme.lower()),
        host=(f"{parts.scheme}://{host}" if parts.scheme and host else host) or None,
        login=_unquoted(parts.username),
        password=_unquoted(parts.password),
        schema=unquote(parts.path[1:]) or None,
        port=port,
        extra=extra_object(query["__extra__"], where) if "__extra__" in query else query if parts.query else None,
    )


def query_types(uri: str) -> dict[str, str]:
    """The keys of a URI's query that Airflow 3's server reads as JSON, while its tasks keep the text: each with the type there."""
    values = dict(parse_qsl(uri.partition("?")[2].partition("#")[0], keep_blank_values=True))
    if "://" not in uri or "__extra__" in values:
        return {}
    return {key: kind for key, value in values.items() if (kind := _json_type(value))}


def _json_type(text: str) -> str:
    try:
        value = loads(text) if text else text
    except BadInput:
        return ""
    numbers = dict.fromkeys((int, float), "a number")
    names = {bool: "a boolean", **numbers, list: "a list", dict: "an object", str: "another text"}
    return "" if value == text else names.get(type(value), "null")


def _unquoted(value: str | None) -> str | None:
    return unquote(value) if value else None
