"""A system with keys in a JSON file, and the programs that issue them: `keysmith.py FILE`, asked as docs/rotation.md says.

`keysmith.py FILE check VALUE` ends with 0 if the value is accepted now.
"""

import contextlib
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def keys(file: Path) -> Iterator[dict[str, Any]]:
    """All keys; what is changed is written."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = json.loads(file.read_text()) if file.exists() else {}
        yield found
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(found))
        os.replace(draft, file)


def answer(file: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What the protocol wants."""
    action, key = asked["action"], asked.get("key")
    with keys(file) as there:
        if action in {"issue", "add"}:
            value = asked.get("value") or secrets.token_urlsafe(24)
            key = key or secrets.token_hex(6)
            there[key] = {"value": value, "state": "enabled", "run": asked.get("run", key)}
            return {"key": {"id": key, "fields": {"password": value}}} if action == "issue" else {}
        if action == "keys":
            return {"keys": [{"id": name, "state": each["state"]} for name, each in there.items()]}
        if action == "lost":
            return {"ids": [name for name, each in there.items() if each["run"] == asked["run"]]}
        if action == "identify":
            value = asked.get("value") or asked["fields"]["password"]
            return {"id": next((name for name, each in there.items() if each["value"] == value), None)}
        if action == "destroy":
            there.pop(str(key), None)
        elif key in there:
            there[key]["state"] = f"{action}d"
        elif action == "enable":
            return {"error": {"kind": "denied", "message": f"the key {key} is gone"}}
        return {}


def main() -> int:
    """Answer, or check."""
    file = Path(sys.argv[1])
    if sys.argv[2:3] == ["check"]:
        with keys(file) as there:
            return int(not any(each["value"] == sys.argv[3] and each["state"] == "enabled" for each in there.values()))
    sys.stdout.write(json.dumps(answer(file, json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
