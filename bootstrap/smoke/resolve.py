"""The connection as a task gets it, or why it gets none: the errors that Airflow's own look-up hides are errors here."""

from __future__ import annotations

from typing import Any

from bootstrap.airflow.compat import secrets_backends
from bootstrap.checks._errors import store_cause, summary
from bootstrap.checks.base import Cause, Diagnosed
from bootstrap.explain import registered
from bootstrap.explain.sources import Answer, ask, source_name
from bootstrap.smoke import rows
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.stores.airflow_look import Query

_NAMES = {"environment": "environment", "database": rows.PLACE, "execution_api": "execution API"}


def resolve(conn_id: str, inputs: TaskInputs) -> tuple[Any, str]:
    """The connection as a task gets it, and the source it came from. Raises Diagnosed.

    An error of the configured backend is an error, also where a later source has a copy: what Airflow would fall
    back to is not what the manifest says. So is another connection than the one that was registered.
    """
    missed = []
    try:
        backends = secrets_backends()
    except Exception as err:  # for want of a key that it can read, a configured one can't even be made
        raise Diagnosed(Cause("store_denied", f"Airflow can't set up its secrets backend: {summary(err)}")) from err
    for backend in backends:
        label = _label(backend, conn_id, inputs)
        answer = ask(backend, Query("connection", conn_id))
        if answer.state == "hit":
            registered.require(conn_id, answer.value, backend, label, inputs.registered, inputs.key)
            return answer.value, label
        if answer.state != "miss" and _is_database(backend) and (known := rows.cause(conn_id, inputs.rows)):
            raise Diagnosed(known) from answer.error
        if answer.state != "miss":
            raise Diagnosed(_cause(answer, conn_id, label)) from answer.error
        missed += [f" ({label}: {answer.detail})"] if answer.detail else []
    message = f"Airflow finds no connection {conn_id!r} in any of its sources{''.join(missed)}"
    missing = Cause("secret_missing", message, registered.advice(inputs.registered))
    raise Diagnosed(rows.cause(conn_id, inputs.rows) or missing)


def _label(backend: Any, conn_id: str, inputs: TaskInputs) -> str:
    """The Execution API that a check asks is its own, and has nothing but what its database has."""
    if _is_database(backend) and rows.is_copied(conn_id, inputs.rows):
        return rows.PLACE
    return _NAMES.get(source_name(backend)) or inputs.store or type(backend).__name__


def _is_database(backend: Any) -> bool:
    return source_name(backend) in {"database", "execution_api"}


def _cause(answer: Answer, conn_id: str, label: str) -> Cause:
    if answer.state == "undecryptable":
        return Cause("secret_undecryptable", f"{label}: {conn_id} {answer.detail}")
    if answer.state == "malformed":
        return Cause("secret_malformed", f"{label}: the secret of {conn_id!r} {answer.detail}")
    if answer.error is None:
        return Cause("store_unreachable", f"{label}: {answer.detail}")
    return store_cause(answer.error, label)
