"""`airflow-bootstrap schema`."""

from __future__ import annotations

import click

from bootstrap import plugins
from bootstrap.commands.context import App

SHIPPED = "bootstrap.schema.json"  # what `make schema` wrote; generating it takes longer than everything else here


@click.command("schema")
@click.pass_obj
def command(app: App) -> int:
    """Print the manifest's JSON Schema, so that editors complete and check bootstrap.yaml."""
    from bootstrap.util.templates import folder_of

    if any(registry.extended for registry in (plugins.CHECKS, plugins.STORES, plugins.TARGETS, plugins.ISSUERS)):
        from bootstrap.manifest.json_schema import generated

        app.console.data(generated())
    else:
        app.console.data(folder_of(SHIPPED).joinpath(SHIPPED).read_text(encoding="utf-8"))
    return 0
