"""Ends a run, however it ended: writes its files, the checklist, and GitHub's annotations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.domain.secret import foreign
from bootstrap.errors import BootstrapError, Exit

if TYPE_CHECKING:
    from bootstrap.reports.files import Files
    from bootstrap.smoke.report import Report
    from bootstrap.up import Progress

MANIFEST = "manifest"  # the stage that a wrong one ends


def reported(app: App, files: Files, name: str, run: Callable[[Progress], None]) -> int:
    """Run the command of this name, and report on it: also where it ends early, by an error of the manifest, by a bug of ours or by ^C."""
    from bootstrap.up import Progress

    files.forget()
    progress = Progress(say=app.console.note)
    try:
        with progress.stage(MANIFEST):
            _ = app.manifest
        if not progress.ended:
            with progress.stage(name):
                run(progress)
    except Exception as err:
        progress.stopped = BootstrapError(f"this is a bug in airflow-bootstrap: {type(err).__name__}", "", Exit.BUG)
        _tell(app, progress, files)
        raise
    return _tell(app, progress, files)


def _tell(app: App, progress: Progress, files: Files) -> Exit:
    """Print the checklist and the verdict, and write the report wherever it is wanted. Raises BootstrapError."""
    from bootstrap.terminal import checklist

    report = progress.report()
    try:
        files.write(report, app.console.reveal)  # it is redacted, value by value: JSON stays JSON
    finally:
        done = [stage for stage in report.stages if stage.stage != MANIFEST]  # the error says it all
        rows = [*map(checklist.stage_row, done), *map(checklist.check_row, report.checks)]
        if rows:
            checklist.show(app.console, rows, to_stderr=files.to_stdout)
        text = checklist.failures(report.checks) + checklist.notes(report.checks)
        text += checklist.ending(report, unchanged=progress.unchanged)
        (app.console.warn if files.to_stdout else app.console.data)(text)
        if progress.stopped is not None and progress.stopped.exit_code != Exit.BUG:  # it is reported where it is caught
            app.console.error(progress.stopped)
        _tell_github(app, report)
    return report.exit_code


def _tell_github(app: App, report: Report) -> None:
    from bootstrap.reports import github

    if github.active():
        root = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
        try:
            locate = github.places(app.manifest, root)
        except BootstrapError:  # of a manifest that is wrong, lines alone are known
            locate = github.lines(app.file, {}, root)
        for line in github.workflow_commands(report, locate):
            click.echo(line, err=True)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            github.append_summary(report, Path(summary))
        except OSError as err:
            app.console.warn(f"can't write GITHUB_STEP_SUMMARY: {foreign(err)}")
