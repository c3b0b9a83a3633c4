"""The place in a store that a request is about, for messages."""

from __future__ import annotations

from dataclasses import dataclass


def no_such_secret(within: str = "") -> str:
    """The message for a missing secret."""
    return f"there is no such secret in {within}" if within else "there is no such secret"


@dataclass(frozen=True)
class Place:
    """For people (`team:warehouse`, or `store team`), and for hints. `within`: the region or project that was asked."""

    store: str
    path: str = ""
    version: str | None = None
    within: str = ""

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.store}:{self.path}{version}" if self.path else f"store {self.store}"

    @property
    def missing(self) -> str:
        """That there is no secret: in another region or project there may be one."""
        return f"{self}: {no_such_secret(self.within)}"

    @property
    def put(self) -> str:
        """The command that writes it."""
        return f"airflow-bootstrap store put {self.store}:{self.path}"
