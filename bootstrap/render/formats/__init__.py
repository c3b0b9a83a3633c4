"""airflow.cfg's managed options in the form that each way of deploying Airflow takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TypeAlias

Values: TypeAlias = Mapping[str, Mapping[str, str]]  # section → option → value as Airflow's parser must return it
Removed: TypeAlias = Sequence[tuple[str, str]]  # section and option

FORMATS = {
    "env": "bootstrap.render.formats.env",
    "helm": "bootstrap.render.formats.helm",
    "compose": "bootstrap.render.formats.compose",
    "composer": "bootstrap.render.formats.composer",
    "mwaa": "bootstrap.render.formats.mwaa",
}
NAMES = tuple(FORMATS)


def text(name: str, values: Values, removed: Removed = ()) -> str:
    """The options in the format of this name, ready to be applied; docs/render.md says how.

    A value is the text before Airflow expands $NAME and ~ in it, which it does however it gets the text. `removed` are
    options that must not be set anywhere, since others take their place. Raises UsageError where the format can't hold
    something; it names the option and never shows the value.
    """
    made: str = import_module(FORMATS[name]).text(values, removed)
    return made
