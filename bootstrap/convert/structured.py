"""Sources that are JSON or YAML: Airflow's exports, and lists as the REST API, `airflow connections list` or a person writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bootstrap.convert.found import Found
from bootstrap.domain import connection
from bootstrap.domain.connection import FIELDS, Connection
from bootstrap.errors import Malformed, UsageError
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads_file
from bootstrap.util.nearest import nearest
from bootstrap.util.yaml_data import load
from bootstrap.util.yaml_dialects import YAML_1_1, Dialect

_HELM = frozenset(
    {
        *("airflow", "airflowHome", "airflowVersion", "config", "createUserJob", "data", "defaultAirflowRepository"),
        *(
            "defaultAirflowTag",
            "dagProcessor",
            "dags",
            "env",
            "executor",
            "extraConfigMaps",
            "extraEnv",
            "extraEnvFrom",
        ),
        *("extraSecrets", "fernetKey", "fernetKeySecretName", "flower", "images", "ingress", "logs"),
        *("migrateDatabaseJob", "pgbouncer", "postgresql", "redis", "scheduler", "secret", "triggerer", "webserver"),
        *("webserverSecretKey", "workers"),
    }
)
_ENV_HINT = "write its AIRFLOW_CONN_ and AIRFLOW_VAR_ lines into a .env, and name that"
_SECTION = re.compile(r"\s*\[[a-z_]+\]\s*$")
_TABLE = re.compile(r"\s*(?:conn_id|id|key|connection.id)\s*[|,;\t]", re.IGNORECASE)


_NAMES = {  # other words for a field: the UI's, the REST API's, the Astro CLI's; as _plain has them
    **{name: name for name in (*FIELDS, "uri", "conn_uri", "conn_id", "extra_dejson")},
    **{f"conn_{name}": name for name in FIELDS if name != "conn_type"},
    "connection_id": "conn_id",
    "connection_type": "conn_type",
    "extras": "extra",
    "extra_fields_json": "extra",
    "connection_uri": "conn_uri",
}
_TOLD_BY_AIRFLOW = {"id", "is_encrypted", "is_extra_encrypted", "get_uri", "team_name", "connection_test_result"}
_IN_LIST = ("connections", "variables")


def loaded(text: str, name: str, dialect: Dialect = YAML_1_1) -> Any:
    """The data of a JSON or YAML text, as the program reads it whose it is. Raises UsageError, which quotes none of it."""
    try:
        return loads_file(text) if text.lstrip().startswith("{") else load(text, dialect)
    except BadInput as err:
        raise UsageError(err.at(name), err.hint or "export it again") from err


def refuse_data(data: Any, name: str) -> None:
    """Raises UsageError for what people mistake for an export, whatever format was said."""
    if not isinstance(data, Mapping):
        return
    services = data.get("services")
    if isinstance(services, Mapping) and all(isinstance(item, Mapping) for item in services.values()):
        raise UsageError(f"{name} looks like a compose file", _ENV_HINT)
    if isinstance(data.get("apiVersion"), str) and isinstance(data.get("kind"), str):
        raise UsageError(f"{name} looks like a manifest of Kubernetes ({data['kind']})", _ENV_HINT)
    typed = any(isinstance(item, Mapping) and "conn_type" in item for item in data.values())
    if len(_HELM & set(data)) > 1 and not typed:
        raise UsageError(f"{name} looks like a Helm chart's values", _ENV_HINT)
    if "version" in data and {"stores", "backend", "register", "connections"} & set(data):
        raise UsageError(f"{name} is a manifest of airflow-bootstrap already", f"airflow-bootstrap -f {name} up")


def refuse_text(text: str, name: str) -> None:
    """The same for a text that isn't JSON or YAML. Raises UsageError."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]
    if lines and _SECTION.match(lines[0]):
        message = f"{name} looks like an airflow.cfg, which holds no connections"
        raise UsageError(message, "metadata:AIRFLOW_HOME reads its database")
    if lines and _TABLE.match(lines[0]):
        raise UsageError(f"{name} looks like a table", "airflow connections export connections.json")


def _mapping(data: Any, name: str) -> Mapping[str, Any]:
    """What an export is. Raises UsageError."""
    refuse_data(data, name)
    if not isinstance(data, Mapping):
        raise UsageError(f"{name}: expected a mapping of names to connections or variables", "check the file")
    return data


def kind_of(data: Any, name: str) -> str:
    """Connections or variables: the format's name. Raises UsageError where it may be either, or is neither."""
    refuse_data(data, name)
    listed = _named(data, name)
    if len(listed) > 1:
        raise UsageError(f"{name}: connections and variables", "use --format connections or --format variables")
    if listed:
        return next(iter(listed))
    found = _mapping(data, name)
    connections = [_is_connection(value) for value in found.values()]
    strings = [isinstance(value, str) and "://" in value for value in found.values()]
    if any(connections) and all(one or other for one, other in zip(connections, strings, strict=True)):
        return "connections"
    if any(connections) or (strings and all(strings)):
        raise UsageError(f"{name}: connections, or variables?", "use --format connections or --format variables")
    return "variables"


def _is_connection(value: object) -> bool:
    """True if it can be nothing but a connection as Airflow exports one, or as people write it."""
    value = _single(value)
    return isinstance(value, Mapping) and (bool({"conn_uri", "uri"} & set(value)) or _is_entry(value))


def _single(value: object) -> object:
    """Of a list of one, that: so Airflow's files for LocalFilesystemBackend may have a connection."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def connections(data: Any, name: str) -> Found:
    """Each by its conn_id: fields, or a URI, or JSON text."""
    found = Found()
    listed = _named(data, name).get("connections")
    for conn_id, given in (_mapping(data, name) if listed is None else listed).items():
        where, value = f"{name}: {conn_id}", _single(given)
        uri = value.get("conn_uri") or value.get("uri") if isinstance(value, Mapping) else value
        found.add_connection(conn_id, where, partial(_connection, conn_id, value, where), uri=uri)
    # what Airflow's API and lists put in the place of a secret is taken as a gap, and here is why
    hidden = [conn_id for conn_id, item in found.connections.items() if item.password == "***"]  # noqa: S105
    if hidden:
        found.notes.append(
            f"{name}: Airflow hides the secrets of {', '.join(hidden)}: `airflow connections export` shows them"
        )
    return found


def _connection(conn_id: str, value: object, where: str) -> Connection:
    if isinstance(value, str):
        return connection.from_text(value, where)
    if not isinstance(value, Mapping):
        raise Malformed(f"{where}: neither a connection's fields nor a URI", "export it again")
    fields = _fields(value, where)
    if fields.get("conn_id") in (None, "", conn_id):
        fields.pop("conn_id", None)
    dejson = fields.pop("extra_dejson", None)
    if dejson not in (None, "", {}) and fields.get("extra") in (None, ""):
        fields["extra"] = dejson
    return connection.from_fields(fields, where)


def variables(data: Any, name: str) -> Found:
    """Each by its key; `{"value": …, "description": …}` is Airflow's way to export a description, too."""
    found = Found()
    listed = _named(data, name).get("variables") if not _is_entry(data) else None
    for key, value in (_mapping(data, name) if listed is None else listed).items():
        described = isinstance(value, Mapping) and "value" in value
        if described and value.get("description"):
            found.notes.append(f"{name}: the description of variable {key} is left out")
        found.add_variable(key, f"{name}: {key}", value["value"] if described else value)
    return found


def _named(data: Any, name: str) -> dict[str, dict[str, Any]]:
    """The entries of each kind, by their names, where data is lists of them; {} where it is something else.

    Raises UsageError for entries without a name, and for those that only name what there is.
    """
    if isinstance(data, Mapping) and set(data) <= {*_IN_LIST, "total_entries"} and any(map(_is_list, data.values())):
        return {kind: _by_name(data[kind], name) for kind in _IN_LIST if _is_list(data.get(kind))}
    if _is_list(data):
        kind = "variables" if all("key" in map(plain, item) for item in data) else "connections"
        return {kind: _by_name(data, name)}
    if isinstance(data, Mapping) and _is_entry(data):
        return {"connections": _by_name([data], name)}
    return {}


def _is_entry(value: object) -> bool:
    """True for one connection: its keys are names of fields, in some spelling, and their values are not mappings."""
    if not isinstance(value, Mapping) or not value:
        return False
    keys = {_NAMES.get(plain(key)) for key in value}
    return "conn_type" in keys and not any(
        isinstance(item, Mapping) for key, item in value.items() if "extra" not in plain(key)
    )


def _fields(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A connection's fields by Airflow's names for them, and whatever else stands there. Raises Malformed."""
    made: dict[str, Any] = {}
    for key, value in entry.items():
        if plain(key) in _TOLD_BY_AIRFLOW:
            continue
        name = _NAMES.get(plain(key))
        if name is None:
            near = nearest(plain(key), _NAMES)
            message = f"{where}: no field of a connection: {key!r}"
            raise Malformed(message, f"did you mean {near!r}?" if near else "leave it out")
        if made.get(name) not in (None, "") and value not in (None, ""):
            raise Malformed(f"{where}: {name} appears twice", "keep one of them")
        made[name] = value if name not in made or value not in (None, "") else made[name]
    return made


def plain(key: object) -> str:
    """`Connection Id`, `connection-id` and `connectionId` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key).strip())
    return re.sub(r"[\s_-]+", "_", spaced).lower()


def _is_list(data: object) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(item, Mapping) for item in data)


def _by_name(entries: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        by_word = {_NAMES.get(plain(key), plain(key)): key for key in entry}
        word = by_word.get("conn_id") or by_word.get("key")
        if word is None or not isinstance(entry[word], str) or not entry[word]:
            looks = (
                "one connection without a name"
                if len(entries) == 1
                else f"connections, and number {index + 1} has no conn_id"
            )
            raise UsageError(f"{name} looks like {looks}", 'name it: {"NAME": {"conn_type": …}}')
        if set(by_word) <= {"conn_id", "conn_type", "key", "id"}:
            raise UsageError(
                f"{name} is a listing, as `airflow connections list` and `airflow variables list` print: it lacks fields",
                "airflow connections export connections.json; airflow variables export variables.json",
            )
        if entry[word] in found:
            raise UsageError(f"{name}: {entry[word]} appears twice", "keep one of them")
        found[entry[word]] = {key: item for key, item in entry.items() if key != word}
    return found
