"""The result of checking a secrets backend's arguments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong with an argument ('' for the class itself), and the next step. No value of a secret stands in it.

    `fails`: Airflow fails on it, or silently ignores it; else it is a warning. `local`: it is wrong on this machine, and may be
    right where Airflow runs.
    """

    kwarg: str
    message: str
    hint: str
    fails: bool = True
    local: bool = False


@dataclass(frozen=True)
class Checked:
    """What was found.

    `source` says which signature the arguments were compared with; '' where the class is unknown, and nothing was compared.
    `files` are those that were read; none where the class isn't installed.
    """

    found: tuple[Problem, ...]
    source: str = ""
    files: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What fails."""
        return tuple(problem for problem in self.found if problem.fails)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The others."""
        return tuple(problem for problem in self.found if not problem.fails)
