"""Builds the static DAG `airflow_bootstrap_smoke` from the manifest. Runs inside Airflow's processes.

The environment says which manifest (AIRFLOW_BOOTSTRAP_FILE, _PROFILE), which checks (_CHECKS, their ids as JSON;
without it, all), and where a run's receipts go (_RECEIPT, see `receipt`).
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bootstrap import checks
from bootstrap.checks.base import Run
from bootstrap.manifest import CheckSpec, load
from bootstrap.smoke import DAG_ID
from bootstrap.smoke.receipt import Receipt
from bootstrap.smoke.steps import Steps


def build() -> Any:
    """The DAG. A check whose provider isn't installed is left out: the others must still run."""
    from bootstrap.airflow_api import DAG

    file = Path(os.environ["AIRFLOW_BOOTSTRAP_FILE"])
    manifest = load(file, profile=os.environ.get("AIRFLOW_BOOTSTRAP_PROFILE") or None, allow_plaintext=True)
    wanted = json.loads(os.environ.get("AIRFLOW_BOOTSTRAP_CHECKS") or "null")
    label = f"{manifest.backend.store} ({manifest.stores[manifest.backend.store].kind})" if manifest.backend else ""
    dag = DAG(dag_id=DAG_ID, schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc), catchup=False)
    for conn_id, specs in manifest.checks.items():
        for spec in specs:
            if wanted is None or spec.id in wanted:
                dag.add_task(_operator(conn_id, spec, label))
    return dag


def _operator(conn_id: str, spec: CheckSpec, store_label: str) -> Any:
    module: Any = checks.KINDS.find(spec.name)
    receipt = Receipt.of_this_process()
    run = Run(id=receipt.run_id)
    steps = Steps(conn_id, spec, module, receipt, run, store_label)
    arguments = {
        "task_id": spec.id,
        "retries": 0,
        "pre_execute": steps.before,
        "post_execute": steps.after,
        "on_failure_callback": steps.failed,
        "on_success_callback": steps.succeeded,
    }
    return module.task(conn_id, spec.params, Run(id=run.id, arguments=arguments))
