"""Builds the static DAG `airflow_bootstrap_smoke` from the manifest. Runs inside Airflow's processes.

The environment says which manifest (AIRFLOW_BOOTSTRAP_FILE, _PROFILE), which checks (_CHECKS, their ids as JSON;
without it, all), where a run's receipts go (_RECEIPT, see `receipt`), and whether to do no more than remove what a
killed check made (_CLEAN).
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap import plugins
from bootstrap.checks.kind import CheckKind, TakesTemplates
from bootstrap.manifest.loader import CheckSpec, load
from bootstrap.smoke import CLEAN_VARIABLE, DAG_ID
from bootstrap.smoke.receipt import Receipt
from bootstrap.smoke.steps import Steps


def build() -> Any:
    """The DAG. A check whose provider isn't installed is left out: the others must still run."""
    from bootstrap.airflow.compat import DAG

    file = Path(os.environ["AIRFLOW_BOOTSTRAP_FILE"])
    manifest = load(file, profile=os.environ.get("AIRFLOW_BOOTSTRAP_PROFILE") or None, allow_plaintext=True)
    wanted = json.loads(os.environ.get("AIRFLOW_BOOTSTRAP_CHECKS") or "null")
    label = manifest.backend_label
    dag = DAG(dag_id=DAG_ID, schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc), catchup=False)
    for conn_id, specs in manifest.checks.items():
        for spec in specs:
            if wanted is None or spec.id in wanted:
                dag.add_task(_operator(conn_id, spec, label))
    return dag


def _operator(conn_id: str, spec: CheckSpec, store_label: str) -> Any:
    kind = plugins.CHECKS.get(spec.name, CheckKind)
    steps = Steps(spec, kind, Receipt.of_this_process(), store_label)
    if os.environ.get(CLEAN_VARIABLE):
        task_id, succeeded = spec.id, steps.succeeded
        return replace(steps.run, arguments={"task_id": task_id, "on_success_callback": succeeded}).task(steps.clean)
    run = replace(steps.run, arguments=steps.arguments)
    try:
        task = kind.task(conn_id, spec.params, run)
    except Exception as err:  # of this check only; the others must still run
        return run.task(partial(_raise, err))
    return task if isinstance(kind, TakesTemplates) and kind.TEMPLATES else _literal(task)


def _literal(task: Any) -> Any:
    """The same task, whose arguments Airflow takes as they are.

    As templates, `{{ conn.other.password }}` in a path would be sent to another system, and a table's name that ends in `.sql` read from a file.
    """
    task.template_fields, task.template_ext = (), ()
    return task


def _raise(error: Exception) -> None:
    raise error
