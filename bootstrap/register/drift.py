"""Detects drift: whether registered connections and airflow.cfg still match the manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap.airflow.environment import Environment
from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.errors import AirflowError, BootstrapError, Denied, Exit, StoreError, Undecryptable
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import find_references
from bootstrap.register.plan import plan, worst
from bootstrap.render import cfg_file, shadows
from bootstrap.render.settings import settings
from bootstrap.render.shadows import Shadowed
from bootstrap.targets.base import Key


@dataclass(frozen=True)
class Drift:
    """What differs (connections, or "airflow.cfg"), and what could not be compared and why.

    `registered` are the connections without a difference: Airflow must find them just so, but for the fields that are `unsettled`:
    what comes from a store may be rotated at any time. `overriding` are variables that Airflow reads before airflow.cfg.
    """

    differing: tuple[str, ...] = ()
    errors: tuple[BootstrapError, ...] = ()
    registered: Mapping[str, Connection] = field(default_factory=dict)
    unsettled: Mapping[str, Collection[str]] = field(default_factory=dict)
    overriding: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """A store that refused the comparison proves nothing wrong: who only smokes may not read every source."""
        found = worst(err for err in self.errors if not isinstance(err, Denied))
        return max(found, Exit.FAILED) if self.differing or self.overriding else found

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to tell the user."""
        said = tuple(f"not compared with the manifest: {err.message}" for err in self.errors)
        if self.overriding:
            said = (f"{shadows.overriding(self.overriding)}: unset {' '.join(self.overriding)}", *said)
        if not self.differing:
            return said
        names = ", ".join(self.differing)
        command = "register"
        if "airflow.cfg" in self.differing:
            command = "render" if len(self.differing) == 1 else "up"
        return (f"differs from the manifest: {names}. Run airflow-bootstrap {command}", *said)


def find(manifest: Manifest, environment: Environment, secrets: SecretReader) -> Drift:
    """Compare everything that can be compared; a store that fails is noted, not raised."""
    differing: list[str] = []
    errors: list[BootstrapError] = []
    overriding: list[str] = []
    if manifest.decides_airflow_cfg:
        try:
            wanted = settings(manifest)
            rendering = cfg_file.render(wanted, environment.config)
            differing += ["airflow.cfg"] if rendering.changed or rendering.shadows else []
            overriding = shadows.in_environment(cfg_file.managed(wanted), wanted, environment)
        except (StoreError, Shadowed) as err:
            errors.append(err)
    for target in manifest.register:
        try:
            found = plan(manifest, secrets, target)
        except (StoreError, AirflowError) as err:
            errors.append(err)
            continue
        unknown = [err for err in found.conflicts.values() if isinstance(err, Undecryptable)]
        conflicts = (key for key, err in found.conflicts.items() if err not in unknown)
        differing += [str(key) for key in (*(change.key for change in found.pending), *conflicts)]
        errors += [*found.errors.values(), *unknown]
    return Drift(
        tuple(differing),
        tuple(errors),
        registered(manifest, secrets, differing),
        {
            conn_id: {_field(path) for path, _ in find_references(spec)}
            for conn_id, spec in manifest.connections.items()
        },
        tuple(overriding),
    )


def registered(manifest: Manifest, secrets: SecretReader, differing: Collection[str] = ()) -> Mapping[str, Connection]:
    """The connections of checks that are registered, as the manifest says that they are; without those that differ."""
    if not manifest.register:
        return {}
    specs = (spec for found in manifest.checks.values() for spec in found)
    checked = dict.fromkeys(conn_id for spec in specs for conn_id in (spec.connection, *spec.params.connections))
    resolved = resolve_all(manifest, secrets, checked)
    return {
        conn_id: item
        for conn_id, item in resolved.items()
        if isinstance(item, Connection) and str(Key("connection", conn_id)) not in differing
    }


def _field(path: Sequence[Any]) -> str:
    """The field of a connection that a reference stands in, or the key of `extra`; "" for all of it, "extra." for all of these."""
    if path[0] == "from":
        return ""
    if path[0] != "extra":
        return str(path[0])
    return f"extra.{path[1]}" if len(path) > 1 and path[1] != "secret" else "extra."
