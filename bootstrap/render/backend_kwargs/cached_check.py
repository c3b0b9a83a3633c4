"""`check.check` with a cache on disk: reading the class takes a fifth of a `render`. Only a result without problems is kept."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bootstrap.render.backend_kwargs.result import Checked, Problem
from bootstrap.util.file_cache import remembered


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
