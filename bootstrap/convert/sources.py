"""Reads a source: a file or stdin, whose format is detected, or a metadata database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment, require_airflow
from bootstrap.airflow.process import ask_airflow
from bootstrap.convert import env_lines, settings_file, structured
from bootstrap.convert.found import Found
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.errors import OLD_KEY, UNDECRYPTABLE, Malformed, UsageError
from bootstrap.util import input_text
from bootstrap.util.files import expanded
from bootstrap.util.input_text import BadInput

DATABASE = "metadata:"
FORMATS: Mapping[str, Callable[[str, str], Found]] = {
    "connections": lambda text, name: structured.connections(structured.loaded(text, name), name),
    "variables": lambda text, name: structured.variables(structured.loaded(text, name), name),
    "env": env_lines.read,
    "settings": settings_file.read,
}


def read_file(file: Path, form: str | None) -> tuple[str, str]:
    """The text, and its format. Raises UsageError."""
    try:
        text = input_text.read(file)
    except BadInput as err:
        raise UsageError(err.at(file), err.hint) from err
    except OSError as err:
        hint = f"metadata:{file}, if it is an AIRFLOW_HOME" if file.is_dir() else "check the file"
        raise UsageError(f"can't read {file}: {err.strerror}", hint) from err
    if form:
        return text, form
    if file.suffix.lower() not in {".json", ".yaml", ".yml"} and not text.lstrip().startswith("{"):
        structured.refuse_text(text, str(file))
        return text, "env"
    data = structured.loaded(text, str(file))
    return text, "settings" if settings_file.is_settings(data) else structured.kind_of(data, str(file))


def decoded(data: bytes, name: str) -> str:
    """Raises UsageError for what is no text; the message quotes nothing of it."""
    try:
        return input_text.decoded(data)
    except BadInput as err:
        raise UsageError(err.at(name), err.hint) from err


def read_database(home: str, folder: Path) -> Found:
    """All connections and variables of the Airflow at `home`, read in a process of its own by Airflow's models and with its
    Fernet key. Writes nothing there. Raises AirflowError.
    """
    place = expanded(home).absolute()
    environment = Environment(place, place / "airflow.cfg", {}, folder / ".bootstrap")
    require_airflow(environment)
    told = require(ask_airflow(environment, "bootstrap.convert.database_child"))
    found = Found()
    for row in told["connections"]:
        where = f"metadata database: connection {row['name']}"
        found.add_connection(row["name"], where, partial(_connection, row, where))
    for row in told["variables"]:
        where, problem = f"metadata database: variable {row['name']}", row["problem"]
        if problem:
            found.leave_out(f"{where}: {problem}" + (f" ({OLD_KEY})" if UNDECRYPTABLE in problem else ""))
            continue
        if row["described"]:
            found.notes.append(f"{where}: its description is left out")
        found.add_variable(row["name"], where, row["value"])
    return found


def _connection(row: dict[str, Any], where: str) -> Connection:
    if row["problem"]:
        undecryptable = UNDECRYPTABLE in row["problem"]
        raise Malformed(f"{where}: {row['problem']}", OLD_KEY if undecryptable else "correct it in Airflow")
    return connection.from_fields(row["fields"], where)
