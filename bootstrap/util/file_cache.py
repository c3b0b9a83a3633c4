"""On-disk cache, invalidated when an input file changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bootstrap import __version__
from bootstrap.util.files import write_atomic


def remembered(folder: Path, name: str, asked: Any, find_out: Callable[[], tuple[Any, Collection[str]]]) -> Any:
    """The answer to a question, both plain JSON data; found out where it isn't known yet, or no longer true.

    `find_out` returns the answer and the files that were read for it; of an answer without files, nothing is kept.
    Nothing secret may be in the answer. `folder` exists.
    """
    question = json.dumps([__version__, sys.version, asked])
    key = hashlib.sha256(question.encode()).hexdigest()
    place = folder / f"{name}.json"
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        loaded = json.loads(place.read_bytes())
        known = loaded if isinstance(loaded, dict) else {}
    if key in known and _is_current(known[key]):
        return known[key]["answer"]
    answer, files = find_out()
    if files:
        stamps = _stamps(files)
        entry = {"files": stamps, "answer": answer, "digest": _digest(stamps, answer)}
        others = {other: item for other, item in known.items() if _is_current(item)}
        with contextlib.suppress(OSError):  # without room for it, the answer is as good
            write_atomic(place, json.dumps({**others, key: entry}))
    return answer


def _is_current(entry: Any) -> bool:
    """True if it is as it was kept, and the files are as they were."""
    try:
        files, answer, digest = entry["files"], entry["answer"], entry["digest"]
        return bool(digest == _digest(files, answer) and files == _stamps(files))
    except (KeyError, TypeError, ValueError):
        return False


def _digest(files: Mapping[str, Any], answer: Any) -> str:
    return hashlib.sha256(json.dumps([files, answer]).encode()).hexdigest()


def _stamps(files: Collection[str]) -> dict[str, Any]:
    """By when a file was changed, and its size; None where it is gone."""
    stamps: dict[str, list[int] | None] = dict.fromkeys(files)
    for file in files:
        with contextlib.suppress(OSError):
            found = Path(file).stat()
            stamps[file] = [found.st_mtime_ns, found.st_size]
    return stamps
