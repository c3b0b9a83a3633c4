"""What was found of a secrets backend's class and arguments, and once more without reading the class again.

Reading it costs a fifth of a `render`. As Python's own bytecode, what was found holds for as long as no file that was read
has changed; only what is in order is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import __version__
from bootstrap.files import write_atomic

_NAME = "backend-arguments.json"


@dataclass(frozen=True)
class Problem:
    """What is wrong with an argument ('' for the class itself), and the next step. No value of a secret stands in it."""

    kwarg: str
    message: str
    hint: str


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
    asked = [__version__, sys.version, sys.path, backend_class, kwargs, sorted(elsewhere)]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    known = _known(cache)
    entry = known.get(key)
    if entry is not None and entry["files"] == _stamps(entry["files"]):
        return Checked((), tuple(Problem(*warning) for warning in entry["warnings"]), entry["source"])
    from bootstrap.backends import check as reading

    found = reading.check(backend_class, kwargs, elsewhere)
    if found.files and not found.problems:
        warnings = [[item.kwarg, item.message, item.hint] for item in found.warnings]
        new = {"files": _stamps(dict.fromkeys(found.files)), "warnings": warnings, "source": found.source}
        write_atomic(cache / _NAME, json.dumps({**_current(known), key: new}))
    return found


def _known(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads((cache / _NAME).read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _current(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry for key, entry in known.items() if entry["files"] == _stamps(entry["files"])}


def _stamps(files: Collection[str]) -> dict[str, Any]:
    """By when a file was changed, and its size; None where it is gone."""
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> list[int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]
