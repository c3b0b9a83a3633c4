"""The report as one HTML page without scripts that loads nothing."""

from __future__ import annotations

from bootstrap import __version__
from bootstrap.smoke.report import Report
from bootstrap.util.human import measured
from bootstrap.util.printable import printable
from bootstrap.util.templates import FOLDERS

TEMPLATE = "report.html.j2"


def html(report: Report) -> str:
    """A page for people: the verdict and the table of checks."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    environment.filters["measured"] = measured
    page = environment.get_template(TEMPLATE)
    return page.render(report=report.redacted(), exit_code=int(report.exit_code), version=__version__) + "\n"
