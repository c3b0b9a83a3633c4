"""Which tests a run takes, and in which order: a pytest plugin, see docs/testing.md.

A test marked `slow` is left out unless `--slow` asks for it: `all`, or a number of seconds, for which the slow tests alone
are drawn by lot. The longest files come first, by the seconds in durations.json; an unknown test takes none.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from operator import ne
from pathlib import Path
from typing import Any

import pytest

SEED = "SLOW_SEED"  # of the lot; drawn once for all workers, printed, and repeated by setting it
_FILE = Path(__file__).with_name("durations.json")
_LEAST = 0.5  # seconds: what is quicker isn't worth a line
_UNKNOWN = 20.0  # seconds that a slow test without a record is taken to last
_many = False  # whether property tests try many examples


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("airflow-bootstrap")
    group.addoption(
        "--slow", default="none", metavar="none|all|SECONDS", help="also what is marked slow, or a share of it alone"
    )
    group.addoption("--record-durations", action="store_true", help=f"write what each test took to {_FILE.name}")


def pytest_configure(config: pytest.Config) -> None:
    global _many  # noqa: PLW0603  asked for while test modules are imported, which have no config
    _many = config.getoption("--slow") != "none"
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(10_000)))
    if config.getoption("--record-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


def pytest_report_header(config: pytest.Config) -> str | None:
    """So that a run can be repeated."""
    wanted = config.getoption("--slow")
    return f"slow tests: {wanted}, {SEED}={os.environ[SEED]}" if wanted not in ("none", "all") else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seconds = durations()
    chosen = _chosen(items, config.getoption("--slow"), seconds)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
    kept = [item for item in items if item.nodeid in chosen]
    by_file: defaultdict[Path, float] = defaultdict(float)
    for item in kept:
        by_file[item.path] += seconds.get(item.nodeid, 0.0)
    items[:] = sorted(kept, key=lambda item: -by_file[item.path])  # stable: a file's tests stay together


def shares(count: int) -> list[Any]:
    """Parameters 0 to `count` - 1 for a test that does a share of its work each time; all but the first are slow."""
    return [pytest.param(number, marks=[pytest.mark.slow] if number else []) for number in range(count)]


def crossed(*axes: Sequence[Any]) -> list[Any]:
    """Parameters for each combination; slow are those that differ from the first one in more than one place."""
    first = tuple(axis[0] for axis in axes)
    return [
        pytest.param(*each, marks=[pytest.mark.slow] if sum(map(ne, each, first)) > 1 else [])
        for each in product(*axes)
    ]


def examples(many: int) -> int:
    """How many examples a property test tries: so many where `--slow` is given, else a third of them."""
    return many if _many else many // 3


def durations() -> dict[str, float]:
    """Seconds by test, of those that take long."""
    found: dict[str, float] = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    return found


def _chosen(items: Sequence[pytest.Item], wanted: str, seconds: dict[str, float]) -> set[str]:
    every = {item.nodeid for item in items}
    slow = sorted(item.nodeid for item in items if item.get_closest_marker("slow"))
    if wanted == "all":
        return every
    if wanted == "none":
        return every - set(slow)
    return set(_share(slow, float(wanted), seconds))


def _share(slow: list[str], budget: float, seconds: dict[str, float]) -> list[str]:
    """As many as fit, in an order drawn by lot."""
    share = []
    for test in random.Random(os.environ[SEED]).sample(slow, len(slow)):
        if (cost := seconds.get(test, _UNKNOWN)) <= budget:
            share.append(test)
            budget -= cost
    return share


class Recorder:
    """Adds up what set-up, call and tear-down of each test took."""

    def __init__(self) -> None:
        self._took: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        merged = {test: took for test, took in durations().items() if test not in self._took}
        merged |= {test: round(took, 1) for test, took in self._took.items() if took >= _LEAST}
        _FILE.write_text(json.dumps(dict(sorted(merged.items())), indent=0) + "\n")
