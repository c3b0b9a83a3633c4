"""How many of the connections that the DAGs use a run has proven."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bootstrap.smoke.verdict import CheckResult


@dataclass(frozen=True)
class Coverage:
    """`used`: how many connections the DAGs use; `unproven`: those of them without a check, or with one that hasn't passed."""

    used: int
    unproven: tuple[str, ...]

    @property
    def proven(self) -> int:
        """Those of which every check has passed."""
        return self.used - len(self.unproven)

    @property
    def sentence(self) -> str:
        """For people."""
        said = f"{self.proven} of {self.used} connections that the DAGs use are proven"
        return f"{said}; not {', '.join(self.unproven)}" if self.unproven else said


def coverage(used: Collection[str] | None, checks: Iterable[CheckResult]) -> Coverage | None:
    """None where it isn't known what the DAGs use, or where they use nothing."""
    if not used:
        return None
    passed: dict[str, bool] = {}
    for check in checks:
        passed[check.connection] = passed.get(check.connection, True) and check.status == "passed"
    return Coverage(len(used), tuple(sorted(each for each in used if not passed.get(each))))
