"""`airflow-bootstrap schema`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import plugins
from bootstrap.commands.context import App
from bootstrap.errors import Exit, ManifestError, UsageError

SHIPPED = "bootstrap.schema.json"  # what `make schema` wrote; generating it takes longer than everything else here


@click.command("schema")
@click.option("--check", is_flag=True, help="Check manifests instead of printing; reads no store.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.pass_obj
def command(app: App, *, check: bool, files: tuple[Path, ...]) -> int:
    """Print the manifest's JSON Schema, so that editors complete and check bootstrap.yaml; or check manifests.

    FILES are the manifests that --check reads.  [default: that of --file]
    """
    if check:
        return max(_checked(app, file) for file in files or (app.file,))
    if files:
        raise UsageError("files are for --check", "airflow-bootstrap schema --check FILES")
    from bootstrap.util.templates import folder_of

    if any(registry.extended for registry in (plugins.CHECKS, plugins.STORES, plugins.TARGETS, plugins.ISSUERS)):
        from bootstrap.manifest.json_schema import generated

        app.console.data(generated())
    else:
        app.console.data(folder_of(SHIPPED).joinpath(SHIPPED).read_text(encoding="utf-8"))
    return Exit.OK


def _checked(app: App, file: Path) -> int:
    """Says what is wrong with a manifest; the exit code."""
    from bootstrap.manifest.loader import load

    try:
        manifest = load(file, profile=app.profile, allow_plaintext=app.allow_plaintext)
    except ManifestError as err:
        app.console.error(err)
        return err.exit_code
    app.console.note(f"{file}: valid, connections: {len(manifest.connections)}")
    return Exit.OK
