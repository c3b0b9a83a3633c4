"""`airflow-bootstrap rotate`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import Seconds
from bootstrap.errors import BootstrapError, Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bootstrap.rotation.engine import Engine
    from bootstrap.rotation.fernet.rotatable import FernetKey
    from bootstrap.rotation.keyring import Keyring
    from bootstrap.rotation.status import Item, Outcome

Mode = Literal["due", "resume", "rollback", "give-up", "status"]


@click.command("rotate")
@click.argument("conn_ids", nargs=-1, metavar="[CONN_ID]...")
@click.option(
    "--due", "mode", flag_value="due", help="Rotate overdue keys and finish rotations past their grace; for cron."
)
@click.option("--resume", "mode", flag_value="resume", help="Continue an interrupted rotation, from any machine.")
@click.option("--rollback", "mode", flag_value="rollback", help="Return to the old key, as long as it isn't destroyed.")
@click.option("--give-up", "mode", flag_value="give-up", help="End a rotation as it is, and leave its keys to you.")
@click.option(
    "--status", "mode", flag_value="status", help="Change nothing; show every key, and exit 1 if one is overdue."
)
@click.option("--despite-use", is_flag=True, help="Disable the old key even if somebody used it lately.")
@click.option("--timeout", type=Seconds(), default=60.0, show_default=True, help="Time limit of each check.")
@click.option("--json", "json_file", metavar="FILE", help="With --status: write it as JSON to this file; - is stdout.")
@click.pass_obj
def command(
    app: App, *, conn_ids: tuple[str, ...], mode: Mode | None, despite_use: bool, timeout: float, json_file: str | None
) -> int:
    """Replace the keys of these connections without disturbing running jobs. Without a CONN_ID: of all that have `rotate:`.

    The new key is proven by the connection's own checks before and after it is put in use. The old one keeps working for `grace:`.
    """
    if mode == "give-up" and not conn_ids:
        raise UsageError("--give-up needs a name", "airflow-bootstrap rotate --give-up CONN_ID")
    if json_file is not None and mode != "status":
        raise UsageError("--json needs --status", "airflow-bootstrap rotate --status --json FILE")
    from bootstrap.airflow.session import AirflowSession
    from bootstrap.rotation.keyring import Keyring
    from bootstrap.smoke.run import Settings

    settings = Settings(jobs=os.cpu_count() or 1, timeout=timeout)
    keyring = Keyring(app.manifest, app.environment, app.secrets, settings, app.console.note)
    names = keyring.chosen(conn_ids)
    if mode == "status":
        return _status(app, keyring, names, json_file)
    with app.alone(), AirflowSession():
        return max(_one(app, keyring, name, mode, despite_use=despite_use) for name in names)


def _one(app: App, keyring: Keyring, name: str, mode: Mode | None, *, despite_use: bool) -> int:
    """One key; its error is printed, so that the others get their turn."""
    from bootstrap.rotation.rotatable import Voice

    try:
        engine = keyring.engine(name, Voice(app.console.note, _asked), despite_use=despite_use)
        acts = {"resume": engine.resume, "rollback": engine.roll_back, "give-up": engine.give_up, None: engine.rotate}
        act = acts.get(mode) or _due(keyring, name, engine)
        app.console.data(f"{name}: {_told(act()) if act is not None else 'nothing is due'}\n")
    except BootstrapError as err:
        app.console.error(err)
        return err.exit_code
    return Exit.OK


def _due(keyring: Keyring, name: str, engine: Engine | FernetKey) -> Callable[[], Outcome] | None:
    """What there is to do."""
    item = keyring.item(name)
    if item.error is not None:
        raise item.error
    if item.state == "overdue":
        return engine.rotate
    return engine.resume if item.state in {"unfinished", "grace over"} else None


def _told(outcome: Outcome) -> str:
    if outcome.state == "grace" and outcome.due is not None:
        return (
            f"rotated; the old key works until {outcome.due:%Y-%m-%d %H:%M} UTC, then: airflow-bootstrap rotate --due"
        )
    return {"over": "done", "nothing": "no rotation is under way", "grace": "in its grace"}[outcome.state]


def _asked(question: str) -> bool:
    """On a terminal only."""
    return sys.stdin.isatty() and click.confirm(question, default=False, err=True)


def _status(app: App, keyring: Keyring, names: Sequence[str], json_file: str | None) -> int:
    from bootstrap.rotation.status import as_json

    items = [keyring.item(name) for name in names]
    if json_file is None:
        _table(app, items)
    elif json_file == "-":
        app.console.reveal(as_json(items))
    else:
        from bootstrap.util.files import write_atomic

        write_atomic(Path(json_file), as_json(items))
    for item in items:
        if item.error is not None:
            app.console.error(item.error)
        if item.keyless:
            app.console.note(f"{item.name}: recommend: keyless. {item.keyless}")
    return max(item.exit_code for item in items)


def _table(app: App, items: Sequence[Item]) -> None:
    from rich.table import Table

    from bootstrap.terminal.console import cell

    table = Table(box=None, pad_edge=False)
    for heading in ("connection", "issuer", "key", "age", "rotated", "next", "expires", "state"):
        table.add_column(heading)
    for item in items:
        rotated = item.journal.rotated if item.journal is not None else None
        days = [
            moment.strftime("%Y-%m-%d") if moment is not None else "-" for moment in (rotated, item.next, item.expires)
        ]
        row = (item.name, item.issuer, item.key or "-", item.age, *days, item.sentence)
        table.add_row(*map(cell, row))
    app.console.rich().print(table)
