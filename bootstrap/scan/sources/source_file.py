"""A file of a DAG folder, and how it is read: never more than a limit, never what could block."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from bootstrap.errors import BootstrapError

Kind = Literal["python", "yaml", "notebook", "text"]
SUFFIXES: dict[str, Kind] = {
    ".py": "python",
    ".ipynb": "notebook",
    ".yaml": "yaml",
    ".yml": "yaml",
    # what operators of official providers have in `template_ext`, and what is rendered besides
    **dict.fromkeys(
        (
            *(
                ".sql",
                ".hql",
                ".cql",
                ".kql",
                ".sh",
                ".bash",
                ".bat",
                ".json",
                ".html",
                ".txt",
                ".md",
                ".j2",
                ".jinja",
                ".jinja2",
            ),
            *(".tmpl", ".tpl", ".template", ".xml", ".toml", ".ini", ".cfg", ".conf", ".env", ".graphql", ".pig", ".r"),
        ),
        "text",
    ),
}
LARGEST: dict[Kind, int] = {"python": 5_000_000, "notebook": 5_000_000, "yaml": 5_000_000, "text": 1_000_000}  # bytes


class Unreadable(BootstrapError):
    """A file that can't be read; the message is what the report says, without its name."""


@dataclass(frozen=True)
class SourceFile:
    """A file: `path` is relative to the scanned folder, with `/` between, `dags.zip/etl.py` for one in a zip; `location` is where
    the file, or the zip, is on disk. `top` is false for what Airflow imports only by name, as a zip's inner folders.
    """

    path: str
    kind: Kind
    location: Path
    data: bytes | None = field(default=None, repr=False)
    top: bool = False

    def read(self) -> bytes:
        """The bytes; of a notebook, the Python code of its cells. Templates are read when they are asked for: b"" if one is gone."""
        if self.data is not None:
            return self.data
        try:
            return read_file(self.location, LARGEST[self.kind])
        except Unreadable:
            return b""

    @cached_property
    def might_hold_dag(self) -> bool:
        """What Airflow's safe mode says: a Python file with both `dag` and `airflow` in it, in any case."""
        if self.kind != "python" or not self.top:
            return False
        text = self.read().lower()
        return b"dag" in text and b"airflow" in text


def kind_of(path: Path) -> Kind | None:
    """By the name's end; None for what isn't read. Airflow takes `.py` for Python, and not `.PY`."""
    if path.suffix == ".py":
        return "python"
    kind = SUFFIXES.get(path.suffix.lower())
    return None if kind == "python" else kind


def read_file(location: Path, limit: int) -> bytes:
    """The bytes of a regular file. Raises Unreadable, also if it has grown over the limit since it was measured."""
    try:
        with location.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as err:
        raise Unreadable("gone since the folder was listed") from err
    except OSError as err:
        raise Unreadable(f"can't be read: {err.strerror}") from err
    if len(data) > limit:
        raise Unreadable(f"files over {size_text(limit)} aren't read")
    return data


def size_text(size: int) -> str:
    """`5 MB`, `10.5 MB`."""
    return f"{size / 1_000_000:.3g} MB"
