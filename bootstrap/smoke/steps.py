"""The steps of a check, as they happen inside Airflow's task: resolve, reach, authenticate, access, write, clean."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bootstrap.airflow.compat import secrets_backends
from bootstrap.checks import kind as power
from bootstrap.checks._errors import store_cause, summary
from bootstrap.checks._reach import reach
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Endpoint, Run, StepName
from bootstrap.checks.kind import CheckKind, own_steps
from bootstrap.domain.connection import mask_login, mask_secrets
from bootstrap.explain import registered
from bootstrap.explain.sources import Answer, ask, source_name
from bootstrap.manifest.loader import CheckSpec
from bootstrap.smoke import diagnosis, rows
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.smoke.receipt import Receipt
from bootstrap.stores.airflow_look import Query

_ANSWERED: tuple[CauseName, ...] = ("permission", "not_found")  # by a system that knows who asks
_TOGETHER = "by the same request"
_NAMES = {"environment": "environment", "database": rows.PLACE, "execution_api": "execution API"}


class StepFailed(Exception):
    """A step beside the operator's own work failed; the receipt says how."""


class Steps:
    """The callbacks of one check's task. Each step is written to the receipt when it begins and when it ends.

    What the operator proves, and the order of its parts, is `proves`; its work counts as the last of them.
    """

    def __init__(self, spec: CheckSpec, kind: CheckKind, inputs: TaskInputs) -> None:
        self.spec = spec
        self.kind = kind
        self.inputs = inputs
        self.receipt = receipt = inputs.receipt or Receipt.by_hand()
        self.run = Run(id=receipt.run_id, tell=receipt.write)
        self._given: tuple[str, CheckParams, Run] = (spec.connection, spec.params, self.run)
        self.proves = own_steps(kind, spec.params)
        self._current: StepName = "resolve"
        self._began = 0.0
        self._recorded = False
        self._passed: set[StepName] = set()
        self._made = False

    @property
    def arguments(self) -> dict[str, Any]:
        """What makes an operator a step of ours."""
        return {
            "task_id": self.spec.id,
            "retries": 0,
            "pre_execute": self.before,
            "post_execute": self.after,
            "on_failure_callback": self.failed,
            "on_success_callback": self.succeeded,
        }

    def before(self, _context: Any) -> None:
        """What comes before the operator: resolve, reach, the login where the check can prove it on its own, and what
        the operator needs.
        """
        conn = self._do("resolve", self._resolve)
        endpoint: Endpoint | None = self._try("reach", lambda: self.kind.endpoint(conn))
        if endpoint is None:
            self._skip("reach", "no host to try")
        else:
            self._do("reach", lambda: reach(endpoint))
        kind = self.kind
        if isinstance(kind, power.Authenticates):
            self._do("authenticate", lambda: kind.authenticate(*self._given))
        if self.spec.params.writes and isinstance(kind, power.Cleans):
            self._made = True
            self.receipt.write(made=self.run.id, check_id=self.spec.id)
        if isinstance(kind, power.Prepares):
            self._do(self.proves[0], lambda: kind.prepare(*self._given))
        self._begin(self.proves[-1])

    def after(self, _context: Any, result: Any = None) -> None:
        """The operator is through: verify what it returned, and remove what it made."""
        kind = self.kind
        verify = partial(kind.verify, *self._given, result) if isinstance(kind, power.Verifies) else lambda: None
        detail = self._try(self.proves[-1], verify)
        proof = kind.proof(*self._given, result) if isinstance(kind, power.ProvesLogin) else ""
        self._passed_before(self.proves[-1], proof or _TOGETHER)
        self._end("passed", detail)
        if "access" not in self.proves:
            self._skip("access", f"{self.spec.name} proves a login only")
        if self._made:
            self.clean()

    def succeeded(self, _context: Any) -> None:
        """Airflow recorded the state `success`: only now the check has passed."""
        self.receipt.write(outcome="success")

    def failed(self, context: Any) -> None:
        """Airflow says that the task failed: find out at which step, and why; then remove what it made."""
        if not self._recorded:
            from bootstrap.airflow.compat import unreported_error

            given = context.get("exception") or unreported_error()
            error = given if isinstance(given, BaseException) else RuntimeError(str(given))
            found = diagnosis.diagnose(error, self.kind)
            self._record(found, diagnosis.step_of(found.name, self._current, self.proves))
        if self._made and self._current != "clean":
            with contextlib.suppress(StepFailed):
                self.clean()

    def clean(self) -> None:
        """Remove what the check made, whatever became of it; what is left behind is said. Raises StepFailed."""
        try:
            self._do("clean", self._clean)
        except StepFailed:
            self.run.tell(warning=f"could not remove what the check made: look for {self.run.name}")
            raise

    def _resolve(self) -> tuple[Any, str]:
        conn, source = resolve(self.spec.connection, self.inputs)
        _mask(conn)
        registered.require_key(self.spec.connection, conn, source, self.inputs.expected, self.inputs.key)
        for conn_id in self.spec.params.connections:
            _mask(resolve(conn_id, self.inputs)[0])
        return conn, source

    def _clean(self) -> str | None:
        detail = self.kind.clean(*self._given) if isinstance(self.kind, power.Cleans) else None
        swept = 0
        if isinstance(self.kind, power.Sweeps):
            with contextlib.suppress(Exception):  # whoever may not list can't sweep, which is no failure
                swept = self.kind.sweep(*self._given)
        return f"and {swept} left by earlier runs" if swept else detail

    def _do(self, step: StepName, work: Callable[[], Any]) -> Any:
        """Do it as a step of its own. `work` returns the step's detail, or a value and the detail."""
        self._begin(step)
        result = self._try(step, work)
        value, detail = result if isinstance(result, tuple) else (None, result)
        self._end("passed", detail)
        return value

    def _passed_before(self, step: StepName, detail: str = _TOGETHER) -> None:
        """Of what one request proves, all that comes before `step` has passed with it."""
        for earlier in self.proves[: self.proves.index(step)]:
            if earlier not in self._passed:
                self.receipt.write(step=earlier, status="passed", seconds=0.0, detail=detail)

    def _try(self, step: StepName, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Diagnosed as err:
            self._record(err.cause, step)
        except Exception as err:
            self._record(diagnosis.diagnose(err, self.kind), step)
        raise StepFailed(step) from None

    def _begin(self, step: StepName) -> None:
        self._current, self._began = step, time.monotonic()
        self.receipt.write(step=step, status="started")

    def _end(self, status: str, detail: str | None = None, **more: Any) -> None:
        seconds = round(time.monotonic() - self._began, 3)
        self.receipt.write(step=self._current, status=status, seconds=seconds, detail=detail or "", **more)
        if status == "passed":
            self._passed.add(self._current)

    def _skip(self, step: StepName, why: str) -> None:
        self.receipt.write(step=step, status="skipped", seconds=0.0, detail=why)

    def _record(self, cause: Cause, step: StepName) -> None:
        """The step failed. Of the steps that one request proves, those after it never began.

        Those before it have passed only if the cause says so: without an answer nothing is proven.
        """
        self._recorded = True
        cause = cause if step == "resolve" else self._placed(cause)
        if self._current in self.proves and step in self.proves:
            if cause.name in _ANSWERED:
                self._passed_before(step)
            if step != self._current:
                self._skip(self._current, "")
        self._current = step
        self._end("failed", cause=cause.name, message=cause.message, hint=cause.hint)

    def _placed(self, cause: Cause) -> Cause:
        with contextlib.suppress(Exception):  # the failure itself matters more than where it was
            place = self.kind.place(*self._given, cause) if isinstance(self.kind, power.KnowsPlace) else None
            if place is not None:
                usual = diagnosis.usual_hint(self.spec.id, self.kind, cause.name)
                return diagnosis.placed(cause, place, usual)
        return cause


def _mask(conn: Any) -> None:
    """Mask the connection's secrets in all that this process writes from now on."""
    mask_login(conn.login, conn.password)
    mask_secrets(conn.conn_type, conn.extra_dejson, *filter(None, (conn.host, conn.schema, conn.login)))


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
