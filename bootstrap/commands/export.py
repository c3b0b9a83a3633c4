"""`airflow-bootstrap export`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bootstrap.commands.context import App
from bootstrap.domain.connection import Connection
from bootstrap.errors import Exit, StoreError, UsageError

_SUFFIXES = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".env": "env"}


@click.command("export")
@click.argument("conn_ids", nargs=-1, metavar="[CONN_ID]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "yaml", "env"]),
    help="Output format.  [default: by the file's suffix, else json]",
)
@click.option(
    "-o", "--output", metavar="FILE", default="-", help="Write to this file, which only you may read; - is stdout."
)
@click.option("--yes", is_flag=True, help="Don't ask before showing secrets on a terminal.")
@click.pass_obj
def command(app: App, *, conn_ids: tuple[str, ...], form: str | None, output: str, yes: bool) -> int:
    """Write connections with their secrets, in the format that `airflow connections import` reads.

    Without a CONN_ID, all of them. If a secret is missing, nothing is written.
    """
    from difflib import get_close_matches

    from bootstrap.convert import export
    from bootstrap.desired.resolve import resolve_all

    known = app.manifest.connections
    for conn_id in conn_ids:
        if conn_id not in known:
            near = get_close_matches(conn_id, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            raise UsageError(f"the manifest has no connection {conn_id!r}", hint)
    resolved = resolve_all(app.manifest, app.secrets, list(dict.fromkeys(conn_ids)) or list(known))
    failed = [item for item in resolved.values() if isinstance(item, StoreError)]
    for err in failed:
        app.console.error(err)
    if failed:
        return max(err.exit_code for err in failed)
    connections = {conn_id: item for conn_id, item in resolved.items() if isinstance(item, Connection)}
    chosen = form or _SUFFIXES.get(Path(output).suffix.lower(), "json")
    for conn_id, item in connections.items():
        if said := export.lost(item, chosen):
            app.console.warn(f"{conn_id}: {said}")
    _write(app, connections, export.text(connections, chosen), output, yes=yes)
    return Exit.OK


def _write(app: App, connections: Mapping[str, Connection], text: str, output: str, *, yes: bool) -> None:
    from bootstrap.util.files import shown
    from bootstrap.util.special_files import is_special

    if output == "-":
        if sys.stdout.isatty() and not yes:
            if not sys.stdin.isatty():
                raise UsageError("can't ask whether to show secrets: there is no terminal", "add --yes, or -o FILE")
            click.confirm(f"Show the secrets of {len(connections)} connections on this terminal?", abort=True, err=True)
        app.reveal(text)
        return
    if Path(output).exists() and not is_special(Path(output)):
        raise UsageError(f"{output} already exists, and is not overwritten", "name another file, or remove it")
    app.keep_out_of_git(Path(output))
    app.write(Path(output), text)
    app.console.note(f"{shown(Path(output))}: written, {len(connections)} connections with their secrets")
