"""What `render`, which lies below targets, asks of a target."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from bootstrap.domain.secret import Secret
from bootstrap.manifest.models import Manifest


@runtime_checkable
class GivesVariables(Protocol):
    """An optional power of a target: Airflow finds in its environment what is registered there."""

    def variables(self, options: Any, manifest: Manifest, /) -> dict[str, Secret]:
        """AIRFLOW_CONN_… and AIRFLOW_VAR_…, for the processes of Airflow that we start. `options` is one of its Options."""
        ...
