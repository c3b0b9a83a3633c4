"""Sources of NAME=value lines: a .env with AIRFLOW_CONN_ and AIRFLOW_VAR_, and what `airflow connections export` calls .env."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from functools import partial

from bootstrap.convert.found import Found
from bootstrap.domain import connection

CONNECTION, VARIABLE = "AIRFLOW_CONN_", "AIRFLOW_VAR_"
_NAMED = re.compile(rf"^\s*(?:export\s+)?(?:{CONNECTION}|{VARIABLE})", re.MULTILINE)


def read(text: str, name: str) -> Found:
    """The lines of either kind."""
    found = Found()
    read_lines = _variables if _NAMED.search(text) else _exported
    read_lines(text, name, found)
    return found


def _variables(text: str, name: str, found: Found) -> None:
    """Airflow upper-cases a name before it looks for its variable: which it was, nobody knows."""
    others = 0
    for key, value, place in _bindings(text, name, found):
        if key.startswith((f"{CONNECTION}_", f"{VARIABLE}_")):
            found.leave_out(f"{place}: {key} belongs to a team")
        elif key.startswith(CONNECTION):
            conn_id = key.removeprefix(CONNECTION).lower()
            where = f"{place}: {key}"
            found.add_connection(conn_id, where, partial(connection.from_text, value, where), uri=value)
        elif key.startswith(VARIABLE):
            found.add_variable(key.removeprefix(VARIABLE).lower(), f"{place}: {key}", value)
        else:
            others += 1
    if others:
        found.notes.append(f"{name}: {others} other variables are none of Airflow's connections and variables")


def _bindings(text: str, name: str, found: Found) -> Iterator[tuple[str, str, str]]:
    from dotenv.parser import parse_stream

    for item in parse_stream(io.StringIO(text)):
        place = f"{name}:{item.original.line}"
        if item.error:
            found.leave_out(f"{place}: expected NAME=value")
        elif item.key and item.key.startswith((CONNECTION, VARIABLE)):
            written = item.original.string.partition("=")[2].strip()
            if "$" in written and not written.startswith("'"):
                found.notes.append(f"{place}: {item.key} has a $, which is taken as it is")
            # JSON without quotes around it, as Docker takes it: to python-dotenv, ` #` would begin a comment in it
            whole = written.startswith("{") and _is_json(written)
            yield item.key, written if whole else item.value or "", place
        elif item.key:
            yield item.key, "", place


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:  # whoever reads it says so
        return True
    except ValueError:
        return False
    return True


def _exported(text: str, name: str, found: Found) -> None:
    """CONN_ID=URI or CONN_ID=JSON, as it stands: Airflow knows no quotes there."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        conn_id, equals, value = line.partition("=")
        where = f"{name}:{number}: {conn_id}"
        if equals:
            found.add_connection(conn_id, where, partial(connection.from_text, value, where), uri=value)
        else:
            found.leave_out(f"{name}:{number}: expected CONN_ID=URI")
