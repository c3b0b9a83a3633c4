"""Detects the format of a file or of stdin, and reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bootstrap.convert import env_lines, settings_file, structured
from bootstrap.convert.found import Found
from bootstrap.errors import UsageError
from bootstrap.util import input_text
from bootstrap.util.input_text import BadInput

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
