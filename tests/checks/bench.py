"""Runs a check against real servers many times at once: each cell is a connection with one thing wrong.

Airflow starts once for all cells of a run, with a fork for each; `isolated` starts one for each instead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import yaml

from bootstrap.airflow.environment import locate
from bootstrap.manifest.loader import load
from bootstrap.register.drift import Drift
from bootstrap.smoke.run import Settings, select, smoke
from tests.project import Canary, migrated_home
from tests.systems import faulty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap.airflow.session import AirflowSession
    from bootstrap.smoke.report import Report
    from bootstrap.smoke.verdict import CheckResult

Connection = Mapping[str, Any]
ISOLATED_TIMEOUT = 40.0  # seconds at least
_OF_ANY_CHECK = {"dns", "missing", "malformed"}  # those of `http` show it


@dataclass(frozen=True)
class Cell:
    """A connection as Airflow finds it (JSON fields, any text, or None for none at all), its check as the manifest has
    it, and what must come of it: the step that fails and the cause (None: it passes), and what message and hint say."""

    connection: Connection | str | None
    check: Any
    step: str | None = None
    cause: str | None = None
    says: str = ""
    hint: str = ""
    conn_type: str = ""


@dataclass
class Bench:
    """One Airflow and one home for all runs. `canary` must be in each connection's secrets, and in no report."""

    folder: Path
    airflow: AirflowSession
    canary: Canary = field(default_factory=Canary)
    report: Report | None = None
    sample: Literal["", "kinds", "two"] = ""  # of the cells, see `_sample`

    @classmethod
    def at_home(cls, folder: Path, template: Path, airflow: AirflowSession) -> Bench:
        """With a migrated home in `folder`."""
        migrated_home(folder, template)
        return cls(folder, airflow)

    def run(
        self,
        cells: Mapping[str, Cell],
        *,
        others: Mapping[str, Connection] | None = None,
        env: Mapping[str, str] | None = None,
        isolated: bool = False,
        timeout: float = 10,
        selectors: Sequence[str] = (),
    ) -> dict[str, CheckResult]:
        """The result of each cell, by its name. `others` are connections that checks need besides their own."""
        every = {**{name: cell.connection for name, cell in cells.items()}, **(others or {})}
        manifest = load(self._manifest(cells, others or {}, env or {}), allow_plaintext=True)  # keys in `env`
        environment = locate(manifest)
        chosen = select(manifest, selectors or list(cells))
        variables = {f"AIRFLOW_CONN_{name.upper()}": _text(it) for name, it in every.items() if it}
        with patch.dict(os.environ, variables), self._forking():
            waiting = sum(cell.cause == "timeout" for name, cell in cells.items() if name in (selectors or cells))
            settings = Settings(3 + waiting, timeout)  # who waits takes no core
            if isolated:  # each with a start of Airflow's to share the cores with
                settings = Settings(2, max(timeout, ISOLATED_TIMEOUT), isolated=True)
            self.report = smoke(manifest, environment, chosen, settings, drift=Drift(), on_result=lambda *_: None)
        return {result.connection: result for result in self.report.checks}

    def hold(self, cells: Mapping[str, Cell], *, keep: Sequence[str] = (), **how: Any) -> dict[str, CheckResult]:
        """Run the cells, of a `sample` some, and those to `keep`; assert that each comes out as it says, with a next step, and shows no secret."""
        chosen = _sample(cells, keep, self.sample) if self.sample else cells
        waiting_first = dict(
            sorted(cells.items(), key=lambda named: named[1].cause != "timeout")
        )  # others run meanwhile
        results = self.run(waiting_first, selectors=list(chosen), **how)
        cells = chosen
        wrong = {
            name: (outcome(results[name]), results[name].message)
            for name, cell in cells.items()
            if outcome(results[name]) != (cell.step, cell.cause)
        }
        assert not wrong, wrong
        for name, cell in cells.items():
            result = results[name]
            assert cell.says in result.message, (name, result.message)
            assert cell.hint in result.hint, (name, result.hint)
            assert bool(result.hint) == (result.status == "failed"), name
        assert self.report is not None
        assert not self.canary.found_in(self.story.encode())
        assert self.report.exit_code == (1 if any(cell.cause for cell in cells.values()) else 0)
        return results

    @contextmanager
    def _forking(self) -> Iterator[None]:
        self.airflow.__enter__()
        try:
            yield
        finally:
            self.airflow.leave()

    @property
    def story(self) -> str:
        """The last run's report."""
        return self.report.as_json() if self.report else ""

    def _manifest(self, cells: Mapping[str, Cell], others: Mapping[str, Connection], env: Mapping[str, str]) -> Path:
        usual = next(
            str(cell.connection["conn_type"]) for cell in cells.values() if isinstance(cell.connection, Mapping)
        )
        connections: dict[str, Any] = {
            name: {"conn_type": cell.conn_type or _conn_type(cell.connection, usual), "checks": [cell.check]}
            for name, cell in cells.items()
        }
        connections |= {name: {"conn_type": it["conn_type"], "checks": []} for name, it in others.items()}
        document = {"version": 1, "airflow": {"home": "airflow", "env": dict(env)}, "connections": connections}
        file = self.folder / "bootstrap.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return file


def _sample(cells: Mapping[str, Cell], keep: Sequence[str], how: str) -> Mapping[str, Cell]:
    """Of `kinds`: those that pass, and the first of those that fail at the same step for the same cause; of what fails before any check's own work, none.

    Of `two`: the first that passes, and the first that fails.
    """
    if how == "two":
        passing = next(name for name, cell in cells.items() if cell.step is None)
        failing = next(name for name, cell in cells.items() if cell.step is not None)
        return {passing: cells[passing], failing: cells[failing]}
    kinds: dict[tuple[str, str | None], str] = {}
    for name, cell in cells.items():
        if cell.step is not None and name not in _OF_ANY_CHECK:
            kinds.setdefault((cell.step, cell.cause), name)
    chosen = {*kinds.values(), *keep}
    return {name: cell for name, cell in cells.items() if cell.step is None or name in chosen}


def outcome(result: CheckResult) -> tuple[Any, Any]:
    """The step that failed, and the cause."""
    return next((step.name for step in result.steps if step.status == "failed"), None), result.cause


def passed_steps(result: CheckResult) -> list[str]:
    """The steps that passed."""
    return [step.name for step in result.steps if step.status == "passed"]


@contextmanager
def unreachable(good: Connection, check: Any, *, silent_at: str = "authenticate") -> Iterator[dict[str, Cell]]:
    """Cells that every system with `host` and `port` has: nobody there, in five ways; no secret, and one that is none.

    `silent_at` is the step that a server fails which accepts and never answers.
    """
    with ExitStack() as stack:
        closed = stack.enter_context(faulty.refused())
        silent = stack.enter_context(faulty.silent())
        yield {
            "refused": Cell(_at(good, closed), check, "reach", "connection_refused", says=str(closed[1])),
            "dns": Cell({**good, "host": "no-such-host.invalid"}, check, "reach", "dns", says="no-such-host.invalid"),
            "silent": Cell(_at(good, silent), check, silent_at, "timeout"),
            **secrets(good, check),
        }


def secrets(good: Connection, check: Any) -> dict[str, Cell]:
    """No secret, and one that is not a connection."""
    stray = {**good, "conn_id": "stray"}  # Airflow refuses any key that it doesn't know
    return {
        "missing": Cell(None, check, "resolve", "secret_missing", hint="register"),
        "malformed": Cell(stray, check, "resolve", "secret_malformed", hint="register"),
    }


def _at(good: Connection, address: tuple[str, int]) -> Connection:
    return {**good, "host": address[0], "port": address[1]}


def _conn_type(connection: Connection | str | None, usual: str) -> str:
    return str(connection["conn_type"]) if isinstance(connection, Mapping) else usual


def _text(connection: Connection | str | None) -> str:
    return json.dumps(connection) if isinstance(connection, Mapping) else str(connection)
