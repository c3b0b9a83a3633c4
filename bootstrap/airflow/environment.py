"""The Airflow on this machine, seen from outside: nothing here imports it.

Providers' connection types come from each distribution's own `get_provider_info`, run by path (0.1 s in all); loading
the entry point would import Airflow (1.5 s).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from bootstrap.domain.secret import Secret, foreign
from bootstrap.errors import AirflowError
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.secret_variables import secret_variables
from bootstrap.util import children, distributions
from bootstrap.util.files import expanded, state_folder
from bootstrap.util.special_files import is_special
from bootstrap.util.urls import has_login

_UNUSABLE = "%$?"  # %(name)s and $NAME are variables in airflow.cfg, and ? ends the file's name in SQLite's URL
_ASCII = 127
_MOVE = {True: "say another airflow.home in the manifest, or move the project", False: "move the project"}


@dataclass(frozen=True)
class Environment:
    """Where the bootstrapped Airflow lives, and what its processes get to see.

    `secrets` are variables that they need and that no process list may show: they get them through a pipe.
    """

    home: Path
    config: Path
    variables: Mapping[str, str]
    state: Path
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    database_elsewhere: bool = False  # the manifest's `config:` says where the metadata database is

    @property
    def records(self) -> Path:
        """Where it is kept what airflow.cfg was before."""
        return self.state / "render"

    @property
    def initialised(self) -> bool:
        """Whether the home has an airflow.cfg, which a new one gets last."""
        return self.config.exists()

    @property
    def keeps_own_database(self) -> bool:
        """Whether the metadata database is the home's own SQLite file, as far as the manifest and the environment say."""
        prefix = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        return not self.database_elsewhere and not any(
            name.startswith(prefix) for name in {**os.environ, **self.variables, **self.secrets}
        )

    def child(self, **more: str) -> dict[str, str]:
        """The environment of an Airflow process: this one's without secrets, the manifest's, and `more`."""
        own = children.environment(self.secrets)
        direct = ",".join(filter(None, (own.get("NO_PROXY") or own.get("no_proxy"), "127.0.0.1,localhost")))
        return {
            **own,
            "NO_PROXY": direct,  # the embedded store and local systems are never behind a proxy
            "no_proxy": direct,
            **self.variables,
            "PATH": os.pathsep.join([own.get("PATH", os.defpath), str(Path(sys.executable).parent)]),  # spark-submit
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONFIG": str(self.config),
            "PYTHONWARNINGS": "ignore",
            **more,
        }

    def pipe(self) -> str:
        """What an Airflow process reads from stdin: `secrets` as JSON. A host among them stays readable in messages."""
        return json.dumps({name: value.unmasked() for name, value in self.secrets.items()})

    def with_secrets(self, more: Mapping[str, Secret]) -> Environment:
        """The same with more variables that no process list may show."""
        return replace(self, secrets={**self.secrets, **more})


def locate(manifest: Manifest) -> Environment:
    """The manifest's home, else $AIRFLOW_HOME, else ~/airflow; the configuration in it, or at $AIRFLOW_CONFIG."""
    if manifest.airflow.home is not None:
        home = (manifest.folder / expanded(manifest.airflow.home)).absolute()
        config = home / "airflow.cfg"
    else:
        home = expanded(os.environ.get("AIRFLOW_HOME") or "~/airflow").absolute()
        config = expanded(os.environ.get("AIRFLOW_CONFIG") or home / "airflow.cfg")
    state = state_folder(manifest.folder.absolute())
    elsewhere = "sql_alchemy_conn" in manifest.config.get("database", {})
    folder = manifest.folder.absolute()  # to which all paths of the manifest are relative
    variables = {
        name: children.python_path(value, folder) if name == "PYTHONPATH" else value
        for name, value in manifest.airflow.env.items()
        if not children.is_ours(name)
    }
    hidden = {name: Secret(value) for name, value in variables.items() if has_login(value)}  # with --allow-plaintext
    public = {name: value for name, value in variables.items() if name not in hidden}
    return Environment(home, config, public, state, {**secret_variables(manifest), **hidden}, elsewhere)


@cache
def installed_version() -> str | None:
    """Airflow's version, or None where it isn't installed beside this tool."""
    return distributions.version("apache-airflow-core") or distributions.version("apache-airflow")


def require_usable_paths(environment: Environment) -> None:
    """Raises AirflowError for a folder that Airflow can't work in, or would take for another: it fills in variables in paths.

    So for an airflow.cfg that it would wait for.
    """
    if is_special(environment.config):
        raise AirflowError(f"{environment.config} is not a regular file: Airflow would wait for it", "put a file there")
    for folder in (environment.home, environment.state):
        for sign in str(folder):
            if sign in _UNUSABLE or not (sign.isprintable() or ord(sign) > _ASCII):
                message = f"Airflow can't work in {foreign(folder)}: in its paths, {sign!r} means something else"
                raise AirflowError(message, f"use a folder without it: {_MOVE[folder == environment.home]}")


def require_airflow(environment: Environment) -> None:
    """Raises AirflowError unless Airflow is installed and its home is there."""
    if installed_version() is None:
        raise AirflowError("Airflow is not installed beside this tool", "pip install 'airflow-bootstrap[airflow]'")
    require_usable_paths(environment)
    if not environment.initialised:
        raise AirflowError(f"there is no {environment.config}", "airflow-bootstrap up")
