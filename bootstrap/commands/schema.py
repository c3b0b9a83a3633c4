"""`airflow-bootstrap schema`."""

from __future__ import annotations

import click

from bootstrap.app import App


@click.command("schema")
@click.pass_obj
def command(app: App) -> int:
    """Print the manifest's JSON Schema, so that editors complete and check bootstrap.yaml."""
    from bootstrap.schema import schema_text

    app.console.data(schema_text())
    return 0
