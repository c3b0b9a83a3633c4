"""`.airflowignore`, as Airflow's own `file_discovery.py` reads it: one file per folder, for that folder and those below.

Airflow 3 takes glob patterns unless `[core] dag_ignore_file_syntax` says regexp; Airflow 2 the other way round. A comment begins at
any `#`. A regexp is searched for in the path relative to the scanned folder, a glob is gitignore's. Two things are
Airflow 3's here: re2 in Airflow 2 takes no look-around and no back-reference, and a glob that is there twice counts where it was first.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

Syntax = Literal["glob", "regexp"]
NAME = ".airflowignore"
_COMMENT = re.compile(r"\s*#.*")


@dataclass(frozen=True)
class Rule:
    """One line. `base`: the folder that a glob with a slash is relative to, "" for the scanned one; None where any level will do."""

    pattern: Any  # re.Pattern or a pattern of pathspec's: both are untyped where they are used
    glob: bool
    base: str | None = None
    folders_only: bool = False


def rules(text: str, folder: str, syntax: Syntax) -> tuple[list[Rule], list[int]]:
    """The rules of the file in `folder` (relative, POSIX), and the lines that Airflow can't take for any."""
    found, bad = [], []
    for number, line in enumerate(text.split("\n"), 1):
        pattern = _COMMENT.sub("", line)
        if not pattern or (syntax == "glob" and pattern.strip() == "/"):
            continue
        try:
            found.append(_glob(pattern, folder) if syntax == "glob" else Rule(re.compile(pattern), glob=False))
        except (re.error, ValueError, RecursionError, OverflowError):  # ValueError: pathspec's for a bad glob
            bad.append(number)
    return found, bad


def ignored(path: str, given: Sequence[Rule], *, is_folder: bool) -> bool:
    """True if Airflow leaves out that path, relative to the scanned folder. The last glob that matches decides, so that `!` brings back."""
    if given and not given[0].glob:
        return any(rule.pattern.search(path) for rule in given)
    return _ignored_by_globs(path, given, is_folder=is_folder)


def _ignored_by_globs(path: str, given: Iterable[Rule], *, is_folder: bool) -> bool:
    matched = False
    for rule in given:
        if rule.pattern.include is None or (rule.folders_only and not is_folder):
            continue
        name = str(PurePosixPath(path).relative_to(rule.base)) if rule.base is not None else path.rpartition("/")[2]
        if rule.pattern.match_file(f"{name}/" if is_folder else name) is not None:
            matched = rule.pattern.include
    return matched


def _glob(pattern: str, folder: str) -> Rule:
    relative = pattern.startswith("/") or "/" in pattern.rstrip("/")
    bare = pattern.lstrip("!").rstrip()
    return Rule(_compiled(pattern), glob=True, base=folder if relative else None, folders_only=bare != bare.rstrip("/"))


def _compiled(pattern: str) -> Any:
    from pathspec.patterns.gitwildmatch import GitWildMatchPattern

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # pathspec 1.0 gave the class another name, Airflow and 0.12 have this
        return GitWildMatchPattern(pattern)
