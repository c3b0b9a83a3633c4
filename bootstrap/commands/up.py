"""`airflow-bootstrap up`."""

from __future__ import annotations

from functools import partial

import click

from bootstrap.app import App
from bootstrap.commands.options import RunOptions, run_options
from bootstrap.commands.outcome import tell


@click.command("up")
@run_options
@click.pass_obj
def command(app: App, *, options: RunOptions) -> int:
    """Do everything: doctor, render, register, smoke."""
    from bootstrap import checklist
    from bootstrap.progress import watching
    from bootstrap.up import Job, Progress, up

    files = options.files(app.file)
    files.forget()
    progress = Progress(say=app.console.note, watch=partial(watching, app.console))
    job = Job(app.manifest, app.environment, app.secrets, options.settings)
    with app.alone():
        up(job, progress)
    if progress.report is not None:
        tell(app, progress.report, files, progress.rows, unchanged=not progress.changed)
    else:
        checklist.show(app.console, progress.rows, to_stderr=files.to_stdout)
    if progress.stopped is not None:
        app.console.error(progress.stopped)
    return progress.exit_code
