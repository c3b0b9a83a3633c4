"""The packaged templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent.parent
FOLDERS = (_HERE / "templates", _HERE.parent / "templates")  # in the wheel; in a checkout


def folder_of(name: str) -> Path:
    """The folder that holds a packaged file."""
    return next(folder for folder in FOLDERS if (folder / name).exists())


def render(name: str, **values: Any) -> str:
    """The text of a template. A name that the template uses and `values` lacks is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701  the template is a configuration file, not HTML
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"json": _json, "cfg": _cfg}
    return environment.get_template(name).render(**values)


def _json(value: Any) -> str:
    """JSON in which a `$` is escaped: Airflow fills in each `$NAME` of a value before it reads it."""
    return json.dumps(value).replace("$", r"\u0024")


def _cfg(value: str) -> str:
    """A value for airflow.cfg on one line: Airflow interpolates `%`."""
    return value.replace("%", "%%").replace("\n", " ")
