"""Tells what Airflow's own parser reads. What comes from stdin says which options, and how.

`values` of the options that stand in the file, or fingerprints of those that Airflow looks up elsewhere; `blank` are those of the
latter with white space around the value, `elsewhere` the options that it doesn't take from the command that the file names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from bootstrap.airflow.child_protocol import answering
from bootstrap.render.verify import fingerprint


def main() -> None:
    """Runs inside an Airflow process."""
    with answering() as tell:
        tell(_read(json.load(sys.stdin)))


def _read(request: Mapping[str, Any]) -> dict[str, Any]:
    from airflow.configuration import conf

    for name in request.get("ignored", ()):  # they were needed until here, and would stand before the file
        os.environ.pop(name, None)
    found: dict[str, dict[str, Any]] = {}
    for section, options in request.get("values", {}).items():
        found[section] = {option: conf.get(section, option, fallback=None) for option in options}
    blank: list[tuple[str, str]] = []
    for section, options in request.get("fingerprints", {}).items():
        values = {option: conf.get(section, option, fallback=None) for option in options}
        blank += ((section, option) for option, value in values.items() if value and value != value.strip())
        found[section] = {
            option: None if value is None else fingerprint(request["salt"], value) for option, value in values.items()
        }
    elsewhere = [place for place in request.get("commands", ()) if not _is_of_command(conf, *place)]
    return {"values": found, "elsewhere": elsewhere, "blank": blank}


def _is_of_command(conf: Any, section: str, option: str) -> bool:
    """True if Airflow's value is what its command prints; also where that can't be told: it fails, or prints something new each time."""
    from airflow.configuration import run_command

    try:
        value, command = conf.get(section, option, fallback=None), conf.get(section, f"{option}_cmd")
        printed = run_command(command)
        return bool(value == printed or run_command(command) != printed)
    except Exception:
        return True


if __name__ == "__main__":
    main()
