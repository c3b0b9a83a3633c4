"""`airflow-bootstrap register`."""

from __future__ import annotations

import click

from bootstrap.app import App
from bootstrap.commands.options import into_option
from bootstrap.commands.plan import show
from bootstrap.errors import Exit


@click.command("register")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@into_option
@click.pass_obj
def command(app: App, *, check: bool, into: tuple[str, ...]) -> int:
    """Write the connections to where Airflow finds them; nothing is written if a secret is missing."""
    from bootstrap.plan import plan, wanted, worst

    if check:
        return show(app, into, check=True)
    code = Exit.OK
    with app.alone():
        for target in wanted(app.manifest, into):
            applied = list(plan(app.manifest, app.secrets, target).apply())
            for item in applied:
                app.console.data(f"{item.conn_id}: {item.done} at {item.where}\n")
                if item.error:
                    app.console.error(item.error)
            if all(item.action == "unchanged" for item in applied):
                app.console.note("nothing to change")
            code = max(code, worst(item.error for item in applied if item.error))
    if not into and not app.manifest.register:
        app.console.note("no target: the manifest has neither `backend:` nor `register:`")
    return code
