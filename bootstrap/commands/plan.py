"""`airflow-bootstrap plan`."""

from __future__ import annotations

import click

from bootstrap.app import App
from bootstrap.commands.options import into_option
from bootstrap.errors import Exit


@click.command("plan")
@click.option("--check", is_flag=True, help="Exit 1 if anything would change.")
@into_option
@click.pass_obj
def command(app: App, *, check: bool, into: tuple[str, ...]) -> int:
    """Show what register would change, with every secret masked."""
    return show(app, into, check=check)


def show(app: App, into: tuple[str, ...], *, check: bool) -> int:
    """Print the plans; the exit code is that of their errors, or 1 for a change if `check`."""
    from bootstrap.plan import lines, plan, wanted, worst

    plans = [plan(app.manifest, app.secrets, target) for target in wanted(app.manifest, into)]
    for each in plans:
        app.console.data("".join(f"{line}\n" for line in lines(each, app.manifest)))
        for err in each.errors.values():
            app.console.error(err)
    if not plans:
        app.console.note("no target: the manifest has neither `backend:` nor `register:`")
    drift = Exit.FAILED if check and any(each.pending for each in plans) else Exit.OK
    return max(drift, *(worst(each.errors.values()) for each in plans), Exit.OK)
