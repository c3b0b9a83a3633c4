"""`airflow-bootstrap render`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap.app import App
from bootstrap.errors import Exit


@click.command("render")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the file differs.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change, masked.")
@click.option(
    "-o", "--output", type=click.Path(), help="Write to this file instead of the home's airflow.cfg; - is stdout."
)
@click.pass_obj
def command(app: App, *, check: bool, diff: bool, output: str | None) -> int:
    """Write the secrets backend into airflow.cfg and leave every other line as it is."""
    from bootstrap import airflow_cfg
    from bootstrap.files import shown

    backend = airflow_cfg.airflow_backend(app.manifest)
    file = app.environment.config if output in (None, "-") else Path(str(output))
    rendering = airflow_cfg.render(backend, file)
    for advice in backend.advice:
        app.console.note(advice)
    if output == "-":
        app.console.data(rendering.after)
        return Exit.OK
    if diff:
        rendering.remember_inline_secrets()
        app.console.data(rendering.diff())
    if check:
        app.console.note(f"{shown(file)}: {'differs from the manifest' if rendering.changed else 'nothing to change'}")
        return Exit.FAILED if rendering.changed else Exit.OK
    if rendering.changed and not diff:
        with app.alone():
            airflow_cfg.write(rendering)
    if not diff:
        app.console.note(f"{shown(file)}: {'written' if rendering.changed else 'nothing to change'}")
    return Exit.OK
