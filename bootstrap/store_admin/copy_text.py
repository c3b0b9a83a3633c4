"""Prints a copy: what would happen, what happened, and the counts; no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from bootstrap.domain.secret import Secret
from bootstrap.store_admin.copy_apply import Copied
from bootstrap.store_admin.copy_plan import CopyPlan, Move
from bootstrap.util.human import visible

_SIGNS = {"create": "+", "update": "~", "unchanged": "=", "conflict": "!", "skip": "-", "failed": "✗"}
_COUNTED = ("create", "update")
_DONE = {"create": "created", "update": "updated"}


def planned(plan: CopyPlan) -> Iterator[str]:
    """A line for each secret, and the count."""
    yield from (planned_line(plan, move) for move in plan.moves)
    counts = Counter[str](move.action for move in plan.moves)
    yield f"{plan.target.name}: {_sum(counts, {'create': 'to create', 'update': 'to update'})}"


def planned_line(plan: CopyPlan, move: Move) -> str:
    """One secret: its sign, where it comes from and goes to, and what would happen."""
    what = f"{move.action}: {move.why}" if move.why else f"{move.action}{_fields(move)}"
    return _line(_SIGNS[move.action], plan, move, what)


def copied_line(plan: CopyPlan, copied: Copied) -> str:
    """One secret that was written, or not."""
    if copied.error is not None:
        return _line(_SIGNS["failed"], plan, copied.move, f"failed: {copied.error.message}")
    return _line(_SIGNS[copied.move.action], plan, copied.move, f"{_DONE[copied.move.action]}, read back")


def copied_sum(plan: CopyPlan, results: Iterable[Copied]) -> str:
    """The count at the end."""
    counts = Counter[str](move.action for move in plan.moves if move.action not in _COUNTED)
    counts.update("failed" if result.error else result.move.action for result in results)
    return f"{plan.target.name}: {_sum(counts, _DONE)}"


def _line(sign: str, plan: CopyPlan, move: Move, what: str) -> str:
    return visible(f"{sign} {plan.source.where(move.source)} → {plan.target.where(move.target)}  {what}")


def _fields(move: Move) -> str:
    if isinstance(move.payload, Secret) or move.action not in _COUNTED:
        return ""
    return f", fields: {', '.join(sorted(move.payload))}"


def _sum(counts: Mapping[str, int], words: Mapping[str, str]) -> str:
    named = {**words, "conflict": "in conflict", "skip": "skipped"}
    return ", ".join(f"{counts[action]} {named.get(action, action)}" for action in _SIGNS if counts.get(action))
