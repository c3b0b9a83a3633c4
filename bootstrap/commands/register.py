"""`airflow-bootstrap register`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import Asking, changes_options
from bootstrap.commands.plan import LONG, made, told
from bootstrap.errors import Exit, UsageError

if TYPE_CHECKING:
    from bootstrap.register.plan import Plan


@click.command("register")
@click.argument("saved", required=False, type=click.Path(path_type=Path), metavar="[PLAN]")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@changes_options
@click.option("--force", is_flag=True, help="Allow deleting more than a third of what was registered.")
@click.pass_obj
def command(app: App, *, saved: Path | None, check: bool, asking: Asking, force: bool) -> int:
    """Write connections and variables to where Airflow finds them. If a secret is missing, nothing is written.

    With a PLAN saved by `plan --out`, apply exactly that, or nothing if anything has changed since.
    """
    if saved is not None and (check or asking != Asking()):
        raise UsageError("a saved plan can't be combined with options", "leave out the other options")
    if check:
        return told(app, made(app, asking), check=True)
    with app.alone():
        if saved is None:
            plans = made(app, asking)
        else:
            from bootstrap.register import plan_file

            kept = plan_file.load(saved)
            plans = made(app, Asking(tuple(each.target for each in kept.targets), kept.prune, kept.overwrite))
            plan_file.raise_if_moved(
                kept, plans, plan_file.Asked(app.manifest.owner, kept.prune, kept.overwrite), saved
            )
        for each in plans:
            each.raise_if_unsafe(force=force)
        return max((_apply(app, each, force=force) for each in plans), default=Exit.OK)


def _apply(app: App, found: Plan, *, force: bool) -> int:
    from bootstrap.register.plan import worst

    for warning in found.warnings:
        app.console.warn(warning)
    if len(found.pending) >= LONG:
        app.console.note(f"{found.target_name}: writing {len(found.pending)} …")
    errors = []
    for item in found.apply(force=force):
        app.console.data(f"{item.key}: {item.done} at {item.where}\n")
        if item.error:
            app.console.error(item.error)
            errors.append(item.error)
    for notice in found.notices:
        (app.console.warn if notice.warning else app.console.note)(notice.text)
    if not found.pending:
        app.console.note("nothing to change")
    return worst(errors)
