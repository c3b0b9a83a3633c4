"""`airflow-bootstrap render`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App
from bootstrap.errors import Exit, UsageError

if TYPE_CHECKING:
    from bootstrap.render.cfg_file import Rendering
    from bootstrap.render.settings import Settings

FORMATS = ("cfg", "env", "helm", "compose", "composer", "mwaa")


@dataclass(frozen=True)
class Wishes:
    """What is asked for."""

    check: bool
    diff: bool
    backup: bool
    verify: bool
    remove: bool
    replace_deprecated: bool
    format: str
    output: str | None

    @property
    def is_printed(self) -> bool:
        """True if it is for stdout, by whatever name."""
        from bootstrap.util.special_files import own_descriptor

        return self.output is not None and (self.output == "-" or own_descriptor(Path(self.output)) == 1)


@click.command("render")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print the changes, with secrets masked.")
@click.option("--backup", is_flag=True, help="Keep a copy of the old file beside it.")
@click.option("--verify", is_flag=True, help="Have Airflow read the file back; roll back if it parses it differently.")
@click.option("--remove", is_flag=True, help="Restore the file to its state before rendering.")
@click.option(
    "--replace-deprecated",
    is_flag=True,
    help="Remove options at deprecated places, which would win over those written.",
)
@click.option("--format", type=click.Choice(FORMATS), default="cfg", show_default=True, help="Output format.")
@click.option("-o", "--output", type=click.Path(), help="Write to this file instead of airflow.cfg; - is stdout.")
@click.pass_obj
def command(app: App, /, **wishes: object) -> int:
    """Write the secrets backend into airflow.cfg, and leave every other line as it is.

    Any format but cfg is printed: settings for an Airflow that runs elsewhere.
    """
    from bootstrap.render import cfg_file

    wanted = Wishes(**wishes)  # type: ignore[arg-type]  # click made them from the options above
    if wanted.format != "cfg":
        return _print_for_elsewhere(app, wanted)
    if wanted.remove:
        return _remove(app, wanted)
    settings = _settings(app)
    cfg_file.require_readable(_file(app, wanted))
    rendering = cfg_file.render(settings, _file(app, wanted), replace_deprecated=wanted.replace_deprecated)
    return _finish(app, rendering, wanted, settings)


def _settings(app: App, *, elsewhere: bool = False) -> Settings:
    from bootstrap.render.settings import settings

    found = settings(app.manifest, elsewhere=elsewhere)
    for advice in found.advice:
        app.console.note(advice)
    return found


def _file(app: App, wishes: Wishes) -> Path:
    return app.environment.config if wishes.output is None or wishes.is_printed else Path(wishes.output)


def _print_for_elsewhere(app: App, wishes: Wishes) -> int:
    from bootstrap.render import cfg_file, formats
    from bootstrap.util.files import shown, write_atomic

    if wishes.check or wishes.diff or wishes.backup or wishes.verify or wishes.remove or wishes.replace_deprecated:
        raise UsageError(f"--format {wishes.format} only prints", "leave out the other options, but -o")
    settings = _settings(app, elsewhere=True)
    _refuse_to_print_credentials(settings, wishes)
    absent = [(section, option) for section, options in settings.absent.items() for option in options]
    text = formats.text(wishes.format, cfg_file.values(settings), absent)
    if wishes.is_printed or wishes.output is None:
        app.console.data(text)
    else:
        file = Path(str(wishes.output))
        if settings.inline:
            app.keep_out_of_git(file)
        write_atomic(file, text)
        app.console.note(f"{shown(file)}: written")
    return Exit.OK


def _refuse_to_print_credentials(settings: Settings | None, wishes: Wishes) -> None:
    if settings is not None and settings.inline and (wishes.is_printed or wishes.output is None):
        message = "the output would contain a credential, which is not printed"
        raise UsageError(message, "write it to a file with -o FILE")


def _remove(app: App, wishes: Wishes) -> int:
    from bootstrap.render import cfg_file

    if wishes.verify or wishes.replace_deprecated:
        option = "--verify" if wishes.verify else "--replace-deprecated"
        raise UsageError(f"{option} can't be combined with --remove", "leave out one of them")
    rendering = cfg_file.remove(lambda: _settings(app), _file(app, wishes), app.environment.records)
    return _finish(app, rendering, wishes, None)


def _finish(app: App, rendering: Rendering, wishes: Wishes, settings: Settings | None) -> int:
    from bootstrap.util.files import shown
    from bootstrap.util.special_files import is_special

    if wishes.is_printed:
        _refuse_to_print_credentials(settings, wishes)
        app.console.data(rendering.after or "")
        return Exit.OK
    if wishes.verify and is_special(rendering.file):
        message = f"--verify reads the file back, and {rendering.file} can't be read back"
        raise UsageError(message, "name a file with -o FILE")
    if wishes.diff:
        app.console.data(rendering.diff())
        for place in rendering.shadows:
            app.console.warn(str(place))
    if wishes.check:
        differs = "is rendered" if wishes.remove else "differs from the manifest"
        app.console.note(f"{shown(rendering.file)}: {differs if rendering.changed else 'nothing to change'}")
    elif not wishes.diff:
        _write(app, settings, rendering, wishes)
    if wishes.check or not wishes.diff:
        _require_effect(app, settings, rendering)
    return Exit.FAILED if wishes.check and rendering.changed else Exit.OK


def _require_effect(app: App, settings: Settings | None, rendering: Rendering) -> None:
    """Raises Shadowed where Airflow would read something else first: in the file, or in the environment of this machine's."""
    from bootstrap.render import cfg_file, shadows

    if settings is None:
        return
    cfg_file.require_no_shadow(rendering)
    if rendering.file == app.environment.config:
        shadows.require_none(cfg_file.managed(settings), settings, app.environment)


def _write(app: App, settings: Settings | None, rendering: Rendering, wishes: Wishes) -> None:
    from bootstrap.render import cfg_file
    from bootstrap.util.files import shown

    environment = replace(app.environment, config=rendering.file.absolute())
    _keep_out_of_git(app, rendering, backup=wishes.backup)
    kept, done = None, "nothing to change"
    if rendering.changed:
        done = "removed" if rendering.after is None else "as it was before" if wishes.remove else "written"
    if wishes.verify and settings is not None:
        from bootstrap.render import verify

        if rendering.changed:
            kept = verify.write_verified(rendering, settings, environment, backup=wishes.backup)
        else:
            verify.verify(settings, environment)
    elif rendering.changed:
        kept = cfg_file.write(rendering, environment.records, backup=wishes.backup)
    if kept is not None:
        app.console.note(f"{shown(kept)}: copy of the old file")
    app.console.note(f"{shown(rendering.file)}: {done}{', read back by Airflow' if wishes.verify else ''}")


def _keep_out_of_git(app: App, rendering: Rendering, *, backup: bool) -> None:
    """A new home and what is in it; else the file, if a credential stands in it, and a copy: one could."""
    from bootstrap.airflow.home import make_home
    from bootstrap.util import git

    if rendering.file == app.environment.config and rendering.before is None:
        make_home(app.environment)
    elif rendering.private:
        app.keep_out_of_git(rendering.file)
    if backup and rendering.before is not None:
        pattern = f"/{git.escaped(rendering.file.name)}.*.bak"
        app.keep_out_of_git(rendering.file.with_name(f"{rendering.file.name}.x.bak"), pattern)
