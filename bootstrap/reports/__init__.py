"""Reports of a run: files for programs and browsers, annotations for a CI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootstrap.smoke.report import Report


def _json(report: Report) -> str:
    return report.as_json()


def _junit(report: Report) -> str:
    from bootstrap.reports.junit import junit

    return junit(report)


def _html(report: Report) -> str:
    """A page without scripts that loads nothing: the verdict and the table of checks."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from bootstrap import __version__
    from bootstrap.util.human import measured, printable
    from bootstrap.util.templates import FOLDERS

    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    environment.filters["measured"] = measured
    page = environment.get_template("report.html.j2")
    return page.render(report=report.redacted(), exit_code=int(report.exit_code), version=__version__) + "\n"


FORMATS: Mapping[str, Callable[[Report], str]] = {"json": _json, "junit": _junit, "html": _html}
