"""What a request to a store was about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """For people (`team:warehouse`, or `store team`), and for hints."""

    store: str
    path: str = ""
    version: str | None = None

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.store}:{self.path}{version}" if self.path else f"store {self.store}"

    @property
    def put(self) -> str:
        """The command that writes it."""
        return f"airflow-bootstrap store put {self.store}:{self.path}"
