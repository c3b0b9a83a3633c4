"""A private place for one run: metadata databases, logs and receipts, gone when the run ends.

The user's own metadata database and log folder are never touched.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

from bootstrap.airflow.environment import Environment, installed_version
from bootstrap.airflow.home import database_template
from bootstrap.airflow.releases import release
from bootstrap.checks.base import new_run_id
from bootstrap.manifest.loader import CheckSpec
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.smoke.receipt import Receipt, lines, unclean
from bootstrap.smoke.rows import Rows
from bootstrap.util.files import private_folder

DAGS = Path(__file__).parent / "dags"
_BUNDLES = [
    {
        "name": "airflow-bootstrap",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
]
_INPUTS = "inputs"  # so begins the name of a file with a task's inputs
_FIRST_DATE = datetime(2020, 1, 2, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Job:
    """One check to run: its own folder, environment, receipt and logical date."""

    check_id: str
    folder: Path
    variables: Mapping[str, str]
    receipt: Receipt
    logical_date: str


@dataclass(frozen=True)
class Scratch:
    """The folder of one run, and what earlier runs that were killed left unclean: run ids by check id."""

    folder: Path
    abandoned: Mapping[str, str]


@contextlib.contextmanager
def scratch(environment: Environment) -> Iterator[Scratch]:
    """A 0700 folder below .bootstrap/. Folders that killed runs left behind are removed first.

    It is kept while a receipt in it says that something was made and not removed: the next run does that.
    """
    from filelock import FileLock

    parent = private_folder(environment.state / "smoke")
    abandoned = dict(_abandoned(parent))
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        with FileLock(folder / "lock"):
            yield Scratch(folder, abandoned)
    finally:
        if any(_unclean(folder)):
            for pattern in (
                "*.db*",
                f"{_INPUTS}*",
            ):  # they tell of connections; the next run needs nothing but receipts
                for file in folder.rglob(pattern):
                    file.unlink(missing_ok=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _abandoned(parent: Path) -> Iterator[tuple[str, str]]:
    """What the folders of killed runs tell; they are gone afterwards."""
    from filelock import FileLock, Timeout

    for leftover in parent.iterdir():
        if leftover.is_dir():
            with contextlib.suppress(Timeout, OSError), FileLock(leftover / "lock", timeout=0):
                yield from _unclean(leftover)
                shutil.rmtree(leftover, ignore_errors=True)


def _unclean(folder: Path) -> Iterator[tuple[str, str]]:
    """Check and run of each receipt that tells of something made and not removed, unless a later task tried."""
    tried = {
        file.parent.name
        for file in folder.glob("clean-*/receipt")
        for entry in lines(file)
        if entry.get("step") == "clean" and entry.get("status") != "started"
    }
    for file in folder.glob("*/receipt"):
        found = unclean(lines(file))
        if found is not None and f"clean-{found[1]}" not in tried:
            yield found


@dataclass(frozen=True)
class Jobs:
    """Makes them in the folder of a run: no two share a database, a receipt or a date."""

    inputs: TaskInputs  # of all checks
    folder: Path
    rows: Rows
    template: Path  # of their databases

    @classmethod
    def of(cls, inputs: TaskInputs, environment: Environment, folder: Path, rows: Rows) -> Jobs:
        """With these rows in each one's database. Raises AirflowError."""
        template = folder / "template.db"
        shutil.copyfile(database_template(environment), template)
        rows.into(template)
        return cls(inputs, folder, rows, template)

    def checking(self, check_ids: Sequence[str]) -> list[Job]:
        """One for each check."""
        run_id = new_run_id()
        return [
            self._job(self.folder / str(index), check_id, f"{run_id}-{index}")
            for index, check_id in enumerate(check_ids)
        ]

    def cleaning(self, unclean_runs: Mapping[str, str]) -> list[Job]:
        """One for each check that only removes what its run of that id made."""
        return [
            self._job(self.folder / f"clean-{run_id}", check_id, run_id, clean=True)
            for check_id, run_id in unclean_runs.items()
        ]

    def _job(self, own: Path, check_id: str, run_id: str, *, clean: bool = False) -> Job:
        private_folder(own / "tmp")
        shutil.copy(self.template, own / "airflow.db")  # with its mode
        receipt = Receipt(run_id=run_id, nonce=secrets.token_hex(16), file=own / "receipt")
        spec = self._specs[check_id]
        conn_ids = (spec.connection, *spec.params.connections)
        inputs = replace(
            self.inputs.about(conn_ids), checks=[spec], receipt=receipt, clean=clean, rows=self.rows.told(conn_ids)
        )
        variables = {
            **variables_for(inputs, own, receipt.nonce),
            "TMPDIR": str(own / "tmp"),  # so that what a killed check left there goes with the run
        }
        date = (_FIRST_DATE + timedelta(seconds=secrets.randbelow(10**8))).isoformat()
        return Job(check_id, own, variables, receipt, date)

    @cached_property
    def _specs(self) -> Mapping[str, CheckSpec]:
        return {spec.id: spec for spec in self.inputs.checks}


def variables_for(inputs: TaskInputs, folder: Path, nonce: str = "all") -> dict[str, str]:
    """What makes an Airflow process work in `folder`, on a database of its own, and know these inputs.

    The `nonce` is in the environment of whatever the process starts, see `inputs.end`: in the file's name.
    """
    return {
        **for_dag(inputs, folder / f"{_INPUTS}-{nonce}"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
    }


def for_dag(inputs: TaskInputs, file: Path) -> dict[str, str]:
    """The variables with which any Airflow finds the smoke DAG and nothing else; the inputs are then in the file."""
    variables = {
        **inputs.write(file),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_BUNDLES),
    }
    if not release(installed_version()).any_executor_on_sqlite:
        variables["AIRFLOW__CORE__EXECUTOR"] = "SequentialExecutor"
    return variables
