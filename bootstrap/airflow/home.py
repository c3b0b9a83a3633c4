"""Airflow's home: made with its airflow.cfg and its database, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Literal

from bootstrap.airflow.environment import Environment, installed_version, require_usable_paths
from bootstrap.airflow.process import last_line, run_airflow
from bootstrap.errors import AirflowError
from bootstrap.util import git
from bootstrap.util.files import PRIVATE_FILE, airflow_home, private_folder

_WHOLE = ("PRAGMA quick_check(1)", "SELECT count(*) FROM alembic_version")


def prepare_home(environment: Environment) -> bool:
    """Create the home that isn't there yet, its airflow.cfg and its database; True if anything was created.

    Each file is made under another name and moved into place whole, airflow.cfg last: a killed run is begun again,
    and what exists is never touched. Raises AirflowError.
    """
    import shutil

    require_usable_paths(environment)
    if environment.initialised:
        return False
    make_home(environment)
    config, draft = environment.config.with_name("airflow.cfg.new"), environment.home / "airflow.db.new"
    for leftover in (config, draft, *(draft.with_name(f"{draft.name}{suffix}") for suffix in ("-wal", "-shm"))):
        leftover.unlink(missing_ok=True)
    _migrate(environment, config, draft)
    template = _template_file(environment)
    copy = template.with_name(f"{template.name}.new")
    shutil.copyfile(draft, copy)
    _put(copy, template)
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
        message = f"can't create {environment.home}: {err.strerror}"
        raise AirflowError(message, "set airflow.home in the manifest, or AIRFLOW_HOME") from err
    for file in (environment.config, environment.home / "airflow.db"):
        git.keep_out(file)


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


def _is_migrated(database: Path, mode: Literal["ro", "rw"] = "ro") -> bool:
    """True if it is whole, and `airflow db migrate` came to its end there. A few milliseconds.

    `rw`: for a file that is ours alone. What a process left in a write-ahead log beside it is then in it, and the log is gone.
    """
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode={mode}", uri=True)) as connection:
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
    if not _is_migrated(database, "rw") or not config.exists():
        message = f"`airflow db migrate` made no database; it printed: {last_line(printed)}"
        raise AirflowError(message, f"see why: AIRFLOW_HOME={environment.home} airflow version")


def _template_file(environment: Environment) -> Path:
    from importlib.metadata import distributions

    packages = sorted(
        f"{item.name}={item.version}" for item in distributions() if (item.name or "").startswith("apache-airflow")
    )
    key = hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()[:12]
    return private_folder(environment.state / "cache") / f"airflow-{installed_version()}-{key}.db"
