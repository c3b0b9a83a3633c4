"""`airflow-bootstrap scan --update`: adds to the manifest what the code needs."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.commands.context import App
from bootstrap.errors import Conflict, UsageError

if TYPE_CHECKING:
    from bootstrap.scan.manifest.written import Written
    from bootstrap.scan.result import Result

_TIMES = 3  # that somebody may save the file meanwhile


def update(app: App, result: Result, store: str | None) -> Result:
    """Write the manifest, and say what is new and what differs. Returns the result as it is with that.

    Raises UsageError, ManifestError, and Conflict where somebody else writes the file again and again.
    """
    from bootstrap.scan.manifest.store_place import store_place
    from bootstrap.scan.manifest.written import updated
    from bootstrap.util.files import file_mode, folder_locked, shown
    from bootstrap.util.input_text import decoded
    from bootstrap.util.special_files import is_special

    if not app.file.exists() or is_special(app.file):
        message = f"there is no file {app.file} to add to"
        raise UsageError(message, f"airflow-bootstrap init --from-dags {shown(result.folder)}")
    place = store_place(app.manifest, app.secrets, store)
    busy = f"another airflow-bootstrap works on {app.file}"
    with folder_locked(Path(app.file).resolve().parent, busy=busy):
        for _ in range(_TIMES):
            before = app.file.read_bytes()
            made = updated(decoded(before), app.file, result, place)
            after = BOM_UTF8 * before.startswith(BOM_UTF8) + made.text.encode()
            if after == before:
                app.console.note(f"{shown(app.file)}: nothing to add")
                break
            if app.file.read_bytes() == before:
                app.write(app.file, after, file_mode(app.file))
                app.console.note(f"{shown(app.file)}: written")
                break
        else:
            raise Conflict(f"{app.file} was changed by somebody else meanwhile, and is left as it is", "run this again")
    told(app, made)
    return _with(result, made)


def told(app: App, made: Written) -> None:
    """What was added, what a person has to complete, and what differs."""
    from bootstrap.scan.text import MOST
    from bootstrap.util.human import few, visible

    for what, names in (("connections", made.connections), ("variables", made.variables)):
        if names:
            app.console.note(f"{len(names)} {what} added: {few(names, MOST)}")
    for name, problem in made.comments.items():
        app.console.warn(f"{visible(name)} is only a comment: {problem}")
    for sentence in made.differs:
        app.console.warn(sentence)


def _with(result: Result, made: Written) -> Result:
    """The same, with what the manifest has now."""
    types = {each.conn_id: each.conn_type or "" for each in result.connections if each.conn_id in made.connections}
    return replace(
        result,
        connections=[
            replace(each, declared_type=types[each.conn_id]) if each.conn_id in types else each
            for each in result.connections
        ],
        declared=replace(
            result.declared,
            connections={**result.declared.connections, **types},
            variables=result.declared.variables | set(made.variables),
        ),
    )
