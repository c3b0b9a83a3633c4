"""Tells what Airflow's own parser reads. What comes from stdin says which options, and how.

Values of the options that stand in the file; fingerprints of those that Airflow looks up elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from bootstrap.airflow_answer import answering
from bootstrap.read_back import fingerprint


def main() -> None:
    """Runs inside an Airflow process."""
    with answering() as tell:
        tell(_read(json.load(sys.stdin)))


def _read(request: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    from airflow.configuration import conf

    for name in request.get("ignored", ()):  # they were needed until here, and would stand before the file
        os.environ.pop(name, None)
    found: dict[str, dict[str, Any]] = {}
    for section, options in request.get("values", {}).items():
        found[section] = {option: conf.get(section, option, fallback=None) for option in options}
    for section, options in request.get("fingerprints", {}).items():
        values = {option: conf.get(section, option, fallback=None) for option in options}
        found[section] = {
            option: None if value is None else fingerprint(request["salt"], value) for option, value in values.items()
        }
    return found


if __name__ == "__main__":
    main()
