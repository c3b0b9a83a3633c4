"""What was found of a secrets backend's class and arguments, and once more without reading the class again.

Reading it costs a fifth of a `render`. Only what is in order is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.util.file_cache import remembered


@dataclass(frozen=True)
class Problem:
    """What is wrong with an argument ('' for the class itself), and the next step. No value of a secret stands in it.

    `local`: it is wrong on this machine, and may be right where Airflow runs.
    """

    kwarg: str
    message: str
    hint: str
    local: bool = False


@dataclass(frozen=True)
class Checked:
    """What was found: problems, which Airflow fails on or takes no notice of, and warnings.

    `source` says which signature the arguments were compared with; '' where the class is unknown, and nothing was.
    `files` are those that were read; none where the class isn't installed.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    source: str
    files: tuple[str, ...] = ()


def check(backend_class: str, kwargs: Mapping[str, Any], elsewhere: Collection[str], cache: Path) -> Checked:
    """As check.check; what was found is kept in the folder `cache`, which exists."""
    asked = [sys.path, backend_class, kwargs, sorted(elsewhere)]
    problems, warnings, source = remembered(
        cache, "backend-arguments", asked, lambda: _read(backend_class, kwargs, elsewhere)
    )
    return Checked(_problems(problems), _problems(warnings), source)


def _read(backend_class: str, kwargs: Mapping[str, Any], elsewhere: Collection[str]) -> tuple[Any, Collection[str]]:
    from bootstrap.render.backend_kwargs import check as reading

    found = reading.check(backend_class, kwargs, elsewhere)
    problems, warnings = (
        [[p.kwarg, p.message, p.hint, p.local] for p in items] for items in (found.problems, found.warnings)
    )
    return [problems, warnings, found.source], () if found.problems else found.files


def _problems(rows: Collection[Collection[Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(*row) for row in rows)
