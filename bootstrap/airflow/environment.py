"""The Airflow on this machine, seen from outside: nothing here imports it.

Providers' connection types come from each distribution's own `get_provider_info`, run by path (0.1 s in all); loading
the entry point would import Airflow (1.5 s).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.airflow import conn_type_table
from bootstrap.airflow.answer import answer_in
from bootstrap.airflow.secret_variables import secret_variables
from bootstrap.domain.secret import Secret, foreign
from bootstrap.errors import AirflowError
from bootstrap.manifest.loader import Manifest
from bootstrap.util import children, distributions, git
from bootstrap.util.files import PRIVATE_FILE, airflow_home, expanded, private_folder, state_folder
from bootstrap.util.logins import has_login
from bootstrap.util.special_files import is_special

if TYPE_CHECKING:
    import subprocess

_UNUSABLE = "%$?"  # %(name)s and $NAME are variables in airflow.cfg, and ? ends the file's name in SQLite's URL
_WHOLE = ("PRAGMA quick_check(1)", "SELECT count(*) FROM alembic_version")
_ASCII = 127
_MOVE = {True: "say another airflow.home in the manifest, or move the project", False: "move the project"}
COMMAND_TIMEOUT = 300.0  # seconds for one Airflow command


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
        return json.dumps({name: value.as_public() for name, value in self.secrets.items()})

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
    variables = _variables(manifest)
    hidden = {name: Secret(value) for name, value in variables.items() if has_login(value)}  # with --allow-plaintext
    public = {name: value for name, value in variables.items() if name not in hidden}
    return Environment(home, config, public, state, {**secret_variables(manifest), **hidden}, elsewhere)


def _variables(manifest: Manifest) -> Mapping[str, str]:
    """What the manifest sets: its PYTHONPATH, as all its paths, is relative to its folder."""
    folder = manifest.folder.absolute()
    return {
        name: children.python_path(value, folder) if name == "PYTHONPATH" else value
        for name, value in manifest.airflow.env.items()
        if not children.is_ours(name)
    }


@cache
def installed_version() -> str | None:
    """Airflow's version, or None where it isn't installed beside this tool."""
    return distributions.version("apache-airflow-core") or distributions.version("apache-airflow")


@cache
def providers() -> Mapping[str, str]:
    """The distribution of each conn_type that an installed provider brings."""
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for entry in entry_points(group="apache_airflow_provider"):
        for connection_type in _provider_info(entry).get("connection-types", []):
            found[connection_type["connection-type"]] = entry.dist.name if entry.dist else entry.value
    return found


@cache
def sensitive_options() -> frozenset[str]:
    """The sensitive options of airflow.cfg that installed providers bring, as SECTION.OPTION."""
    from importlib.metadata import entry_points

    return frozenset(
        f"{section}.{name}"
        for entry in entry_points(group="apache_airflow_provider")
        for section, described in (_provider_info(entry).get("config") or {}).items()
        for name, option in (described.get("options") or {}).items()
        if option.get("sensitive")
    )


def package_for(conn_type: str) -> str | None:
    """The distribution that brings a conn_type, installed or well known; None if we don't know."""
    if conn_type in providers():
        return providers()[conn_type]
    return conn_type_table.shipped().get(conn_type)


def _provider_info(entry: Any) -> Mapping[str, Any]:
    module, _, function = entry.value.partition(":")
    path = entry.dist.locate_file(Path(*module.split(".")).with_suffix(".py")) if entry.dist else None
    if path is None or not Path(path).exists():
        return {}
    names: dict[str, Any] = {}
    exec(compile(Path(path).read_text(encoding="utf-8"), str(path), "exec"), names)  # noqa: S102  the provider's own file
    info = names[function]()
    return info if isinstance(info, Mapping) else {}


def run_airflow(environment: Environment, *arguments: str, request: str = "", **more: str) -> str:
    """Run a Python module with arguments in Airflow's environment and return what it printed. Raises AirflowError.

    `request` is what it reads from stdin: it may hold what no process list may show.
    """
    done = _done(environment, arguments, request, more)
    if done.returncode != 0:
        raise AirflowError(
            f"`{' '.join(arguments)}` failed: {_end_of(foreign(done.stderr or done.stdout))}", "try it by hand"
        )
    return done.stdout


def require_usable_paths(environment: Environment) -> None:
    """Raises AirflowError for a folder that Airflow can't work in, or would take for another: it fills in variables in paths.

    So for an airflow.cfg that it would wait for.
    """
    if is_special(environment.config):
        raise AirflowError(
            f"{environment.config} is no regular file, and Airflow would wait for it", "put a file there"
        )
    for folder in (environment.home, environment.state):
        for sign in str(folder):
            if sign in _UNUSABLE or not (sign.isprintable() or ord(sign) > _ASCII):
                raise AirflowError(
                    f"Airflow can't work in {foreign(folder)}: in its paths, {sign!r} means something else",
                    f"use a folder without it: {_MOVE[folder == environment.home]}",
                )


def ask_airflow(environment: Environment, module: str, *arguments: str, request: str = "") -> dict[str, Any]:
    """What a module that answers (see `airflow_answer`) says. Raises AirflowError, with what Airflow printed, if it doesn't."""
    done = _done(environment, (module, *arguments), request, {})
    answer = answer_in(done.stdout)
    if answer is None:
        raise AirflowError(
            f"Airflow ended with exit code {done.returncode} and without an answer; it printed: {_end_of(foreign(done.stderr))}",
            f"see why: AIRFLOW_HOME={environment.home} airflow version",
        )
    return answer


def _end_of(printed: str) -> str:
    """The last line, for a message."""
    lines = printed.strip().splitlines()
    return lines[-1] if lines else "nothing"


def _done(
    environment: Environment, arguments: Sequence[str], request: str, more: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    import subprocess  # not at the top: most commands start no process

    require_usable_paths(environment)
    try:
        return subprocess.run(
            children.command(*arguments),
            env=environment.child(**more),
            input=f"{environment.pipe()}\n{request}",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise AirflowError(
            f"`{' '.join(arguments)}` took longer than {COMMAND_TIMEOUT:.0f} s", "try it by hand"
        ) from err


def prepare_home(environment: Environment) -> bool:
    """Create the home that isn't there yet, its airflow.cfg and its database; True if anything was created.

    Each file is made under another name and moved into place whole, airflow.cfg last: a killed run is begun again,
    and what exists is never touched. Raises AirflowError.
    """
    require_usable_paths(environment)
    if environment.initialised:
        return False
    make_home(environment)
    config, draft = environment.config.with_name("airflow.cfg.new"), environment.home / "airflow.db.new"
    for leftover in (config, draft):
        leftover.unlink(missing_ok=True)
    _migrate(environment, config, draft)
    _keep_as_template(environment, draft)
    database = environment.home / "airflow.db"
    if environment.keeps_own_database and not database.exists():
        draft.chmod(PRIVATE_FILE)
        os.replace(draft, database)
    draft.unlink(missing_ok=True)
    os.replace(config, environment.config)
    return True


def make_home(environment: Environment) -> None:
    """Nothing in it is for git: neither in one that we make, nor what we put into one that has other files."""
    try:
        airflow_home(environment.home)
    except OSError as err:
        raise AirflowError(
            f"can't create {environment.home}: {err.strerror}", "say airflow.home in the manifest, or set AIRFLOW_HOME"
        ) from err
    for file in (environment.config, environment.home / "airflow.db"):
        git.keep_out(file)


def _keep_as_template(environment: Environment, database: Path) -> None:
    import shutil

    template = _template_file(environment)
    copy = template.with_name(f"{template.name}.new")
    shutil.copyfile(database, copy)
    _put(copy, template)


def database_template(environment: Environment) -> Path:
    """A migrated, empty SQLite database, made once for each set of installed Airflow packages. Raises AirflowError."""
    import tempfile

    template = _template_file(environment)
    if not _is_migrated(template):
        with tempfile.TemporaryDirectory(dir=template.parent) as folder:
            draft = Path(folder, "airflow.db")
            _migrate(environment, Path(folder, "airflow.cfg"), draft)
            _put(draft, template)
    return template


def _put(draft: Path, template: Path) -> None:
    import shutil

    if template.is_dir():
        shutil.rmtree(template)
    os.replace(draft, template)


def _is_migrated(database: Path) -> bool:
    """Whether it is whole, and `airflow db migrate` came to its end there. A few milliseconds."""
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            answers = [connection.execute(asked).fetchone() for asked in _WHOLE]
            return answers == [("ok",), (1,)]
    except sqlite3.Error:
        return False


def _migrate(environment: Environment, config: Path, database: Path) -> None:
    """`airflow db migrate` on a new file; Airflow writes a default `config` on the way."""
    connection = f"sqlite:///{database}"
    printed = run_airflow(
        environment,
        *("airflow", "db", "migrate"),
        AIRFLOW_CONFIG=str(config),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=connection,
        AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS="False",
    )
    if not database.exists() or not config.exists():
        raise AirflowError(
            f"`airflow db migrate` made no database; it printed: {_end_of(printed)}",
            f"see why: AIRFLOW_HOME={environment.home} airflow version",
        )


def _template_file(environment: Environment) -> Path:
    from importlib.metadata import distributions

    packages = sorted(
        f"{item.name}={item.version}" for item in distributions() if (item.name or "").startswith("apache-airflow")
    )
    key = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()[:12]
    return private_folder(environment.state / "cache") / f"airflow-{installed_version()}-{key}.db"
