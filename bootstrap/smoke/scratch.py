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
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bootstrap.airflow_env import Environment, database_template, installed_version
from bootstrap.files import private_folder
from bootstrap.manifest import Manifest
from bootstrap.smoke.receipt import Receipt

DAGS = Path(__file__).parent / "dags"
_BUNDLES = [
    {
        "name": "airflow-bootstrap",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
]
_FIRST_DATE = datetime(2020, 1, 2, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Job:
    """One check to run: its own folder, environment, receipt and logical date."""

    check_id: str
    folder: Path
    variables: Mapping[str, str]
    receipt: Receipt
    logical_date: str


@contextlib.contextmanager
def scratch(environment: Environment) -> Iterator[Path]:
    """A 0700 folder below .bootstrap/. Folders that killed runs left behind are removed first."""
    from filelock import FileLock, Timeout

    parent = private_folder(environment.state / "smoke")
    for leftover in parent.iterdir():
        if leftover.is_dir():
            with contextlib.suppress(Timeout, FileNotFoundError), FileLock(leftover / "lock", timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        with FileLock(folder / "lock"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(manifest: Manifest, environment: Environment, folder: Path, check_ids: Sequence[str]) -> list[Job]:
    """A job for each check: no two share a database, a receipt or a date."""
    template = database_template(environment)
    run_id = f"{datetime.now(timezone.utc):%Y%m%d%H%M%S}-{secrets.token_hex(3)}"
    jobs = []
    for index, check_id in enumerate(check_ids):
        own = private_folder(folder / str(index))
        shutil.copyfile(template, own / "airflow.db")
        receipt = Receipt(run_id=f"{run_id}-{index}", nonce=secrets.token_hex(16), file=own / "receipt")
        variables = variables_for(manifest, own, [check_id]) | receipt.as_environment()
        date = (_FIRST_DATE + timedelta(seconds=secrets.randbelow(10**8))).isoformat()
        jobs.append(Job(check_id, own, variables, receipt, date))
    return jobs


def variables_for(manifest: Manifest, folder: Path, check_ids: Sequence[str]) -> dict[str, str]:
    """What makes an Airflow process work in `folder`, on a database of its own, and know these checks only."""
    return {
        **for_dag(manifest),
        "AIRFLOW_BOOTSTRAP_CHECKS": json.dumps(list(check_ids)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
    }


def for_dag(manifest: Manifest) -> dict[str, str]:
    """The variables with which any Airflow finds the smoke DAG and nothing else."""
    variables = {
        "AIRFLOW_BOOTSTRAP_FILE": str(manifest.file.absolute()),
        "AIRFLOW_BOOTSTRAP_PROFILE": manifest.profile or "",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(_BUNDLES),
    }
    if (installed_version() or "").startswith("2."):
        variables["AIRFLOW__CORE__EXECUTOR"] = "SequentialExecutor"  # 2.x refuses any other on SQLite
    return variables
