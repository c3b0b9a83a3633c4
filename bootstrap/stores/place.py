"""The place in a store that a request is about, for messages."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.errors import Conflict, Malformed


def no_such_secret(within: str = "") -> str:
    """The message for a missing secret."""
    return f"there is no such secret in {within}" if within else "there is no such secret"


@dataclass(frozen=True)
class Place:
    """For people (`team:warehouse`, or `store team`), and for hints. `within`: the region or project that was asked.

    `project` is Google's name for that.
    """

    store: str
    path: str = ""
    version: str | None = None
    within: str = ""
    project: str = ""

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

    def conflict(self, what: str = "somebody else changed it meanwhile") -> Conflict:
        """Somebody else was first."""
        return Conflict(f"{self}: {what}", "run this again to see their change")

    def overtaken(self, version: str, written: str) -> Conflict:
        """`version` is somebody else's, and ours became the version `written`: both are in the store."""
        message = f"{self}: somebody else wrote version {version} at the same moment; this one became version {written}"
        return Conflict(message, f"compare the two: airflow-bootstrap store get {self}@{version}")

    def decoded(self, value: bytes) -> str:
        """A value as text. Raises Malformed, which doesn't quote it."""
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed(f"{self}: the value is not text", "store it as UTF-8, or as base64") from None
