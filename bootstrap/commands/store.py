"""`airflow-bootstrap store …`."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.errors import Exit, UsageError
from bootstrap.util.human import age, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from bootstrap.store_admin.copy_plan import CopyPlan
    from bootstrap.store_admin.policy import Purpose
    from bootstrap.stores.base import Entry


@click.group("store")
def command() -> None:
    """Put, get, list and copy secrets; print policies; start and stop the embedded store."""


@command.command(
    "put", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("reference", metavar="STORE:PATH[#FIELD]")
@click.option(
    "--from-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read the value from this file."
)
@click.pass_context
def put(ctx: click.Context, *, reference: str, from_file: Path | None) -> int:
    """Store a value, read from stdin, a file or a prompt, never from the command line.

    If stdin is a single line, its newline is dropped.
    """
    from bootstrap.store_admin.put_get import put_value

    if reference == "-h":  # as an option it would also be found in -phunter2
        click.echo(ctx.get_help())
        return Exit.OK
    if ctx.args:  # click would quote what may be a secret
        raise UsageError(
            "store put takes one argument, the reference, and --from-file FILE; what else stands there is not shown, for "
            "a value on the command line is seen by every process and kept by the shell",
            "give the value on stdin, by --from-file, or at the prompt; choose a new one if it was a secret",
        )
    app: App = ctx.obj
    version = put_value(app.secrets, app.manifest, reference, _value(from_file))
    app.console.note(f"{reference}: written, version {version}")
    return Exit.OK


def _value(from_file: Path | None) -> str:
    from bootstrap.store_admin.put_get import as_text
    from bootstrap.util import special_files

    if from_file is not None:
        try:
            return as_text(special_files.read(from_file), str(from_file))
        except OSError as err:
            raise UsageError(f"can't read {from_file}: {err.strerror}", "check the file") from err
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    text = as_text(sys.stdin.buffer.read(), "stdin")
    return text.removesuffix("\n") if text.count("\n") == 1 else text


@command.command("get")
@click.argument("reference", metavar="STORE:PATH[#FIELD][@VERSION]")
@click.option("--reveal", is_flag=True, help="Print the value itself; asks first on a terminal.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def get(app: App, *, reference: str, reveal: bool, yes: bool) -> int:
    """Show a secret's version, age and fields, or with --reveal its value."""
    from bootstrap.store_admin.put_get import describe, value_of

    if reveal:
        value = value_of(app.secrets, app.manifest, reference)
        if sys.stdout.isatty() and not yes:
            if not sys.stdin.isatty():
                hint = "add --yes, or pipe it on"
                raise UsageError(f"can't ask whether to show {reference}: there is no terminal", hint)
            click.confirm(f"Show the value of {reference} on this terminal?", abort=True, err=True)
        app.reveal(value + ("\n" if sys.stdout.isatty() else ""))
    else:
        app.console.data(describe(app.secrets, app.manifest, reference) + "\n")
    return Exit.OK


@command.command("list")
@click.argument("name", metavar="STORE")
@click.argument("prefix", default="")
@click.option("--long", is_flag=True, help="Print the table even if stdout is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of each as JSON.")
@click.pass_obj
def list_(app: App, *, name: str, prefix: str, long: bool, as_json: bool) -> int:
    """List a store's secrets below PREFIX, without values: a table on a terminal, else one STORE:PATH per line."""
    from bootstrap.store_admin.put_get import document, entries, known_store

    store = known_store(app.secrets, app.manifest, name)
    if as_json:
        app.console.reveal(document(name, entries(store, prefix)))
    elif long or sys.stdout.isatty():
        app.console.rich().print(table(name, entries(store, prefix), datetime.now(timezone.utc)))
    else:
        app.console.data("".join(f"{visible(f'{name}:{path}')}\n" for path in store.names(prefix)))
    return Exit.OK


def table(name: str, found: Sequence[Entry], now: datetime) -> Table:
    """The list for people; a column that is empty is left out."""
    from rich.table import Table

    from bootstrap.terminal.console import cell

    titles = ("name", "version", "versions", "age", "created", "state")
    rows = [_row(name, entry, now) for entry in found]
    shown = [index for index in range(len(titles)) if index == 0 or any(row[index] for row in rows)]
    made = Table(box=None, pad_edge=False, header_style="dim")
    for index in shown:
        right = titles[index] in {"version", "versions", "age"}
        made.add_column(titles[index], overflow="fold", justify="right" if right else "left", no_wrap=index > 0)
    for row in rows:
        made.add_row(*(cell(row[index]) for index in shown))
    return made


def _row(name: str, entry: Entry, now: datetime) -> tuple[str, ...]:
    created = entry.created.astimezone(timezone.utc) if entry.created else None
    return (
        visible(f"{name}:{entry.path}"),
        visible(entry.version or ""),
        "" if entry.versions is None else str(entry.versions),
        age(created, now) if created else "",
        f"{created:%Y-%m-%d %H:%M:%S} UTC" if created else "",
        visible(entry.state),
    )


@command.command("copy")
@click.argument("source", metavar="STORE:PREFIX")
@click.argument("target", metavar="STORE:PREFIX")
@click.option("--apply", "applied", is_flag=True, help="Copy; without it, only the plan is shown.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@click.option("--overwrite", is_flag=True, help="Replace secrets that exist and differ.")
@click.option(
    "--as", "form", type=click.Choice(["connections"]), help="Write each as fields that Airflow's backend reads."
)
@click.pass_obj
def copy(  # noqa: PLR0913  one parameter for each option
    app: App, *, source: str, target: str, applied: bool, check: bool, overwrite: bool, form: str | None
) -> int:
    """Copy every secret below one prefix to another, in any store. Without --apply, only show what would happen.

    The source stays. Run it again to finish a copy that was interrupted.
    """
    from bootstrap.store_admin.copy_plan import Options, plan_copy

    if applied and check:
        raise UsageError("--check writes nothing, and --apply writes", "leave out one of them")
    options = Options(overwrite=overwrite, as_connections=form is not None)
    plan = plan_copy(app.manifest, app.secrets, source, target, options)
    return _apply(app, plan) if applied else _show(app, plan, check=check)


def _show(app: App, plan: CopyPlan, *, check: bool) -> int:
    from bootstrap.store_admin.copy_apply import planned

    app.console.data("".join(f"{line}\n" for line in planned(plan)))
    _tell_of_conflicts(app, plan)
    return max(plan.exit_code, Exit.FAILED if check and (plan.pending or plan.in_conflict) else Exit.OK)


def _apply(app: App, plan: CopyPlan) -> int:
    from bootstrap.store_admin import copy_apply
    from bootstrap.terminal.progress import counted

    for move in plan.stuck:
        app.console.data(f"{copy_apply.planned_line(plan, move)}\n")
    results = []
    for result in counted(app.console, copy_apply.apply(plan), len(plan.pending), "copying"):
        app.console.data(f"{copy_apply.copied_line(plan, result)}\n")
        results.append(result)
    app.console.data(f"{copy_apply.copied_sum(plan, results)}\n")
    _tell_of_conflicts(app, plan)
    return copy_apply.exit_code(plan, results)


def _tell_of_conflicts(app: App, plan: CopyPlan) -> None:
    if plan.in_conflict:
        app.console.warn(f"{len(plan.in_conflict)} differ in {plan.target.name} and stay; --overwrite replaces them")


@command.command("policy")
@click.argument("name", metavar="[STORE]", required=False)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["read", "register", "prune", "rotate", "airflow"]),
    default="register",
    show_default=True,
    help="read: to read what the manifest refers to; register: what `up` needs; prune: also to delete what the manifest no"
    " longer contains; rotate: what `register` and `rotate` need; airflow: what Airflow itself needs.",
)
@click.option("--format", "wanted", help="hcl, terraform, gcloud or iam, as the store's kind allows.")
@click.pass_obj
def policy(app: App, *, name: str | None, purpose: Purpose, wanted: str | None) -> int:
    """Print the least policy that a store's credential needs. It is computed from the manifest, without asking the store."""
    from bootstrap.store_admin.policy import policy

    app.console.data(policy(app.manifest, app.secrets, name, purpose, wanted))
    return Exit.OK


@command.command("start")
@click.pass_obj
def start(app: App) -> int:
    """Start the embedded store, if it isn't running."""
    from bootstrap.store_admin.put_get import embedded_servers

    for name, server in embedded_servers(app.manifest):
        app.console.data(f"{name}: running at {server.ensure_running()}\n")
    return Exit.OK


@command.command("stop")
@click.pass_obj
def stop(app: App) -> int:
    """Stop the embedded store; its data stays."""
    from bootstrap.store_admin.put_get import embedded_servers

    for name, server in embedded_servers(app.manifest):
        app.console.data(f"{name}: {'stopped' if server.stop() else 'was not running'}\n")
    return Exit.OK


@command.command("status")
@click.pass_obj
def status(app: App) -> int:
    """Show whether the embedded store runs, and where; exit 3 if it doesn't."""
    from bootstrap.store_admin.put_get import embedded_servers

    code = Exit.OK
    for name, server in embedded_servers(app.manifest):
        found = server.status()
        app.console.data(f"{name}: {f'running at {found.url}, pid {found.pid}' if found.running else 'not running'}\n")
        if found.url is not None:  # it has been started before
            server.require_seal()
        code = code if found.running else Exit.STORE
    return code
