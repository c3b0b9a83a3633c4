"""Tells whether the Airflow on this machine can find what is registered: some targets belong to another Airflow."""

from __future__ import annotations

from bootstrap import plugins
from bootstrap.airflow.environment import Environment
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.kind import OfAnotherAirflow, TargetKind


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
