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
        loader=FileSystemLoader(FOLDERS), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "json": lambda value: json.dumps(value).replace("$", r"\u0024"),  # Airflow fills in each `$NAME` of a value
        "cfg": lambda value: value.replace("%", "%%").replace("\n", " "),  # on one line, and Airflow interpolates `%`
    }
    return environment.get_template(name).render(**values)
