"""`check.check` with a cache on disk: reading the class takes a fifth of a `render`. Only a result without problems is kept."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from bootstrap.render.backend_kwargs.result import Checked, Problem
from bootstrap.util.file_cache import remembered


def check(backend_class: str, kwargs: Mapping[str, Any], elsewhere: Collection[str], cache: Path) -> Checked:
    """As check.check; what was found is kept in the folder `cache`, which exists."""

    def read() -> tuple[Any, Collection[str]]:
        from bootstrap.render.backend_kwargs import check as reading

        checked = reading.check(backend_class, kwargs, elsewhere)
        return [[*map(astuple, checked.found)], checked.source], () if checked.problems else checked.files

    asked = [sys.path, backend_class, kwargs, sorted(elsewhere)]
    found, source = remembered(cache, "backend-findings", asked, read)
    return Checked(tuple(Problem(*row) for row in found), source)
