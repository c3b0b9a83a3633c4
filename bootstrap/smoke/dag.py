"""Builds the static DAG `airflow_bootstrap_smoke` from what the run tells (see `inputs`). Runs inside Airflow's processes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from bootstrap import plugins
from bootstrap.checks import _user_code
from bootstrap.checks.kind import CheckKind, TakesTemplates
from bootstrap.domain.secret import trust
from bootstrap.manifest.loader import CheckSpec
from bootstrap.smoke import DAG_ID
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.smoke.steps import Steps
from bootstrap.util import children


def build() -> Any:
    """The DAG. A check whose provider isn't installed is left out: the others must still run."""
    from bootstrap.airflow.compat import DAG

    inputs = TaskInputs.of_this_process()
    for text in inputs.trusted:
        trust(text)
    children.hide(inputs.hidden)
    _user_code.look_in(inputs.folders)
    dag = DAG(dag_id=DAG_ID, schedule=None, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc), catchup=False)
    for spec in inputs.checks:
        dag.add_task(_operator(spec, inputs))
    return dag


def _operator(spec: CheckSpec, inputs: TaskInputs) -> Any:
    kind = plugins.CHECKS.get(spec.name, CheckKind)
    steps = Steps(spec, kind, inputs)
    if inputs.clean:
        arguments = {"task_id": spec.id, "on_success_callback": steps.succeeded}
        return replace(steps.run, arguments=arguments).task(steps.clean)
    run = replace(steps.run, arguments=steps.arguments)
    try:
        task = kind.task(spec.connection, spec.params, run)
    except Exception as err:  # of this check only; the others must still run
        return run.task(partial(_raise, err))
    if not (isinstance(kind, TakesTemplates) and kind.TEMPLATES):
        # Airflow takes the arguments as they are: as templates, `{{ conn.other.password }}` in a path would be sent to
        # another system, and a table's name that ends in `.sql` read from a file.
        task.template_fields, task.template_ext = (), ()
    return task


def _raise(error: Exception) -> None:
    raise error
