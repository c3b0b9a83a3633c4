"""What the rooms that lie below targets, issuers and checks ask of their modules: the models of what bootstrap.yaml may say.

`kind.py` in each of those rooms has the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from bootstrap.plugins import CHECKS
from bootstrap.util.durations import Duration
from bootstrap.util.model import Model

FALLBACK = "hook"  # the check of a conn_type that has none of its own


class CheckParams(Model):
    """What bootstrap.yaml may say of a check."""

    @property
    def writes(self) -> bool:
        """Whether the check makes something, which is then removed; without, its step `write` is left out."""
        return False

    @property
    def connections(self) -> tuple[str, ...]:
        """The conn_ids that the check needs besides the one that it belongs to."""
        return ()


class IssuerOptions(Model):
    """What `rotate:` may say whatever the issuer.

    `every`: how old a key may become; `grace`: how long the old key works beside the new one; `settle`: how long a new key
    may be refused, since it isn't known everywhere yet.
    """

    every: Duration | None = None
    grace: Duration = timedelta(0)
    settle: Duration = timedelta(seconds=60)


@runtime_checkable
class Configurable(Protocol):
    """A store or a target."""

    @property
    def Options(self) -> type[Model]:  # noqa: N802  a class
        """What bootstrap.yaml may say of it."""


@runtime_checkable
class FillsFields(Protocol):
    """An issuer."""

    @property
    def Options(self) -> type[IssuerOptions]:  # noqa: N802  a class
        """What `rotate:` may say of it."""

    def fields(self, options: Any, /) -> tuple[str, ...]:
        """Which fields of a connection a key fills ("password", "extra.keyfile_dict"). `options` is one of its Options."""


@runtime_checkable
class SuitsConnTypes(Protocol):
    """A check."""

    @property
    def Params(self) -> type[CheckParams]:  # noqa: N802  a class
        """What bootstrap.yaml may say of it."""

    @property
    def CONN_TYPES(self) -> tuple[str, ...]:  # noqa: N802  a constant of the module
        """Whose default check it is: each connection of such a type has it, unless the manifest names others."""


def default_checks(conn_type: str | None) -> Iterator[str]:
    """The checks that a connection of this type gets where the manifest names none. Raises PluginError."""
    found = [name for name in CHECKS.names() if conn_type in CHECKS.get(name, SuitsConnTypes).CONN_TYPES]
    yield from found or [FALLBACK]
