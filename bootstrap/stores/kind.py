"""What a kind of store is: a module. What `open_store` returns is a `Store`, see `base`.

Another package adds one by an entry point in the group `airflow_bootstrap.stores`, whose name is the `kind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bootstrap.plugins import STORES
from bootstrap.stores.airflow_look import BackendLook
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Needs, Store
from bootstrap.util.model import Model

OwnOptions: TypeAlias = Any  # one of the module's own Options


@runtime_checkable
class StoreKind(Protocol):
    """What each has. The rest are optional powers."""

    @property
    def Options(self) -> type[Model]:  # noqa: N802  a class
        """What bootstrap.yaml may say of it; `kind: Literal[…]` is one of its fields."""

    def open_store(self, options: OwnOptions, context: Context, /) -> Store:
        """The store. Sends no request yet."""


@runtime_checkable
class ReadByAirflow(Protocol):
    """An optional power: Airflow has a secrets backend that reads such a store."""

    def airflow_backend(self, options: OwnOptions, paths: BackendPaths, context: Context, /) -> AirflowBackend:
        """The class and its arguments. Raises ManifestError for what the class can't do."""


@runtime_checkable
class NeedsProvider(Protocol):
    """An optional power: the class of `airflow_backend` comes with a provider."""

    @property
    def PROVIDER(self) -> str:  # noqa: N802  a constant of the module
        """The package, such as apache-airflow-providers-hashicorp."""


@runtime_checkable
class KnownInAirflow(Protocol):
    """An optional power: knows the class of `airflow_backend` in Airflow's own process, for explain and for causes."""

    @property
    def PLACE(self) -> tuple[str, ...]:  # noqa: N802  a constant of the module
        """Which of its keyword arguments say where the store is."""

    @property
    def REFUSALS(self) -> tuple[str, ...]:  # noqa: N802  a constant of the module
        """The names of the exceptions that say that the credential is refused, or that there is none."""

    @property
    def LOOKS(self) -> Mapping[str, BackendLook]:  # noqa: N802  a constant of the module
        """By the name of the backend's class: how to see what it asks for, and what is there."""


@runtime_checkable
class WritesPolicy(Protocol):
    """An optional power: knows how the server is told what a credential may do."""

    def policy(self, options: OwnOptions, needs: Needs, context: Context, /) -> Mapping[str, str]:
        """The least that the credential must be allowed, by format ("hcl", "terraform"); the first is the usual one."""


@runtime_checkable
class ReadsVariables(Protocol):
    """An optional power: its secrets are environment variables, which no process that we start gets."""

    def variable(self, options: OwnOptions, path: str, /) -> str:
        """The variable that holds the secret at `path`."""


@cache
def known_in_airflow() -> tuple[KnownInAirflow, ...]:
    """Every kind of store with that power. Raises PluginError."""
    kinds = (STORES.get(name, StoreKind) for name in STORES.names())
    return tuple(kind for kind in kinds if isinstance(kind, KnownInAirflow))
