"""templates/conn_types.json and templates/secret_extras.json: of the providers that are installed; the rest as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from bootstrap.providers.installed import PROVIDERS, conn_types, installed_extras, secret_extras
from bootstrap.providers.metadata import installed


def generated_conn_types(more: Sequence[str] = ()) -> str:
    """The table as JSON; `more` are folders with other providers."""
    found = {conn_type: row.package for conn_type, row in installed([*more, *sys.path]).types.items()}
    rows = {**conn_types(), **{name: package for name, package in found.items() if package.startswith(PROVIDERS)}}
    return json.dumps({name: rows[name].removeprefix(PROVIDERS) for name in sorted(rows)}, indent=1) + "\n"


def generated_secret_extras(more: Sequence[str] = ()) -> str:
    """The table as JSON; `more` are folders with other providers."""
    rows = {**secret_extras(), **installed_extras((*more, *sys.path))}
    return json.dumps({name: sorted(rows[name]) for name in sorted(rows) if rows[name]}, indent=1) + "\n"
