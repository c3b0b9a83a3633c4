"""Whether the Airflow on this machine can find what is registered, and whether a check gets it from where the manifest says.

A variable of the user's, or an old copy, could stand before it: then a check would prove another connection. What it should be
goes to the check's process as digests; their key, of this one run, through a pipe.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap import plugins
from bootstrap.airflow.environment import Environment
from bootstrap.checks.base import Cause, Diagnosed
from bootstrap.domain.connection import Connection, normalize
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.secret_variables import GivesVariables
from bootstrap.render.settings import settings
from bootstrap.stores.kind import known_in_airflow
from bootstrap.targets.kind import OfAnotherAirflow, TargetKind
from bootstrap.util.json_text import canonical, loads

_EXTRA = "extra."
_SOURCES = {"backend": "backend", "file": "backend", "metadata": "database"}
_TEXTS = ("host", "login", "password", "schema")


def expecting(
    manifest: Manifest, connections: Mapping[str, Connection], unsettled: Mapping[str, Collection[str]], key: str
) -> dict[str, Any]:
    """Where connections must come from, and what these must be, but for `unsettled`: plain data without a secret, for `require`.

    `key`: of the digests. Raises ManifestError, StoreError.
    """
    found = settings(manifest) if manifest.backend is not None else None
    serving = (found.secrets, found.workers) if found is not None else ()
    return {
        "targets": [target.name for target in manifest.register],
        "sources": _sources(manifest),
        "backends": [{"class": it.backend_class, "kwargs": place(it.kwargs)} for it in serving if it is not None],
        "unsettled": {conn_id: sorted(unsettled.get(conn_id, ())) for conn_id in connections},
        "digests": {conn_id: dict(_digests(key, found, found.extra or {})) for conn_id, found in connections.items()},
    }


def _sources(manifest: Manifest) -> list[str] | None:
    """Those of Airflow's sources that may have them; None: the manifest doesn't say."""
    here = set[str | None]()
    for name in (target.name for target in manifest.register if not is_remote(target.name)):
        gives_variables = isinstance(plugins.TARGETS.get(name, TargetKind), GivesVariables)
        here.add("environment" if gives_variables else _SOURCES.get(name))
    if not manifest.register or None in here:
        return None
    return sorted({*filter(None, here), *(["backend"] if manifest.backend is not None else [])})


def place(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a backend's keyword arguments that say where its store is."""
    return {name: kwargs.get(name) for kind in known_in_airflow() for name in kind.PLACE}


def require(conn_id: str, conn: Any, backend: Any, label: str, told: Mapping[str, Any], key: str) -> None:
    """Raises Diagnosed if Airflow's connection is another than `expecting` told, or from elsewhere."""
    if not told:
        return
    _require_source(conn_id, backend, label, told)
    wanted = told["digests"].get(conn_id)
    if wanted is None:
        return
    found = dict(_digests(key, conn, conn.extra_dejson))
    unsettled = told["unsettled"][conn_id]
    prefixes = tuple({"", "extra."} & {*unsettled})
    names = [it for it in sorted({*wanted, *found}) if it not in unsettled and not it.startswith(prefixes)]
    differing = [name for name in names if wanted.get(name) != found.get(name)]
    if differing:
        what = f"Airflow finds another connection in {label} than the one that was registered: {', '.join(differing)}"
        raise Diagnosed(Cause("check_error", f"{what} differ{'s' * (len(differing) == 1)}", _explain(conn_id)))


def _require_source(conn_id: str, backend: Any, label: str, told: Mapping[str, Any]) -> None:
    from bootstrap.explain.chain import named
    from bootstrap.explain.sources import source_name

    source = source_name(backend).replace("execution_api", "database")
    if told["sources"] is not None and source not in told["sources"]:
        message = f"Airflow finds {conn_id!r} in its {label}, where the manifest has not registered it ({', '.join(told['targets'])})"
        raise Diagnosed(Cause("check_error", message, _explain(conn_id)))
    known = [{**wanted, "name": "known"} for wanted in told["backends"]]
    if source == "backend" and known and not any(named(backend, wanted) for wanted in known):
        message = f"Airflow asks another secrets backend than the manifest says: {type(backend).__name__}"
        raise Diagnosed(Cause("check_error", message, "airflow-bootstrap doctor  # shows what overrides airflow.cfg"))


def advice(told: Mapping[str, Any]) -> str:
    """What to do about a connection that is registered and that Airflow can't find; "" if nothing special."""
    if told.get("sources") == ["backend"] and not told["backends"]:  # in a `file` alone
        return (
            "name the file in `backend:`, so that Airflow's LocalFilesystemBackend reads it; docs/targets.md shows how"
        )
    return ""


def _explain(conn_id: str) -> str:
    return f"airflow-bootstrap explain {conn_id}"


def _digests(key: str, conn: Any, extra: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of each field that is set, and of each key of `extra`: what is empty is as good as not there, to every hook."""
    values = {name: getattr(conn, name) or "" for name in _TEXTS}
    values |= {"conn_type": normalize(conn.conn_type or ""), "port": int(conn.port or 0)}
    values |= {f"extra.{name}": value for name, value in extra.items()}
    for name, value in values.items():
        if value or name.startswith("extra."):
            yield name, digest(key, value)


def digest(key: str, value: Any) -> str:
    """Of plain JSON data; whoever lacks the key can't tell by it what the value may be."""
    return hmac.new(key.encode(), canonical(value).encode(), "sha256").hexdigest()


def elsewhere(manifest: Manifest) -> str:
    """Why only another Airflow has the connections; "" where this one may have them."""
    names = [target.name for target in manifest.register]
    if not names or not all(map(is_remote, names)):
        return ""
    return f"it is registered with {' and '.join(names)} only, where the Airflow on this machine can't look"


def has_rows(manifest: Manifest) -> bool:
    """True if connections are registered in the metadata database."""
    return any(target.name == "metadata" for target in manifest.register)


def may_have_rows(manifest: Manifest, environment: Environment) -> bool:
    """True if an Airflow that has no secrets backend could find one there, where the manifest doesn't say what is registered."""
    if manifest.register or manifest.backend is not None:
        return has_rows(manifest)
    given = {**environment.child(), **environment.secrets}
    return any(f"AIRFLOW_CONN_{conn_id.upper()}" not in given for conn_id in manifest.connections)


def is_remote(name: str) -> bool:
    """True if the target of this name puts them where the Airflow on this machine can't look."""
    kind = plugins.TARGETS.get(name, TargetKind)
    return isinstance(kind, OfAnotherAirflow) and kind.ELSEWHERE


@dataclass(frozen=True)
class ExpectedKey:
    """What these fields of each connection must be: told by a rotation, of the key that it puts in use."""

    connections: Mapping[str, Connection] = field(default_factory=dict)
    fields: Sequence[str] = ()

    def told(self, key: str) -> dict[str, Any]:
        """What a check's process learns of it: plain data without a secret, for `require`. `key`: of the digests."""
        digests = {
            conn_id: digest(key, [_field(conn, conn.extra or {}, field) for field in self.fields])
            for conn_id, conn in self.connections.items()
        }
        return {"fields": list(self.fields), "digests": digests}


NO_KEY = ExpectedKey()


def require_key(conn_id: str, conn: Any, source: str, told: Mapping[str, Any], key: str) -> None:
    """Raises Diagnosed if Airflow's connection is another than the one expected, where one is."""
    wanted = told.get("digests", {}).get(conn_id)
    if wanted is None:
        return
    found = digest(key, [_field(conn, conn.extra_dejson, field) for field in told["fields"]])
    if not hmac.compare_digest(found, wanted):
        message = f"Airflow finds another key in {source} than the one that is put in use"
        raise Diagnosed(Cause("check_error", message, f"airflow-bootstrap explain {conn_id}"))


def _field(conn: Any, extra: Mapping[str, Any], field: str) -> Any:
    value = extra.get(field.removeprefix(_EXTRA)) if field.startswith(_EXTRA) else getattr(conn, field)
    try:
        return loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    except ValueError:
        return value
