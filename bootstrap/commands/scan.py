"""`airflow-bootstrap scan`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.commands.options import Seconds
from bootstrap.errors import Exit, UsageError

if TYPE_CHECKING:
    from bootstrap.scan.policies.policy import Format
    from bootstrap.scan.result import Declared, Result

PUBLIC_FILE = 0o644  # it holds no secret
FORMATS = ("sql", "gcloud", "terraform", "aws")
FAILS = ("undeclared", "unused", "risk", "dynamic")


@click.command("scan")
@click.argument("dags", type=click.Path(path_type=Path), nargs=-1)
@click.option("--fail-on", type=click.Choice(FAILS), multiple=True, help="Exit 1 if there is any of this; repeatable.")
@click.option("--json", "json_file", metavar="FILE", help="Write the result as JSON to this file; - is stdout.")
@click.option("--sarif", "sarif_file", metavar="FILE", help="Write the findings as SARIF to this file; - is stdout.")
@click.option("--run", is_flag=True, help="Also have Airflow parse the DAGs, in a scratch home without your secrets.")
@click.option("--timeout", type=Seconds(), default=30.0, show_default=True, help="With --run: time limit of each file.")
@click.option("--update", is_flag=True, help="Add to the manifest what it lacks; nothing that it has is changed.")
@click.option("--store", metavar="NAME", help="With --update: store of the secrets to be filled in.  [default: local]")
@click.option(
    "--diff", "base", metavar="REV", help="Show only what is new since this git revision, as in a pull request."
)
@click.option("--policy", is_flag=True, help="Print the least rights that the code needs, per connection.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="With --policy: its format.  [default: sql]")
@click.option("--explain", "code", metavar="CODE", help="Explain a risk, as AB201, and exit.")
@click.pass_obj
def command(  # noqa: PLR0913  one parameter for each option
    app: App,
    *,
    dags: tuple[Path, ...],
    fail_on: tuple[str, ...],
    json_file: str | None,
    sarif_file: str | None,
    run: bool,
    timeout: float,
    update: bool,
    store: str | None,
    base: str | None,
    policy: bool,
    form: Format | None,
    code: str | None,
) -> int:
    """Show which connections, variables, systems and rights DAG code needs, and what the manifest lacks. Runs no code without --run.

    DAGS is a folder, or files: then nothing counts as unused.  [default: `airflow.dags` of the manifest, else dags]
    """
    if code is not None:
        from bootstrap.scan.risks.rules import explain

        app.console.data(explain(code))
        return Exit.OK
    _require_use(("--store", store, "--update", update), ("--format", form, "--policy", policy))
    from bootstrap.scan.text import lines, summary
    from bootstrap.scan.whole import scan

    folder, only = _folder(app, dags)
    result = scan(folder, declared(app), cache(app), only)
    if run:
        result = _with_run(app, result, folder, only, timeout)
    if base is not None:
        result = _since(app, result, base, folder, only)
    if policy:
        app.console.data(_policy(app, result, form or "sql"))
    elif update:
        from bootstrap.commands.scan_update import update as update_manifest

        result = update_manifest(app, result, store)
    elif "-" not in (json_file, sarif_file):
        app.console.data("".join(f"{line}\n" for line in lines(result)))
    _write(app, result, json_file, sarif_file)
    for line in result.run.lines() if result.run is not None else ():
        app.console.note(line)
    app.console.note(summary(result))
    if not result.files:
        app.console.warn(f"{folder} has no DAGs")
    return Exit.FAILED if any(_has(result, each) for each in fail_on) else Exit.OK


def _require_use(*options: tuple[str, str | None, str, bool]) -> None:
    """Raises UsageError for an option that says something of another, which isn't given."""
    for name, value, other, given in options:
        if value is not None and not given:
            raise UsageError(f"{name} is for {other}", f"airflow-bootstrap scan {other} {name} {value}")


def _with_run(app: App, result: Result, folder: Path, only: frozenset[Path] | None, timeout: float) -> Result:
    if only is not None:
        raise UsageError("--run parses a folder, or one file", "airflow-bootstrap scan --run DAGS")
    from bootstrap.scan.run.whole import with_run

    return with_run(result, folder, _variables(app), timeout, cache(app))


def _since(app: App, result: Result, base: str, folder: Path, only: frozenset[Path] | None) -> Result:
    """What only this state of the code needs."""
    from bootstrap.scan.difference import added, nothing, revision, sentence
    from bootstrap.scan.result import Declared
    from bootstrap.scan.whole import scan

    with revision(folder, base) as before:
        files = frozenset(before / each.relative_to(_absolute(folder)) for each in only) if only is not None else None
        old = scan(before, Declared(), cache(app), files) if before.exists() else nothing(before)
    found = added(result, old)
    app.console.note(sentence(found, base))
    return found


def _policy(app: App, result: Result, form: Format) -> str:
    from bootstrap.scan.policies.needed import Needed
    from bootstrap.scan.policies.policy import policy, store_policies

    logins: dict[str, str] = {}
    stores: dict[str, str] = {}
    if app.file.exists():
        written = {conn_id: each.login for conn_id, each in app.manifest.connections.items()}
        logins = {conn_id: login for conn_id, login in written.items() if isinstance(login, str)}
        stores = store_policies(app.manifest, app.secrets, form)
    needed = [
        Needed(each.conn_id, each.conn_type, each.resources, logins.get(each.conn_id, ""))
        for each in result.connections
    ]
    return policy(needed, form, stores)


def _folder(app: App, dags: tuple[Path, ...]) -> tuple[Path, frozenset[Path] | None]:
    """What to scan, and the files in it if only some are asked for: below the manifest's folder of DAGs, if all of them are."""
    own = app.manifest.airflow.dags if app.file.exists() else None
    of_manifest = app.manifest.folder / own if own is not None else None
    if len(dags) <= 1:
        return dags[0] if dags else of_manifest or Path("dags"), None
    only = frozenset(_absolute(each) for each in dags)
    if of_manifest is not None and all(each.is_relative_to(_absolute(of_manifest)) for each in only):
        return of_manifest, only
    return Path(os.path.commonpath([each.parent for each in only])), only


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  links stay: they are names of the user's


def declared(app: App) -> Declared:
    """What the manifest declares; nothing where there is none. Raises ManifestError."""
    from bootstrap.scan.result import Declared

    if not app.file.exists():
        app.console.note(f"there is no {app.file}: nothing counts as declared")
        return Declared()
    types = {conn_id: each.conn_type or "" for conn_id, each in app.manifest.connections.items()}
    return Declared(types, frozenset(app.manifest.variables))


def _variables(app: App) -> dict[str, str]:
    """`airflow.env` of the manifest: PYTHONPATH may be there."""
    if not app.file.exists():
        return {}
    from bootstrap.airflow.environment import locate

    return dict(locate(app.manifest).variables)


def cache(app: App) -> Path | None:
    """Where what was read of the installed providers is kept: of this user, since many projects share an installation."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "airflow-bootstrap"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        app.console.detail(f"{folder} can't be made ({err.strerror}): what providers take is read anew each time")
        return None
    return folder


def _write(app: App, result: Result, json_file: str | None, sarif_file: str | None) -> None:
    from bootstrap.reports import github
    from bootstrap.reports.sarif import sarif
    from bootstrap.scan.findings import findings

    root = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
    all_of_them = findings(result, app.file)
    if json_file is not None:
        _output(app, json_file, json.dumps(result.document(), indent=1, ensure_ascii=False) + "\n")
    if sarif_file is not None:
        _output(app, sarif_file, sarif(all_of_them, result.skipped, result.folder, root))
    if github.active():
        for line in github.finding_commands(all_of_them, result.folder, root):
            click.echo(line, err=True)


def _output(app: App, file: str, text: str) -> None:
    if file == "-":
        app.console.reveal(text)
    else:
        app.write(Path(file), text, mode=PUBLIC_FILE)


def _has(result: Result, what: str) -> bool:
    found = {"undeclared": result.undeclared, "unused": result.unused, "risk": result.risks, "dynamic": result.dynamic}
    return bool(found[what])
