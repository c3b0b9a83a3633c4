"""Prints look-ups: a few aligned lines for each chain, then the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bootstrap.explain.findings import SIDES, label, says, why, winning
from bootstrap.explain.report import Lookup, Report
from bootstrap.util.human import age, visible


def text(report: Report, now: datetime) -> str:
    """All of them."""
    return "\n".join("\n".join(_lookup(item, report, now)) + "\n" for item in report.lookups)


def _lookup(lookup: Lookup, report: Report, now: datetime) -> Iterator[str]:
    data = lookup.data
    team = f" for team {visible(report.team)}" if report.team else ""
    yield f"{visible(data['id'])}{team}"
    same = data["server"] == data["worker"]
    for side in ("server",) if same else ("server", "worker"):
        heading = "both" if same else side
        table = [_cells(row, index, now) for index, row in enumerate(data[side]["sources"], 1)]
        widths = [max(len(row[column]) for row in table) for column in range(3)]
        for number, row in enumerate(table):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            yield f"  {'' if number else heading:<8}{'  '.join([*cells, row[3]])}".rstrip()
        yield f"    → {_end(lookup, side, both=same)}"
    yield from (f"  warning: {visible(item.message)}" for item in lookup.warnings)


def _cells(row: Mapping[str, Any], index: int, now: datetime) -> tuple[str, str, str, str]:
    asks = row.get("asks")
    if row["source"] == "execution_api":
        name = "the server's chain"
    elif asks is None:
        name = ""
    else:
        name = ", ".join(asks) or "not asked"
    state = "would run" if row["state"] == "command" else str(row["state"])
    return f"{index} {label(row)}", visible(name), state, visible("; ".join(_details(row, now)))


def _details(row: Mapping[str, Any], now: datetime) -> Iterator[str]:
    if row.get("detail"):
        yield row["detail"]
    if row.get("conn_type"):
        yield row["conn_type"]
    if row.get("fields") and row["source"] != "execution_api":
        yield ", ".join(row["fields"])
    if row["state"] == "shadowed" and "differs" in row:
        yield f"differs: {', '.join(row['differs'])}" if row["differs"] else "the same"
    if len(row.get("asks") or ()) > 1 and row.get("found_at"):
        yield f"found at {row['found_at']}"
    if row.get("secret"):
        yield f"asks {', '.join(row['secret'])}"
    if "value" in row:
        yield row["value"]
    created = f"{age(datetime.fromisoformat(row['created']), now)} old" if row.get("created") else ""
    version = f"version {row['version']}" if row.get("version") else ""
    if version or created:
        yield ", ".join(filter(None, (version, created)))


def _end(lookup: Lookup, side: str, *, both: bool) -> str:
    chain = lookup.data[side]
    who = "Airflow" if both else SIDES[side]
    taken = winning(chain)
    if lookup.data["kind"] == "config":
        return _config_end(taken, who)
    if taken is None:
        return f'{who} gets nothing: "{visible(says(lookup.data, side, lookup.airflow))}"'
    origin = f" ({label(taken['origin'])} of the server's chain)" if taken.get("origin") else ""
    return f"{who} gets it from {label(taken)}{origin}: {why(chain)}"


def _config_end(taken: Mapping[str, Any] | None, who: str) -> str:
    if taken is None:
        return f"{who} finds no such option"
    name = taken["asks"][0]
    if taken["state"] == "command":
        return f"{who} takes {name}, if its command succeeds; it was not run"
    if taken.get("raises"):
        return f"{who} stops at {name} with an error"
    return f"{who} takes {'the default' if taken['source'] == 'default' else name}"
