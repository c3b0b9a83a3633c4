"""`airflow-bootstrap init`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.domain.secret import trust
from bootstrap.errors import Exit, UsageError

if TYPE_CHECKING:
    from bootstrap.convert.conversion import Place
    from bootstrap.convert.making import Made, Stores

PUBLIC_FILE = 0o644  # it holds no secret


@dataclass(frozen=True)
class Wishes:
    """What is asked for."""

    source: str | None
    dags: str | None
    format: str | None
    store: str | None
    script: str | None
    pick: str | None
    output: str | None


@click.command("init")
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    help="Convert this: a file, - for stdin, metadata:AIRFLOW_HOME, or STORE:PREFIX.",
)
@click.option(
    "--from-dags",
    "dags",
    metavar="DAGS",
    help="Write what the DAGs in this folder or file need, each connection with its places and checks.",
)
@click.option(
    "--format",
    type=click.Choice(["connections", "variables", "env", "settings"]),
    help="Format of the source.  [default: guessed from its name and content]",
)
@click.option("--store", metavar="NAME", help="Store to put the secrets into.  [default: local]")
@click.option(
    "--script",
    metavar="FILE",
    help="Write a shell script that stores the secrets, instead of storing them; - is stdout.",
)
@click.option("--pick", metavar="REF", help="Print the one secret of the source that belongs at REF; for scripts.")
@click.option("-o", "--output", metavar="FILE", help="Write the manifest to this file instead of -f FILE; - is stdout.")
@click.pass_obj
def command(app: App, /, **wishes: str | None) -> int:
    """Write a starter manifest, or convert what you have. Secrets go into a store, never into the manifest.

    With --from-dags, the manifest declares what the code of DAGs needs; nothing of it is run. `scan --update` adds what comes later.

    SOURCE is an export of `airflow connections export` or `airflow variables export`, a .env file with AIRFLOW_CONN_ and
    AIRFLOW_VAR_ lines, Astro's airflow_settings.yaml, a metadata database, or a folder of a store. If something has to be
    left out, it is reported and the exit code is 1.
    """
    wanted = Wishes(**wishes)
    if wanted.dags is not None:
        return _from_dags(app, wanted)
    if wanted.pick is not None:
        return _pick(app, wanted)
    target = _target(app, wanted)
    if wanted.script not in (None, "-"):
        _require_new(Path(str(wanted.script)))
    if wanted.source is None:
        from bootstrap.util.templates import folder_of

        if wanted.format or wanted.store or wanted.script:
            raise UsageError("--format, --store and --script need a source", "name one with --from SOURCE")
        _write(app, target, (folder_of("starter.yaml") / "starter.yaml").read_text(encoding="utf-8"))
        return Exit.OK
    stores, made = _make(app, wanted)
    text = made.manifest(stores)
    trust(text)
    _secrets(app, wanted, stores, made, target)
    _write(app, target, text)
    for note in (*made.notes, *made.gaps()):
        app.console.warn(note)
    for err in made.left_out:
        app.console.error(err)
    app.console.note(f"{len(made.conversion.connections)} connections, {len(made.conversion.variables)} variables")
    return max((err.exit_code for err in made.left_out), default=Exit.OK)


def _from_dags(app: App, wishes: Wishes) -> int:
    from bootstrap.commands.scan import cache
    from bootstrap.commands.scan_update import told
    from bootstrap.convert.making import NEW, Stores
    from bootstrap.scan.manifest.written import new
    from bootstrap.scan.result import Declared
    from bootstrap.scan.whole import scan

    if wishes.source or wishes.format or wishes.script or wishes.pick:
        raise UsageError("--from-dags needs no other source", "leave out --from, --format, --script and --pick")
    target, dags = _target(app, wishes), Path(str(wishes.dags))
    result = scan(dags, Declared(), cache(app))
    manifest = app.manifest if app.file.exists() else None
    base = Stores(app.file, manifest, lambda: app.secrets, app.concurrency).base if manifest is not None else NEW
    made = new(result, dags, target or app.file, base, _place(app, wishes.store))
    trust(made.text)
    _write(app, target, made.text)
    told(app, made)
    return Exit.OK


def _place(app: App, store: str | None) -> Place:
    """Where the new manifest's secrets are to be put. Raises UsageError."""
    from bootstrap.convert.conversion import Place
    from bootstrap.convert.making import LOCAL
    from bootstrap.scan.manifest.store_place import store_place

    if not app.file.exists():
        if store not in (None, LOCAL):
            hint = f"write it into {app.file}, then name the new manifest with -o FILE"
            raise UsageError(f"there is no store {store!r}, because there is no {app.file}", hint)
        return Place(LOCAL)
    place = store_place(app.manifest, app.secrets, store)
    if place is None:
        raise UsageError(f"{app.file} has no store for secrets", "write one under `stores:`")
    return place


def _target(app: App, wishes: Wishes) -> Path | None:
    """Where the manifest goes; None: stdout. Raises UsageError for a file that is there."""
    if wishes.output == "-":
        if wishes.script == "-":
            raise UsageError("the manifest and the script can't both go to stdout", "name a file for one of them")
        return None
    target = Path(wishes.output) if wishes.output is not None else app.file
    _require_new(target)
    if target.absolute().parent != app.file.absolute().parent and app.file.exists():
        message = f"{target} is in another folder than {app.file}, so its relative paths would change"
        raise UsageError(message, f"write it beside {app.file}")
    return target


def _require_new(file: Path) -> None:
    from bootstrap.util.special_files import is_special

    if file.exists() and not is_special(file):
        message = f"{file} already exists, and is not overwritten"
        hint = "name another with -o FILE, or print it with -o -; `scan --update` adds what DAGs need"
        raise UsageError(message, hint)


def _make(app: App, wishes: Wishes) -> tuple[Stores, Made]:
    from bootstrap.convert.making import Stores, make

    stores = Stores(app.file, app.manifest if app.file.exists() else None, lambda: app.secrets, app.concurrency)
    return stores, make(str(wishes.source), wishes.format, stores, wishes.store, sys.stdin.buffer.read)


def _pick(app: App, wishes: Wishes) -> int:
    from bootstrap.convert.making import pick

    if wishes.source is None or wishes.script is not None or wishes.output is not None:
        raise UsageError("--pick prints one secret of a source", "init --from SOURCE --pick STORE:PATH#FIELD")
    if sys.stdout.isatty():
        raise UsageError("a secret is not printed to a terminal", "pipe it on: … | airflow-bootstrap store put REF")
    app.console.reveal(pick(_make(app, wishes)[1], str(wishes.pick)))
    return Exit.OK


def _secrets(app: App, wishes: Wishes, stores: Stores, made: Made, target: Path | None) -> None:
    from bootstrap.convert.making import put, script
    from bootstrap.util.files import expanded

    if wishes.script is not None:
        name, _ = stores.named(wishes.store)
        source = f"metadata:{expanded(str(wishes.source).partition(':')[2]).absolute()}"
        references = made.conversion.references(name)
        text = script(str(target or app.file), source, made.form, name, references)
        _write(app, None if wishes.script == "-" else Path(wishes.script), text)
    elif made.conversion.secrets:
        name, store = stores.named(wishes.store)
        written = put(name, store, made.conversion.secrets, app.concurrency)
        app.console.note(f"{name}: {written} secrets written, {len(made.conversion.secrets) - written} were there")


def _write(app: App, file: Path | None, text: str) -> None:
    from bootstrap.util.files import shown

    if file is None:
        app.console.reveal(text)  # there is no secret in it, and a word that is one elsewhere stays readable
        return
    _require_new(file)  # also if it came to be meanwhile
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UsageError(f"can't write {file}: {err.strerror}", "check the permissions of its folder") from err
    app.write(file, text, PUBLIC_FILE)
    app.console.note(f"{shown(file)}: written")
