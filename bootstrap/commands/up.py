"""`airflow-bootstrap up`."""

from __future__ import annotations

import os

import click

from bootstrap.app import App
from bootstrap.commands.options import run_options
from bootstrap.commands.smoke import forget_report, write_report


@click.command("up")
@run_options
@click.pass_obj
def command(app: App, *, jobs: int | None, timeout: float, isolated: bool, json_file: str | None) -> int:
    """Do everything: doctor, render, register, smoke."""
    from bootstrap import checklist
    from bootstrap.smoke.run import Settings
    from bootstrap.up import Job, Progress, up

    forget_report(json_file)
    settings = Settings(jobs=jobs or os.cpu_count() or 1, timeout=timeout, isolated=isolated)
    progress = Progress(say=app.console.note)
    job = Job(app.manifest, app.environment, app.secrets, settings)
    with app.alone():
        up(job, progress)
    checklist.show(app.console, progress.rows, to_stderr=json_file == "-")
    if progress.report is not None:
        write_report(app, progress.report.as_json(), json_file)
        ending = checklist.ending(progress.report, unchanged=not progress.changed)
        text = checklist.failures(progress.report.checks) + ending
        (app.console.warn if json_file == "-" else app.console.data)(text)
    if progress.stopped is not None:
        app.console.error(progress.stopped)
    return progress.exit_code
