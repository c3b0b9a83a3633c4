"""Carries out what `store_copy.plan_copy` planned: many writes at a time, each with check-and-set, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bootstrap.errors import Exit, Malformed, NotFound, StoreError, Unavailable
from bootstrap.store_admin.copy_plan import CopyPlan, End, Move
from bootstrap.store_admin.copy_values import Conversion, mask_payload
from bootstrap.stores.base import Stored, Version


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
    writing = _Writing(plan)
    with ThreadPoolExecutor(min(plan.concurrency, len(pending)), thread_name_prefix="copy") as pool:
        yield from pool.map(writing.write, pending)


def exit_code(plan: CopyPlan, results: Sequence[Copied]) -> Exit:
    """Of the worst error; a conflict is one."""
    errors = [result.error.exit_code for result in results if result.error]
    return max(plan.exit_code, *errors, Exit.FAILED if plan.in_conflict else Exit.OK)


class _Writing:
    def __init__(self, plan: CopyPlan) -> None:
        self.end: End = plan.target
        self.values = Conversion(plan.source.store, plan.target.store)
        self.failure: Unavailable | None = None

    def write(self, move: Move) -> Copied:
        where = self.end.where(move.target)
        if self.failure is not None:
            return Copied(move, Unavailable(f"{where}: not written: {self.failure.message}", self.failure.hint))
        try:
            self._write(move, where)
        except StoreError as err:
            if isinstance(err, Unavailable):
                self.failure = self.failure or err
            return Copied(move, err)
        return Copied(move)

    def _write(self, move: Move, where: str) -> None:
        version = self.end.store.write(move.target, move.payload, expect=move.expect)
        if not self.values.is_in(self._read_back(move.target, version), move.payload):
            raise Malformed(
                f"{where}: reads back different from what was written", "compare the two, and run this again"
            )

    def _read_back(self, path: str, version: Version) -> Stored:
        try:
            return self.end.store.read(path, version)  # a pinned version is there at once, the newest may lag
        except NotFound:
            return self.end.store.read(path)  # KV version 1 keeps no versions
