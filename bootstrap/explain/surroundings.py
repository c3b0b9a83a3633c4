"""Finds what overrides the manifest: variables, options in airflow.cfg, its encoding, another package named bootstrap."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bootstrap.airflow.environment import Environment
from bootstrap.domain.connection import Connection, from_text
from bootstrap.errors import AirflowError, Exit, Finding, ManifestError, StoreError, failed
from bootstrap.manifest.loader import Manifest
from bootstrap.render import cfg_file, shadows
from bootstrap.render.settings import settings
from bootstrap.render.shadows import Shadowed
from bootstrap.targets.env import PREFIXES
from bootstrap.util import children
from bootstrap.util.files import shown


def examine(manifest: Manifest, environment: Environment) -> Iterator[Finding]:
    """Each finding as it is made."""
    yield from _namesakes(manifest, environment)
    try:
        cfg_file.require_readable(environment.config)
        if manifest.decides_airflow_cfg:
            yield from _shadows(manifest, environment)
    except AirflowError as err:
        yield failed("airflow.cfg", err)
    except (StoreError, ManifestError):  # what `settings` refuses has been told
        return


def connections(manifest: Manifest, environment: Environment, wanted: Mapping[str, Connection]) -> Iterator[Finding]:
    """Variables with another connection than the one that is registered where Airflow looks later, or is loaded from a file."""
    names = {target.name for target in manifest.register}
    if names & {"backend", "file"} or not names & {"env", "metadata"}:
        return  # Airflow asks its backend first
    given = environment.child()
    for conn_id, item in wanted.items():
        name = f"{PREFIXES['connection']}{conn_id.upper()}"
        if name not in given or _holds(given[name], item):
            continue
        message = f"{name} in the environment is another connection than the manifest's"
        if "env" in names:
            yield Finding(f"connection {conn_id}", message, "load the registered variables again", warning=True)
        else:
            message += ", and Airflow reads it first"
            yield Finding(f"connection {conn_id}", message, f"unset {name}", Exit.FAILED)


def _holds(text: str, wanted: Connection) -> bool:
    try:
        return replace(from_text(text, ""), description=None) == replace(wanted, description=None)
    except StoreError:
        return False


def _shadows(manifest: Manifest, environment: Environment) -> Iterator[Finding]:
    """What Airflow would read before the options that the manifest decides."""
    wanted = settings(manifest)
    for name in shadows.in_environment(cfg_file.managed(wanted), wanted, environment):
        yield Finding("environment", f"{name} overrides airflow.cfg", f"unset {name}", Exit.FAILED)
    try:
        cfg_file.require_no_shadow(cfg_file.render(wanted, environment.config))
    except Shadowed as err:
        yield Finding("airflow.cfg", err.message, err.hint, warning=True)


def _namesakes(manifest: Manifest, environment: Environment) -> Iterator[Finding]:
    """Packages of the user's that no process of ours can import."""
    folders = [
        str(manifest.folder.absolute()),
        *(str(environment.home / name) for name in ("dags", "plugins", "config")),
    ]
    if manifest.airflow.dags is not None:
        folders.append(str((manifest.folder / manifest.airflow.dags).absolute()))
    path = environment.child().get("PYTHONPATH", "").split(os.pathsep)
    for found in children.namesakes([*filter(None, path), *sys.path[1:], *folders]):
        message = f"{shown(found)} is called as this tool's own package, which checks get in its place"
        hint = "rename it, if a check, a DAG or a backend imports it"
        yield Finding("package bootstrap", message, hint, warning=True)
