"""Which provider brings a conn_type: a shipped table, for providers that aren't installed.

`make schema` adds what is installed; the other rows are kept by hand, from the providers' lists of connections.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from bootstrap.util.templates import folder_of

NAME = "conn_types.json"
PROVIDERS = "apache-airflow-providers-"


@cache
def shipped() -> Mapping[str, str]:
    """The distribution of each conn_type that Airflow's community providers bring."""
    rows = json.loads((folder_of(NAME) / NAME).read_text(encoding="utf-8"))
    return {conn_type: PROVIDERS + package for conn_type, package in rows.items()}


def generated(more: Sequence[str] = ()) -> str:
    """The table as JSON: of what is installed, and of what lies in `more` folders; the rest as it is."""
    from bootstrap.providers.metadata import installed

    found = {conn_type: row.package for conn_type, row in installed([*more, *sys.path]).types.items()}
    rows = {**shipped(), **{name: package for name, package in found.items() if package.startswith(PROVIDERS)}}
    return json.dumps({name: rows[name].removeprefix(PROVIDERS) for name in sorted(rows)}, indent=1) + "\n"
