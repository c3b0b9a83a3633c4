"""The result of checking a secrets backend's arguments."""

from __future__ import annotations

from dataclasses import dataclass


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
    """Problems, which Airflow fails on or silently ignores, and warnings.

    `source` says which signature the arguments were compared with; '' where the class is unknown, and nothing was compared.
    `files` are those that were read; none where the class isn't installed.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    source: str
    files: tuple[str, ...] = ()
