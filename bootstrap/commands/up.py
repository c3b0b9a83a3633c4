"""`airflow-bootstrap up`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import RunOptions, run_options
from bootstrap.commands.outcome import reported
from bootstrap.errors import BootstrapError, UsageError

if TYPE_CHECKING:
    from bootstrap.register.plan import Plan
    from bootstrap.render.cfg_file import Rendering
    from bootstrap.up import Progress


@click.command("up")
@run_options
@click.option("--yes", is_flag=True, help="Don't ask before changing what others use, or replacing deprecated options.")
@click.option("--no-register", is_flag=True, help="Register nothing; only check what is registered already.")
@click.pass_obj
def command(app: App, *, options: RunOptions, yes: bool, no_register: bool) -> int:
    """Run doctor, render, register and smoke, and stop at the first that fails.

    Before it changes a place that others use too (Vault, Secret Manager, AWS, a running Airflow, a database), it shows
    the changes and asks. Without a terminal it needs --yes.
    """
    from bootstrap.airflow.session import AirflowSession
    from bootstrap.checks.kind import imports
    from bootstrap.terminal.progress import watching
    from bootstrap.up import Job, up

    def run(progress: Progress) -> None:
        watch, approve = partial(watching, app.console), partial(_approve, app, yes=yes)
        replace = partial(_replace, app, yes=yes)
        job = Job(
            app.manifest, app.environment, app.secrets, options.settings, watch, approve, not no_register, replace
        )
        modules = imports(spec.name for specs in app.manifest.checks.values() for spec in specs)
        with app.alone(), AirflowSession(modules) as airflow:
            airflow.begin(app.environment)
            up(job, progress)

    return reported(app, options.files(app.file), "up", run)


def _approve(app: App, plans: Sequence[Plan], *, yes: bool) -> None:
    """Show the changes and ask. Raises UsageError where nobody can be asked, BootstrapError for a no."""
    from bootstrap.register.plan_text import lines

    for plan in plans:
        app.console.important("\n".join(lines(plan, app.manifest)))
    if yes:
        return
    count = sum(len(plan.pending) for plan in plans)
    names = ", ".join(plan.target_name for plan in plans)
    what = f"{count} {'change' if count == 1 else 'changes'} in a place that others use too ({names})"
    if not _can_ask():
        hint = "make them: airflow-bootstrap up --yes; or prove what is there: airflow-bootstrap up --no-register"
        raise UsageError(f"up would make {what}, and there is no terminal to ask on: nothing was registered", hint)
    if not click.confirm(f"Make {what}?", err=True):
        raise BootstrapError("nothing was registered", "prove what is there: airflow-bootstrap up --no-register")


def _replace(app: App, rendering: Rendering, *, yes: bool) -> None:
    """Ask. Raises UsageError where nobody can be asked, BootstrapError for a no."""
    for place in rendering.shadows:
        app.console.important(f"{rendering.file}: {place}")
    if yes:
        return
    command = "airflow-bootstrap render --replace-deprecated"
    if not _can_ask():
        message = "options at deprecated places have to be removed from airflow.cfg, and there is no terminal to ask on"
        raise UsageError(message, f"remove them: {command}, or airflow-bootstrap up --yes")
    if not click.confirm("Remove it from the file? (render --remove restores it)", err=True):
        raise BootstrapError("Airflow would not read what is written to airflow.cfg", command)


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
