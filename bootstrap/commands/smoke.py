"""`airflow-bootstrap smoke`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bootstrap.app import App
from bootstrap.commands.options import run_options
from bootstrap.errors import Exit


@click.command("smoke")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@run_options
@click.option("--show-command", is_flag=True, help="Run nothing; print how to run the checks by hand.")
@click.pass_obj
def command(  # noqa: PLR0913  one parameter for each option
    app: App,
    *,
    selectors: tuple[str, ...],
    jobs: int | None,
    timeout: float,
    isolated: bool,
    json_file: str | None,
    show_command: bool,
) -> int:
    """Prove each connection by a task in Airflow.

    A SELECTOR is a connection, a check's id (warehouse.postgres), a check's name, or a glob.
    """
    from bootstrap import checklist, drift
    from bootstrap.smoke import run

    chosen = run.select(app.manifest, selectors)
    if show_command:
        app.console.data(run.show_command(app.manifest, app.environment, chosen))
        return Exit.OK
    forget_report(json_file)
    report = run.smoke(
        app.manifest,
        app.environment,
        chosen,
        run.Settings(jobs=jobs or os.cpu_count() or 1, timeout=timeout, isolated=isolated),
        drift=drift.find(app.manifest, app.environment, app.secrets),
        on_result=lambda result, done: app.console.note(checklist.check_line(result, done, len(chosen))),
    )
    write_report(app, report.as_json(), json_file)
    text = checklist.failures(report.checks) + checklist.ending(report)
    checklist.show(app.console, [checklist.check_row(item) for item in report.checks], to_stderr=json_file == "-")
    (app.console.warn if json_file == "-" else app.console.data)(text)
    return report.exit_code


def forget_report(file: str | None) -> None:
    """Remove an earlier run's report: a run that ends before it has one must not be taken for that."""
    if file is not None and file != "-" and Path(file).is_file():
        Path(file).unlink()


def write_report(app: App, text: str, file: str | None) -> None:
    """The report to a FILE, or to stdout for `-`."""
    from bootstrap.files import file_mode, write_atomic
    from bootstrap.secret import redact

    if file == "-":
        app.console.data(text)
    elif file is not None:
        write_atomic(Path(file), redact(text), mode=file_mode(Path(file), 0o644))
