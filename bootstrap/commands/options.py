"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_RUN = (
    click.option("--jobs", type=click.IntRange(min=1), help="Checks at a time; the number of cores if not given."),
    click.option(
        "--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds for each check."
    ),
    click.option(
        "--isolated", is_flag=True, help="A plain `airflow tasks test` process for each check: slower, same result."
    ),
    click.option(
        "--json", "json_file", type=click.Path(allow_dash=True), help="Write smoke's report here; - is stdout."
    ),
)


def run_options(function: F) -> F:
    """How checks are run, and where their report goes."""
    for option in reversed(_RUN):
        function = option(function)
    return function
