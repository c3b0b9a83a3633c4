"""`airflow-bootstrap store …`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bootstrap.app import App
from bootstrap.errors import Exit


@click.group("store")
def command() -> None:
    """Put, get and list secrets; start and stop the embedded store."""


@command.command("put")
@click.argument("reference", metavar="STORE:PATH[#FIELD]")
@click.option(
    "--from-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take the value from a file."
)
@click.pass_obj
def put(app: App, *, reference: str, from_file: Path | None) -> int:
    """Store a value, read from stdin, a file or a prompt; never from the command line.

    From stdin, the newline that ends a single line is left out.
    """
    from bootstrap.secret_commands import put_value

    version = put_value(app.secrets, app.manifest, reference, _value(from_file))
    app.console.note(f"{reference}: written, version {version}")
    return Exit.OK


def _value(from_file: Path | None) -> str:
    if from_file is not None:
        return from_file.read_bytes().decode("utf-8")
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    text = sys.stdin.buffer.read().decode("utf-8")
    return text.removesuffix("\n") if text.count("\n") == 1 else text


@command.command("get")
@click.argument("reference", metavar="STORE:PATH[#FIELD][@VERSION]")
@click.option("--reveal", is_flag=True, help="Print the value itself.")
@click.pass_obj
def get(app: App, *, reference: str, reveal: bool) -> int:
    """Show a secret: its version, age and fields, and with --reveal its value."""
    from bootstrap.secret_commands import describe, value_of

    if reveal:
        value = value_of(app.secrets, app.manifest, reference)
        app.console.reveal(value + ("\n" if sys.stdout.isatty() else ""))
    else:
        app.console.data(describe(app.secrets, app.manifest, reference) + "\n")
    return Exit.OK


@command.command("list")
@click.argument("name", metavar="STORE")
@click.argument("prefix", default="")
@click.pass_obj
def list_(app: App, *, name: str, prefix: str) -> int:
    """List the paths of a store's secrets, without values."""
    from bootstrap.secret_commands import known_store

    for path in known_store(app.secrets, app.manifest, name).names(prefix):
        app.console.data(f"{name}:{path}\n")
    return Exit.OK


@command.command("start")
@click.pass_obj
def start(app: App) -> int:
    """Start the embedded store, if it isn't running."""
    from bootstrap.secret_commands import embedded_servers

    for name, server in embedded_servers(app.manifest):
        app.console.data(f"{name}: running at {server.ensure_running()}\n")
    return Exit.OK


@command.command("stop")
@click.pass_obj
def stop(app: App) -> int:
    """Stop the embedded store; its data stays."""
    from bootstrap.secret_commands import embedded_servers

    for name, server in embedded_servers(app.manifest):
        app.console.data(f"{name}: {'stopped' if server.stop() else 'was not running'}\n")
    return Exit.OK


@command.command("status")
@click.pass_obj
def status(app: App) -> int:
    """Say whether the embedded store runs, and where; exit 3 if it doesn't."""
    from bootstrap.secret_commands import embedded_servers

    code = Exit.OK
    for name, server in embedded_servers(app.manifest):
        found = server.status()
        app.console.data(f"{name}: {f'running at {found.url}, pid {found.pid}' if found.running else 'not running'}\n")
        code = code if found.running else Exit.STORE
    return code
