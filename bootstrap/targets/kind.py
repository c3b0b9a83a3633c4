"""What a kind of target is: a module. What `open_target` returns is a `Target`, see `base`.

Another package adds one by an entry point in the group `airflow_bootstrap.targets`, whose name `register:` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bootstrap.desired.resolve import SecretReader
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.base import Target
from bootstrap.util.git import Notice
from bootstrap.util.model import Model

OwnOptions: TypeAlias = Any  # one of the module's own Options


@runtime_checkable
class TargetKind(Protocol):
    """What each has. The rest are optional powers."""

    @property
    def Options(self) -> type[Model]:  # noqa: N802  a class
        """What bootstrap.yaml may say of it: `register: [{NAME: {…}}]`."""

    def open_target(self, options: OwnOptions, manifest: Manifest, secrets: SecretReader, /) -> Target:
        """The target. Reads nothing yet. Raises ManifestError."""


@runtime_checkable
class ShownInAirflow(Protocol):
    """An optional power: `--strict` refuses what would look wrong there, in Airflow's list of connections."""

    @property
    def STRICT(self) -> bool:  # noqa: N802  a constant of the module
        """True."""


@runtime_checkable
class OfNoFolder(Protocol):
    """An optional power: it is the same place whichever folder the manifest is in."""

    @property
    def REMOTE(self) -> bool:  # noqa: N802  a constant of the module
        """True."""


@runtime_checkable
class OfAnotherAirflow(Protocol):
    """An optional power: the Airflow on this machine can't look there, so that no check proves anything."""

    @property
    def ELSEWHERE(self) -> bool:  # noqa: N802  a constant of the module
        """True."""


@runtime_checkable
class GivesNotices(Protocol):
    """An optional power of a target: notices about files with secrets, once they are written."""

    @property
    def notices(self) -> Sequence[Notice]:
        """Known after `apply`."""
