"""What a run says of the DAGs: how many of their connections it proves, and which lines need what a failed check asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bootstrap.manifest.loader import CheckSpec
from bootstrap.scan.manifest.used import PLACES, Need
from bootstrap.smoke.coverage import coverage
from bootstrap.smoke.report import Report
from bootstrap.smoke.verdict import CheckResult
from bootstrap.util.human import visible


def covered(report: Report, needs: Mapping[str, Need] | None, chosen: Iterable[CheckSpec]) -> Report:
    """The report with what it proves of what the DAGs need; a check that failed names the lines that need it."""
    given = {spec.id: spec.given for spec in chosen}
    checks = tuple(
        with_places(each, (needs or {}).get(each.connection), given.get(each.id, {})) for each in report.checks
    )
    return replace(report, checks=checks, coverage=coverage(needs, report.checks))


def with_places(check: CheckResult, need: Need | None, given: Mapping[str, Any]) -> CheckResult:
    """A check that failed, with the lines of DAG code that need what it asks for; `given` are its parameters."""
    if check.status != "failed" or need is None:
        return check
    words = [_words(value) for value in given.values() if isinstance(value, str)]
    touched = [each for each in need.resources if any(wanted and wanted <= _words(each[0]) for wanted in words)]
    named = sorted(touched, key=lambda each: each[1] == "" or each[1] not in check.message.upper())
    places = list(dict.fromkeys(place for *_, place in named)) or list(need.places)
    if not places:
        return check
    return replace(check, message=f"{check.message} (needed by {', '.join(map(visible, places[:PLACES]))})")


def _words(name: str) -> set[str]:
    return set(re.split(r"[./]", name)) - {""}
