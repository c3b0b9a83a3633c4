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
    from bootstrap.reports.html import html

    return html(report)


FORMATS: Mapping[str, Callable[[Report], str]] = {"json": _json, "junit": _junit, "html": _html}
