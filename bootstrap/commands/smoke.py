"""`airflow-bootstrap smoke`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import RunOptions, run_options
from bootstrap.commands.outcome import reported
from bootstrap.errors import Exit

if TYPE_CHECKING:
    from bootstrap.up import Progress


@click.command("smoke")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@run_options
@click.option("--show-command", is_flag=True, help="Print the command that runs each check by hand, and run nothing.")
@click.pass_obj
def command(app: App, *, selectors: tuple[str, ...], options: RunOptions, show_command: bool) -> int:
    """Prove each connection by running a task in Airflow.

    A SELECTOR is a connection, a check's id (warehouse.postgres), a check's name, or a glob.
    """
    from bootstrap.smoke import run

    files = options.files(app.file)
    if show_command:
        chosen = run.select(app.manifest, selectors)
        app.console.data(run.show_command(app.manifest, app.environment, chosen))
        return Exit.OK
    return reported(app, files, "smoke", partial(_run, app, selectors, options))


def _run(app: App, selectors: tuple[str, ...], options: RunOptions, progress: Progress) -> None:
    from bootstrap.airflow.session import AirflowSession
    from bootstrap.checks.kind import imports
    from bootstrap.register import drift
    from bootstrap.scan.manifest import used
    from bootstrap.smoke import run
    from bootstrap.smoke.needed_by import covered
    from bootstrap.terminal.progress import watching

    run.require_known(app.manifest, selectors)
    chosen = run.select(app.manifest, selectors)
    settings, ids = options.settings, [spec.id for spec in chosen]
    with AirflowSession(imports(spec.name for spec in chosen)) as airflow:
        if not settings.isolated:
            airflow.begin(app.environment)
        found = drift.find(app.manifest, app.environment, app.secrets)
        with nullcontext() if selectors else used.searching(app.manifest) as search:
            with watching(app.console, ids, settings.jobs) as on_result:
                report = run.smoke(app.manifest, app.environment, chosen, settings, drift=found, on_result=on_result)
            report = covered(report, search.found() if search is not None else None, chosen)
    progress.smoke = replace(report, unchecked=run.unchecked(app.manifest, selectors))
