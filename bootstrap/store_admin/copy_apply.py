"""Carries out what `copy_plan.plan_copy` planned: many writes at a time, each with check-and-set, and read back.

And prints it, no values: what would happen, what happened, and the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bootstrap.domain.secret import Secret
from bootstrap.errors import Exit, Malformed, NotFound, StoreError, Unavailable
from bootstrap.store_admin.copy_plan import Conversion, CopyPlan, Move, mask_payload
from bootstrap.util.human import visible

_SIGNS = {"create": "+", "update": "~", "unchanged": "=", "conflict": "!", "skip": "-", "failed": "✗"}
_COUNTED = ("create", "update")
_DONE = {"create": "created", "update": "updated"}


@dataclass(frozen=True)
class Copied:
    """What happened to one secret; `error` where it didn't."""

    move: Move
    error: StoreError | None = None


def apply(plan: CopyPlan) -> Iterator[Copied]:
    """Write what is pending, in order; a failure stops none of the others, unless the store no longer answers.

    A run that ends early leaves whole secrets: the next finds them unchanged.
    """
    pending = plan.pending
    if not pending:
        return
    for move in pending:
        mask_payload(move.payload)
    failures: list[Unavailable] = []  # the first is quoted

    def write(move: Move) -> Copied:
        if failures:
            message = f"{plan.target.where(move.target)}: not written: {failures[0].message}"
            return Copied(move, Unavailable(message, failures[0].hint))
        try:
            _write(plan, move)
        except StoreError as err:
            if isinstance(err, Unavailable):
                failures.append(err)
            return Copied(move, err)
        return Copied(move)

    with ThreadPoolExecutor(min(plan.concurrency, len(pending)), thread_name_prefix="copy") as pool:
        yield from pool.map(write, pending)


def exit_code(plan: CopyPlan, results: Sequence[Copied]) -> Exit:
    """Of the worst error; a conflict is one."""
    errors = [result.error.exit_code for result in results if result.error]
    return max(plan.exit_code, *errors, Exit.FAILED if plan.in_conflict else Exit.OK)


def _write(plan: CopyPlan, move: Move) -> None:
    """Write, and read back. Raises StoreError."""
    store = plan.target.store
    version = store.write(move.target, move.payload, expect=move.expect)
    try:
        written = store.read(move.target, version)  # a pinned version is there at once, the newest may lag
    except NotFound:
        written = store.read(move.target)  # KV version 1 keeps no versions
    if not Conversion(plan.source.store, store).is_in(written, move.payload):
        message = f"{plan.target.where(move.target)}: reads back different from what was written"
        raise Malformed(message, "compare the two, and run this again")


def planned(plan: CopyPlan) -> Iterator[str]:
    """A line for each secret, and the count."""
    yield from (planned_line(plan, move) for move in plan.moves)
    counts = Counter[str](move.action for move in plan.moves)
    yield f"{plan.target.name}: {_sum(counts, {'create': 'to create', 'update': 'to update'})}"


def planned_line(plan: CopyPlan, move: Move) -> str:
    """One secret: its sign, where it comes from and goes to, and what would happen."""
    what = f"{move.action}: {move.why}" if move.why else move.action
    if move.action in _COUNTED and not isinstance(move.payload, Secret):
        what += f", fields: {', '.join(sorted(move.payload))}"
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


def _sum(counts: Mapping[str, int], words: Mapping[str, str]) -> str:
    named = {**words, "conflict": "in conflict", "skip": "skipped"}
    return ", ".join(f"{counts[action]} {named.get(action, action)}" for action in _SIGNS if counts.get(action))
