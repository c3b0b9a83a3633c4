"""`airflow-bootstrap smoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bootstrap.app import App
from bootstrap.commands.options import RunOptions, run_options
from bootstrap.commands.outcome import tell
from bootstrap.errors import Exit

if TYPE_CHECKING:
    from bootstrap.smoke.report import Report


@click.command("smoke")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@run_options
@click.option("--show-command", is_flag=True, help="Run nothing; print how to run the checks by hand.")
@click.pass_obj
def command(app: App, *, selectors: tuple[str, ...], options: RunOptions, show_command: bool) -> int:
    """Prove each connection by a task in Airflow.

    A SELECTOR is a connection, a check's id (warehouse.postgres), a check's name, or a glob.
    """
    from bootstrap import checklist
    from bootstrap.smoke import run

    files = options.files(app.file)
    if show_command:
        chosen = run.select(app.manifest, selectors)
        app.console.data(run.show_command(app.manifest, app.environment, chosen))
        return Exit.OK
    files.forget()
    report = _run(app, selectors, options)
    tell(app, report, files, [checklist.check_row(check) for check in report.checks])
    return report.exit_code


def _run(app: App, selectors: tuple[str, ...], options: RunOptions) -> Report:
    from bootstrap import drift
    from bootstrap.progress import watching
    from bootstrap.smoke import run

    chosen = run.select(app.manifest, selectors)
    found = drift.find(app.manifest, app.environment, app.secrets)
    with watching(app.console, [spec.id for spec in chosen], options.settings.jobs) as on_result:
        return run.smoke(app.manifest, app.environment, chosen, options.settings, drift=found, on_result=on_result)
