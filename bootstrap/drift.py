"""Whether what is registered, and what airflow.cfg says, still is what the manifest says."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap import airflow_cfg
from bootstrap.airflow_env import Environment
from bootstrap.airflow_settings import settings
from bootstrap.desired import Secrets
from bootstrap.errors import AirflowError, BootstrapError, Denied, Exit, StoreError, Undecryptable
from bootstrap.manifest import Manifest
from bootstrap.plan import plan, worst


@dataclass(frozen=True)
class Drift:
    """What differs (connections, or "airflow.cfg"), and what could not be compared and why."""

    differing: tuple[str, ...] = ()
    errors: tuple[BootstrapError, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """A store that refused the comparison proves nothing wrong: who only smokes may not read every source."""
        found = worst(err for err in self.errors if not isinstance(err, Denied))
        return max(found, Exit.FAILED) if self.differing else found

    @property
    def sentences(self) -> tuple[str, ...]:
        """What to tell the user."""
        said = tuple(f"not compared with the manifest: {err.message}" for err in self.errors)
        if not self.differing:
            return said
        names = ", ".join(self.differing)
        command = "register"
        if "airflow.cfg" in self.differing:
            command = "render" if len(self.differing) == 1 else "up"
        return (f"differs from the manifest: {names}. Run airflow-bootstrap {command}", *said)


def find(manifest: Manifest, environment: Environment, secrets: Secrets) -> Drift:
    """Compare everything that can be compared; a store that fails is noted, not raised."""
    differing: list[str] = []
    errors: list[BootstrapError] = []
    if manifest.decides_airflow_cfg:
        try:
            rendering = airflow_cfg.render(settings(manifest), environment.config)
            differing += ["airflow.cfg"] if rendering.changed else []
        except StoreError as err:
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
    return Drift(tuple(differing), tuple(errors))
