"""What a run ends with: its files, the checklist, and GitHub's annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.app import App

if TYPE_CHECKING:
    from bootstrap.checklist import Row
    from bootstrap.reports.files import Files
    from bootstrap.smoke.report import Report


def tell(app: App, report: Report, files: Files, rows: Sequence[Row], *, unchanged: bool = False) -> None:
    """Print the checklist and the verdict, and write the report wherever it is wanted."""
    from bootstrap import checklist

    try:
        files.write(report, app.console.reveal)  # it is redacted, value by value: JSON stays JSON
    finally:
        checklist.show(app.console, rows, to_stderr=files.to_stdout)
        text = checklist.failures(report.checks) + checklist.notes(report.checks)
        text += checklist.ending(report, unchanged=unchanged)
        (app.console.warn if files.to_stdout else app.console.data)(text)
        _tell_github(app, report)


def _tell_github(app: App, report: Report) -> None:
    from bootstrap.reports import github

    if github.active():
        root = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
        for line in github.workflow_commands(report, github.places(app.manifest, root)):
            click.echo(line, err=True)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            github.append_summary(report, Path(summary))
        except OSError as err:
            app.console.warn(f"can't write GITHUB_STEP_SUMMARY: {err}")
