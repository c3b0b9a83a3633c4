"""What a policy is made of: a connection, and what the code touches through it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bootstrap.scan.model import Resource


@dataclass(frozen=True)
class Needed:
    """One connection. `login` is whom the rights are for, "" where that isn't known; `project`: Google's, `account` and
    `region`: Amazon's, that the connection is of.
    """

    conn_id: str
    conn_type: str | None
    resources: tuple[Resource, ...]
    login: str = ""
    project: str = ""
    account: str = ""
    region: str = ""

    @property
    def title(self) -> str:
        """The connection, for a comment."""
        return one_line(f"{self.conn_id} ({self.conn_type or 'type unknown'})")


def one_line(text: str) -> str:
    """Foreign text for a comment: no line of its own, no escape sequence."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def shown(resource: Resource) -> str:
    """A resource in quotes, for a comment."""
    return one_line(json.dumps(resource.name, ensure_ascii=False))


def unnamed(resources: Iterable[Resource]) -> list[Resource]:
    """Those whose name differs from run to run, each once: a policy can't name them."""
    found = {(each.kind, each.name, each.right or each.verb): each for each in resources if each.template}
    return [found[key] for key in sorted(found)]
