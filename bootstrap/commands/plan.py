"""`airflow-bootstrap plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import Asking, changes_options
from bootstrap.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bootstrap.register.plan import Plan
    from bootstrap.register.plan_file import Asked

LONG = 100  # connections and variables, from which on it is said that something goes on


@click.command("plan")
@click.option("--check", is_flag=True, help="Exit 1 if anything would change.")
@changes_options
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan; `register FILE` applies it."
)
@click.option("--json", "json_file", metavar="FILE", help="Write the plan as JSON to this file; - is stdout.")
@click.pass_obj
def command(app: App, *, check: bool, asking: Asking, out: Path | None, json_file: str | None) -> int:
    """Show what register would change, with every secret masked."""
    from bootstrap.register.plan_file import Asked, require_room

    for file in (out, Path(json_file) if json_file is not None and json_file != "-" else None):
        if file is not None:
            require_room(file)
    plans = made(app, asking)
    code = told(app, plans, check=check, quiet=json_file == "-")
    asked = Asked(app.manifest.owner, asking.prune, asking.overwrite)
    if json_file is not None:
        _write(app, plans, asked, json_file)
    if out is not None and any(each.problems for each in plans):
        app.console.warn(f"{out} is not written: the plan can't be applied as it is")
    elif out is not None:
        _write(app, plans, asked, str(out))
        app.console.note(f"apply it: airflow-bootstrap register {out}")
    return code


def made(app: App, asking: Asking) -> list[Plan]:
    """The plans of the targets that are asked for."""
    from bootstrap.register.plan import Rules, plan, wanted

    specs = wanted(app.manifest, asking.into)
    if not specs:
        app.console.note("no target: the manifest has neither `backend:` nor `register:`")
    rules = Rules(asking.prune, asking.overwrite, asking.strict)
    count = len(app.manifest.connections) + len(app.manifest.variables)
    plans = []
    for each in specs:
        if count >= LONG:
            app.console.note(f"{each.name}: comparing {count} connections and variables …")
        plans.append(plan(app.manifest, app.secrets, each, rules))
    return plans


def told(app: App, plans: Sequence[Plan], *, check: bool, quiet: bool = False) -> int:
    """Print the plans; the exit code is that of their problems, or 1 for a change if `check`."""
    from bootstrap.register.plan import worst
    from bootstrap.register.plan_text import lines

    for each in plans:
        if not quiet:
            app.console.data("".join(f"{line}\n" for line in lines(each, app.manifest)))
        for warning in each.warnings:
            app.console.warn(warning)
        for err in each.problems:
            app.console.error(err)
    drift = Exit.FAILED if check and any(each.pending for each in plans) else Exit.OK
    return max(drift, *(worst(each.problems) for each in plans), Exit.OK)


def _write(app: App, plans: Sequence[Plan], asked: Asked, file: str) -> None:
    from bootstrap.register.plan_file import document, text

    found = text(document(plans, asked))
    if file == "-":
        app.console.reveal(found)
    else:
        app.write(Path(file), found)
