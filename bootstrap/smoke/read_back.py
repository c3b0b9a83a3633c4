"""Prints, as the last line, what Airflow's own parser reads: JSON. What comes from stdin says which options, and how.

Values of the options that stand in the file; fingerprints of those that Airflow looks up elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from bootstrap.read_back import fingerprint


def main() -> None:
    """Runs inside an Airflow process."""
    from airflow.configuration import conf

    request = json.load(sys.stdin)
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
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
