"""The operations on a store that a manifest needs, from which policies are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Needs:
    """Paths of a store, by what happens to them; each sorted, none twice.

    `read` and `write` are secrets (a written one is read first), `below` are prefixes below which Airflow itself reads
    whatever it is asked for, `prune` are prefixes below which what is no longer wanted is read, and deleted. Of `destroy`, old
    versions are destroyed, where a store of this kind can; where it can't, what is in `delete` is deleted instead. Both are
    among the written ones.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    prune: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def prunes(self, path: str, separator: str) -> bool:
        """True if the secret at `path` may have to be deleted, since it is no longer wanted."""
        return path.startswith(tuple(f"{prefix}{separator}" for prefix in self.prune))


@runtime_checkable
class Privileged(Protocol):
    """An optional power of a store: knows what its credential is allowed to do."""

    def excess(self, needs: Needs) -> Sequence[str]:
        """What it may do far beyond its needs, in a sentence each, such as "may delete any secret of the mount".

        Empty where nothing is wrong, or where the store doesn't tell. Raises Unavailable.
        """
        ...
