"""Proves a key by the smoke checks of the connections that use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bootstrap.airflow.environment import Environment
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import Secret
from bootstrap.errors import Exit, StoreError, UsageError
from bootstrap.explain.registered import NO_KEY, ExpectedKey
from bootstrap.manifest.loader import CheckSpec, Manifest
from bootstrap.register.drift import Drift
from bootstrap.rotation.rotatable import Proof, State
from bootstrap.smoke.report import Report
from bootstrap.smoke.run import Settings, smoke
from bootstrap.smoke.verdict import CheckResult

BLAME = ("auth", "permission", "secret_malformed")  # what nothing but a connection's key can be the cause of
_BACKEND = ("SECRETS__BACKEND", "WORKERS__SECRETS_BACKEND")
_NO_BACKEND = {f"AIRFLOW__{name}{kwargs}": "" for name in _BACKEND for kwargs in ("", "_KWARGS")}


@dataclass(frozen=True)
class Prover:
    """Runs `checks`, and tells of each result by `say`. `blame` are the causes that nothing but the key can have."""

    manifest: Manifest
    environment: Environment
    checks: Sequence[CheckSpec]
    settings: Settings
    say: Callable[[str], None]
    blame: tuple[str, ...] = BLAME

    def live(self, expected: ExpectedKey = NO_KEY) -> Proof:
        """As Airflow runs them; `expected` tells the processes which key they must find."""
        report = self._run(self.manifest, self.environment, replace(self.settings, expected=expected))
        return self._proof(report, report.checks)

    def candidate(
        self,
        connections: Mapping[str, Connection | StoreError],
        expected: ExpectedKey,
        current: Mapping[str, Connection | StoreError],
    ) -> Proof:
        """In processes without a secrets backend, which get these connections through a pipe, and which alone see them.

        Where a failure may have another reason than the key, the `current` connections are tried in the same way: if they fail
        as well, nothing is proven.
        """
        report = self._alone(connections, expected)
        proof = self._proof(report, report.checks)
        if proof.state != "undecided" or report.interrupted:
            return proof
        control = self._alone(current, NO_KEY)
        failed = {check.id for check in control.checks if check.status == "failed"}
        blamed = [check for check in report.checks if check.status == "failed" and check.id not in failed]
        return replace(self._proof(report, blamed), state="refused") if blamed else proof

    def _alone(self, connections: Mapping[str, Connection | StoreError], expected: ExpectedKey) -> Report:
        variables = {
            f"AIRFLOW_CONN_{conn_id.upper()}": Secret(json.dumps(found.as_fields(), ensure_ascii=False))
            for conn_id, found in connections.items()
            if isinstance(found, Connection)
        }
        bare = replace(self.environment, variables={**self.environment.variables, **_NO_BACKEND})
        manifest = replace(self.manifest, backend=None, config={}, register=())
        alone = replace(self.settings, rows=False, expected=expected)
        return self._run(manifest, bare.with_secrets(variables), alone)

    def _run(self, manifest: Manifest, environment: Environment, settings: Settings) -> Report:
        report = smoke(manifest, environment, self.checks, settings, drift=Drift(), on_result=self._told)
        if report.interrupted:
            raise KeyboardInterrupt
        return report

    def _told(self, result: CheckResult, _done: int) -> None:
        why = f" ({result.cause}: {result.message})" if result.status == "failed" else ""
        self.say(f"  {result.id} {result.status} in {result.seconds:.1f} s{why}")

    def _proof(self, report: Report, results: Sequence[CheckResult]) -> Proof:
        passed = tuple(check.id for check in report.checks if check.status == "passed")
        first = next((check for check in results if check.status == "failed"), None)
        if first is None:
            if not passed:
                raise UsageError("nothing was checked", "give the connection checks")
            return Proof("passed", passed)
        failed = [check for check in results if check.status == "failed"]
        blamed = next((check for check in failed if check.cause in self.blame), first)
        state: State = "refused" if blamed.cause in self.blame else "undecided"
        code = max(report.exit_code, Exit.FAILED)
        return Proof(state, passed, str(blamed.cause), blamed.message, blamed.hint, code)
