"""What a kind of check is: a module, whose name is the check's.

Another package adds one by an entry point in the group `airflow_bootstrap.checks`, whose name `checks:` takes. Its functions run
in Airflow's own process and import Airflow inside of them; the module itself must not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bootstrap import plugins
from bootstrap.checks.base import STEPS, Cause, Endpoint, Place, Run, StepName
from bootstrap.manifest.kinds import CheckParams, SuitsConnTypes

OwnParams: TypeAlias = Any  # one of the module's own Params
Result: TypeAlias = Any  # what the operator's `execute` returned
Operator: TypeAlias = Any  # Airflow's, which isn't imported here
AirflowConnection: TypeAlias = Any  # airflow.models.Connection, or Airflow 3's task-side one


@runtime_checkable
class CheckKind(SuitsConnTypes, Protocol):
    """What each has. The rest are optional powers."""

    @property
    def PROVIDERS(self) -> tuple[str, ...]:  # noqa: N802  a constant of the module, as those below
        """The packages that it needs, such as apache-airflow-providers-ssh."""

    @property
    def PERMISSIONS(self) -> tuple[str, ...]:  # noqa: N802
        """What the login must be allowed, in the system's own words."""

    @property
    def STEPS(self) -> tuple[str, ...]:  # noqa: N802
        """What its operator proves: of authenticate, access and write, in this order."""

    def endpoint(self, conn: AirflowConnection, /) -> Endpoint | None:
        """What `reach` tries; None where there is no host to try."""

    def task(self, conn_id: str, params: OwnParams, run: Run, /) -> Operator:
        """One task: an operator that takes `**run.arguments`, or `run.task(function)`."""


@runtime_checkable
class Authenticates(Protocol):
    """An optional power: proves the login on its own, before the operator runs."""

    def authenticate(self, conn_id: str, params: OwnParams, run: Run, /) -> str | None:
        """Raises what tells why not. Returns what the login proves, for the report."""


@runtime_checkable
class Prepares(Protocol):
    """An optional power: makes what the operator needs."""

    def prepare(self, conn_id: str, params: OwnParams, run: Run, /) -> None:
        """Before the operator runs."""


@runtime_checkable
class Verifies(Protocol):
    """An optional power: judges what the operator returned."""

    def verify(self, conn_id: str, params: OwnParams, run: Run, result: Result, /) -> str | None:
        """Raises what tells why it isn't right. Returns what was proven, for the report."""


@runtime_checkable
class ProvesLogin(Protocol):
    """An optional power: knows by the operator's result what the login proves."""

    def proof(self, conn_id: str, params: OwnParams, run: Run, result: Result, /) -> str:
        """What it proves, for the report."""


@runtime_checkable
class Cleans(Protocol):
    """An optional power: removes what a check that writes has made, also after a failure."""

    def clean(self, conn_id: str, params: OwnParams, run: Run, /) -> str | None:
        """What isn't there any more is removed already. Returns what was done, for the report."""


@runtime_checkable
class Sweeps(Protocol):
    """An optional power: removes what earlier runs have left, see `leftovers` in base."""

    def sweep(self, conn_id: str, params: OwnParams, run: Run, /) -> int:
        """How many were removed."""


@runtime_checkable
class KnowsCauses(Protocol):
    """An optional power: knows the errors that are special to its system."""

    def cause(self, error: BaseException, /) -> Cause | None:
        """None for an error that it doesn't know."""


@runtime_checkable
class KnowsPlace(Protocol):
    """An optional power: a failure may be another region's or project's."""

    def place(self, conn_id: str, params: OwnParams, run: Run, found: Cause, /) -> Place | None:
        """Where the check asked; None where that has no part in this failure."""


@runtime_checkable
class TakesTemplates(Protocol):
    """An optional power: Airflow renders the operator's arguments as templates; of other checks they are literal."""

    @property
    def TEMPLATES(self) -> bool:  # noqa: N802
        """True."""


@runtime_checkable
class Imports(Protocol):
    """An optional power: its steps import modules that take long; they are imported once for all checks, before these are forked."""

    @property
    def IMPORTS(self) -> tuple[str, ...]:  # noqa: N802
        """Their names. One that is missing is reported by the step that needs it."""


@runtime_checkable
class Documented(Protocol):
    """An optional power: what docs/checks.md says of it besides."""

    @property
    def COMPARES(self) -> str:  # noqa: N802
        """What only the named resource could have said."""

    @property
    def CREATES(self) -> str:  # noqa: N802
        """What the check makes; "" for nothing."""


def imports(names: Iterable[str]) -> list[str]:
    """The modules that the checks of these names import, see `Imports`."""
    kinds = [plugins.CHECKS.get(name, CheckKind) for name in set(names)]
    return sorted({module for kind in kinds if isinstance(kind, Imports) for module in kind.IMPORTS})


def own_steps(kind: CheckKind, params: CheckParams) -> tuple[StepName, ...]:
    """What the check's operator proves with these parameters, in order; its work counts as the last of them."""
    return tuple(step for step in STEPS if step in kind.STEPS and (step != "write" or params.writes))
