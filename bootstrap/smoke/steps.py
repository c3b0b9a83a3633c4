"""The steps of a check, as they happen inside Airflow's task: resolve, reach, authenticate, access."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bootstrap.checks.base import Cause, Endpoint, Run, StepName
from bootstrap.connection import remember_login, sensitive_texts
from bootstrap.manifest import CheckSpec
from bootstrap.secret import remember
from bootstrap.smoke import diagnosis
from bootstrap.smoke.reach import reach
from bootstrap.smoke.receipt import Receipt
from bootstrap.smoke.resolve import resolve


class StepFailed(Exception):
    """A step before the operator's own work failed; the receipt says how."""


class Steps:
    """The callbacks of one check's task. Each step is written to the receipt when it begins and when it ends."""

    def __init__(
        self, conn_id: str, spec: CheckSpec, module: Any, receipt: Receipt, run: Run, store_label: str
    ) -> None:
        self.conn_id = conn_id
        self.spec = spec
        self.module = module
        self.receipt = receipt
        self.run = run
        self.store_label = store_label
        self._current: StepName = "resolve"
        self._began = 0.0
        self._recorded = False

    def before(self, _context: Any) -> None:
        """What comes before the operator: resolve, reach, and the login where the check can prove it on its own."""
        conn = self._do("resolve", lambda: resolve(self.conn_id, self.store_label))
        endpoint: Endpoint | None = self.module.endpoint(conn)
        if endpoint is None:
            self._skip("reach", "the connection names no host")
        else:
            self._do("reach", lambda: (None, reach(endpoint)))
        if authenticate := getattr(self.module, "authenticate", None):
            self._do("authenticate", lambda: (None, authenticate(self.conn_id, self.spec.params, self.run)))
        self._begin(self.module.STEPS[-1])

    def after(self, _context: Any, _result: Any = None) -> None:
        """The operator is through: what it proves has passed."""
        for step in self.module.STEPS[:-1]:
            self.receipt.write(step=step, status="passed", seconds=0.0, detail="by the same request")
        self._end("passed")
        if "access" not in self.module.STEPS:
            self._skip("access", f"{self.spec.name} proves a login only")

    def succeeded(self, _context: Any) -> None:
        """Airflow recorded the state `success`: only now the check has passed."""
        self.receipt.write(outcome="success")

    def failed(self, context: Any) -> None:
        """Airflow says that the task failed: find out at which step, and why."""
        if self._recorded:
            return
        error = context.get("exception")
        found = diagnosis.diagnose(error if isinstance(error, BaseException) else RuntimeError(str(error)), self.module)
        self._record(found, diagnosis.step_of(found.name, self._current, self.module.STEPS))

    def _do(self, step: StepName, work: Callable[[], tuple[Any, str | None]]) -> Any:
        self._begin(step)
        try:
            result, detail = work()
        except diagnosis.Diagnosed as err:
            self._record(err.cause, step)
            raise StepFailed(step) from None
        except Exception as err:
            self._record(diagnosis.diagnose(err, self.module), step)
            raise StepFailed(step) from None
        if step == "resolve":
            _remember(result)
        self._end("passed", detail)
        return result

    def _begin(self, step: StepName) -> None:
        self._current, self._began = step, time.monotonic()
        self.receipt.write(step=step, status="started")

    def _end(self, status: str, detail: str | None = None, **more: Any) -> None:
        seconds = round(time.monotonic() - self._began, 3)
        self.receipt.write(step=self._current, status=status, seconds=seconds, detail=detail or "", **more)

    def _skip(self, step: StepName, why: str) -> None:
        self.receipt.write(step=step, status="skipped", seconds=0.0, detail=why)

    def _record(self, cause: Cause, step: StepName) -> None:
        self._recorded = True
        if step != self._current and step in self.module.STEPS:
            self.receipt.write(step=self._current, status="skipped", seconds=0.0, detail="")
        elif self._current == "access" and "authenticate" in self.module.STEPS:
            self.receipt.write(step="authenticate", status="passed", seconds=0.0, detail="by the same request")
        self._current = step
        self._end("failed", cause=cause.name, message=cause.message)


def _remember(conn: Any) -> None:
    """Mask the connection's secrets in all that this process writes from now on."""
    remember_login(conn.login, conn.password)
    for text in sensitive_texts(conn.extra_dejson):
        remember(text)
