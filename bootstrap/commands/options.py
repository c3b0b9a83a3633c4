"""Options that several commands share."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bootstrap.reports.files import Files
    from bootstrap.smoke.run import Settings


_LONGEST = 30 * 86400.0  # seconds


class Seconds(click.FloatRange):
    """At least a second, and what a clock can count: neither inf nor nan."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=1, max=_LONGEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does; nan is in every range."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


_REPORTS = {"json": "JSON", "junit": "JUnit XML", "html": "HTML"}
_RUN = (
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Number of checks that run at a time.  [default: number of cores]"
    ),
    click.option("--timeout", type=Seconds(), default=60.0, show_default=True, help="Time limit of each check."),
    click.option("--deadline", type=Seconds(), help="Time limit of the whole run; cleaning up still happens."),
    click.option(
        "--isolated", is_flag=True, help="Run a plain `airflow tasks test` for each check: slower, same result."
    ),
    click.option(
        "--allow-unproven",
        is_flag=True,
        help="Exit 0 even if a connection is registered where this machine can't look.",
    ),
    *(
        click.option(
            f"--{name}", f"{name}_file", metavar="FILE", help=f"Write the report as {what} to this file; - is stdout."
        )
        for name, what in _REPORTS.items()
    ),
)


@dataclass(frozen=True)
class RunOptions:
    """How checks are run, and where their reports go: a FILE for each format that is wanted."""

    settings: Settings
    reports: dict[str, str]

    def files(self, manifest: os.PathLike[str]) -> Files:
        """The report files, looked at before the run. Raises UsageError."""
        from pathlib import Path

        from bootstrap.reports.files import Files

        files = Files(self.reports)
        files.check(Path(manifest))
        return files


def run_options(function: Callable[..., int]) -> Callable[..., int]:
    """The options of a run; the command gets them as one `options`."""

    @functools.wraps(function)
    def collected(*arguments: Any, **given: Any) -> int:
        from bootstrap.smoke.run import Settings

        files = {name: given.pop(f"{name}_file") for name in _REPORTS}
        reports = {name: file for name, file in files.items() if file is not None}
        limits = {name: given.pop(name) for name in ("timeout", "isolated", "deadline", "allow_unproven")}
        settings = Settings(given.pop("jobs") or os.cpu_count() or 1, **limits)
        return function(*arguments, options=RunOptions(settings, reports), **given)

    for option in reversed(_RUN):
        collected = option(collected)
    return collected


@dataclass(frozen=True)
class Asking:
    """Which changes are asked for: into which targets, those of the manifest if there are none named."""

    into: tuple[str, ...] = ()
    prune: bool = False
    overwrite: bool = False
    strict: bool = False


_CHANGES = (
    click.option(
        "--into",
        multiple=True,
        metavar="TARGET",
        help="Register into this target instead of those in the manifest; repeatable.",
    ),
    click.option("--prune", is_flag=True, help="Delete what this manifest registered earlier and no longer contains."),
    click.option("--overwrite", is_flag=True, help="Overwrite what somebody else has changed since it was registered."),
    click.option("--strict", is_flag=True, help="Refuse conn_types that no provider knows (targets metadata and api)."),
)


def changes_options(function: Callable[..., int]) -> Callable[..., int]:
    """The options of what changes; the command gets them as one `asking`."""

    @functools.wraps(function)
    def collected(*arguments: Any, into: tuple[str, ...], **given: Any) -> int:
        flags = {name: given.pop(name) for name in ("prune", "overwrite", "strict")}
        return function(*arguments, asking=Asking(into, **flags), **given)

    for option in reversed(_CHANGES):
        collected = option(collected)
    return collected
