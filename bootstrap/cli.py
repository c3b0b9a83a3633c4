"""The command line: global options, commands loaded when they are used, and the one place that handles errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click

from bootstrap import __version__
from bootstrap.commands.context import App
from bootstrap.domain.secret import foreign
from bootstrap.errors import BootstrapError, Exit, UsageError
from bootstrap.terminal.console import Console, wants_color

_OF_THE_MACHINE = {  # what is wrong with no file in particular: a disk, a limit, the current folder
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.EBADF,
}  # fmt: skip

COMMANDS = {  # in the order of a first day
    "init": "write a starter manifest, or convert what you have",
    "up": "run doctor, render, register and smoke; stop at the first that fails",
    "doctor": "check what is missing on this machine, and show the command that fixes it",
    "render": "write the secrets backend into airflow.cfg",
    "plan": "show what register would change",
    "register": "write the connections to where Airflow finds them",
    "explain": "show where Airflow would get a connection, source by source",
    "smoke": "prove each connection by running a task in Airflow",
    "scan": "show which connections and rights DAG code needs, and what the manifest lacks",
    "rotate": "replace keys without an outage; show how old they are",
    "store": "put, get, list and copy secrets; print policies; start and stop the embedded store",
    "export": "write the connections as `airflow connections import` reads them",
    "schema": "print the manifest's JSON Schema, or check manifests",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used; --help lists COMMANDS without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command's click object, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"bootstrap.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list below `Commands:`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for one that is unknown."""
        from difflib import get_close_matches

        if args and args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"no such command {args[0]!r}; did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    default=Path("bootstrap.yaml"),
    help="Manifest to read.",
    show_default=True,
)
@click.option("--profile", help="Profile of the manifest to apply.")
@click.option("--allow-plaintext", is_flag=True, help="Accept plain-text secrets in a throw-away manifest.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=32,
    help="Number of concurrent requests to a store.",
    show_default=True,
)
@click.option("--quiet", is_flag=True, help="Print only results, warnings and errors.")
@click.option(
    "--verbose", is_flag=True, help="Also print which manifest and Airflow are used, and where an error comes from."
)
@click.option("--no-color", is_flag=True, help="Disable colors, as NO_COLOR in the environment does.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Format of messages on stderr.",
    show_default=True,
)
@click.version_option(__version__, prog_name="airflow-bootstrap")
@click.pass_context
def cli(  # noqa: PLR0913  one parameter for each global option
    ctx: click.Context,
    *,
    file: Path,
    profile: str | None,
    allow_plaintext: bool,
    concurrency: int,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    log_format: Literal["text", "json"],
) -> None:
    """From nothing to an Apache Airflow that provably reaches every external system it needs."""
    console = Console(quiet, verbose, color=wants_color() and not no_color, log_format=log_format)
    ctx.obj = App(file, profile, allow_plaintext=allow_plaintext, console=console, concurrency=concurrency)


def main(arguments: list[str] | None = None, unwritten: Callable[[], str] = str) -> int:
    """Run the command line; return the exit code. Every error ends here.

    `unwritten` tells in the end what stdout did not get.
    """
    holder: dict[str, Any] = {}
    code = _run(sys.argv[1:] if arguments is None else arguments, holder)
    if lost := unwritten():
        _console(holder).error(BootstrapError(lost, "free some space or write elsewhere, then run this again"))
        return code or Exit.FAILED
    return code


def _run(arguments: list[str], holder: dict[str, Any]) -> int:
    try:
        with cli.make_context("airflow-bootstrap", arguments) as ctx:
            holder["ctx"] = ctx
            return int(cli.invoke(ctx) or Exit.OK)
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.ClickException as err:
        err.show()
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        _console(holder).warn("interrupted")
        return Exit.INTERRUPTED
    except BootstrapError as err:
        _console(holder).error(err)
        if _console(holder).verbose:
            _console(holder).detail(_origin(err))
        return err.exit_code
    except Exception as err:
        # A file, folder or disk that can't be used is the user's to fix; anything else is a bug of ours
        of_the_user = isinstance(err, OSError) and (err.filename is not None or err.errno in _OF_THE_MACHINE)
        _console(holder).error(_unusable(err) if isinstance(err, OSError) and of_the_user else _bug(err))
        return Exit.USAGE if of_the_user else Exit.BUG


def _origin(err: BaseException) -> str:
    """Where an error was raised, and the errors behind it: no messages, which could hold anything."""
    import traceback

    places = [f" at {frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(err.__traceback__)[-1:]]
    here = f"{type(err).__module__}.{type(err).__qualname__}{''.join(places)}"
    return f"{here}, because of {_origin(err.__cause__)}" if err.__cause__ is not None else here


def _console(holder: dict[str, Any]) -> Console:
    app = holder["ctx"].obj if "ctx" in holder else None
    return app.console if isinstance(app, App) else Console(color=wants_color())


def _unusable(err: OSError) -> UsageError:
    if err.filename is not None:
        hint = "check its permissions, its folder, and the free space on its disk"
        return UsageError(f"{err.filename}: {err.strerror}", hint)
    try:
        os.getcwd()  # noqa: PTH109  as Path does
    except OSError:
        return UsageError("the current folder no longer exists", "cd into an existing folder, and run this again")
    return UsageError(f"the operating system refused: {err.strerror}", "check the disk and the limits (df, ulimit -a)")


def _bug(err: Exception) -> BootstrapError:
    """The apology, and a file with the traceback: no values in it but those that the messages quote, redacted."""
    import tempfile
    import traceback

    said = f"this is a bug in airflow-bootstrap: {type(err).__name__}: {foreign(err)}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="airflow-bootstrap-", suffix=".log")
        with os.fdopen(descriptor, "w") as file:
            file.write(foreign("".join(traceback.format_exception(err))))
    except OSError as full:
        hint = f"set TMPDIR to a folder with space for the traceback ({full.strerror}), and report it"
        return BootstrapError(said, hint)
    return BootstrapError(said, f"report it with {name}")
