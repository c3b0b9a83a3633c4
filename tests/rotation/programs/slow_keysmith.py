"""A keysmith that takes its time: it makes its one key when nobody holds the other end of the pipe `gate` any more."""

import json
import sys
from pathlib import Path

asked = json.load(sys.stdin)
made = Path("made")
if asked["action"] == "issue":
    with Path("gate").open() as gate:
        gate.read()
    made.write_text(asked["run"])
there = made.exists() and made.read_text() == asked["run"]
sys.stdout.write(json.dumps({"ids": ["made-late"] if there else []}))
