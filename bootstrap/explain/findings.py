"""Judges a look-up: which source wins and why, what Airflow would say, and warnings.

Pure: it works on the plain data of `child`. A row is one source of a chain; a chain is {"sources": rows, "winner": …}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.airflow.releases import release
from bootstrap.errors import RESTORE_KEY, Exit

Row = Mapping[str, Any]
Chain = Mapping[str, Any]

FAULTS = {
    "denied": Exit.STORE,
    "unreachable": Exit.STORE,
    "malformed": Exit.FAILED,
    "undecryptable": Exit.FAILED,
    "broken": Exit.AIRFLOW,
}
_NAMES = {
    "environment": "environment",
    "database": "metadata database",
    "execution_api": "execution API",
    "file": "airflow.cfg",
    "default": "default",
}
SIDES = {"server": "the server", "worker": "a worker"}


@dataclass(frozen=True)
class Warned:
    """What the user should know, and what exit code it calls for."""

    code: str
    message: str
    exit_code: Exit = Exit.FAILED

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {"code": self.code, "message": self.message}


def label(row: Row) -> str:
    """A source, for people."""
    if row["source"] != "backend":
        return _NAMES[row["source"]]
    name = str(row.get("class", "")).rpartition(".")[2] or "secrets backend"
    if row.get("store"):
        return f"{row['store']} ({name})"
    return f"{name} of [{row['section']}]"


def winning(chain: Chain) -> Row | None:
    """The row of the source that Airflow takes."""
    winner = chain["winner"]
    rows = chain["sources"] if winner is not None else ()
    return next((row for row in rows if winner in (row["source"], *(row.get("asks") or ()))), None)


def before(chain: Chain) -> list[Row]:
    """The rows that Airflow has asked in vain."""
    rows = list(chain["sources"])
    return rows[: rows.index(found)] if (found := winning(chain)) is not None else rows


def faults(chain: Chain) -> list[Row]:
    """What goes wrong on the way to the winner."""
    return [row for row in before(chain) if row["state"] in FAULTS]


def why(chain: Chain) -> str:
    """Why the winner wins."""
    wrong = faults(chain)
    if wrong:
        return f"Airflow keeps the error of {', '.join(map(label, wrong))} to its log, and goes on"
    return "nothing before it has one" if before(chain) else "it is asked first"


def says(lookup: Row, side: str, airflow: str) -> str:
    """What Airflow says where no source has it, or none can be asked."""
    chain = lookup[side]
    if any(row.get("state") == "broken" and row.get("asks") is None for row in chain["sources"]):
        return "no Airflow process starts" if chain["sources"][0]["section"] == "secrets" else "every look-up fails"
    if any(row.get("stops") for row in chain["sources"]):
        return "AirflowSecretsBackendAccessDenied"
    key = lookup["id"]
    if lookup["kind"] == "connection":
        return f"The conn_id `{key}` isn't defined"
    if side == "worker":
        return release(airflow or None).missing_variable.format(key=key)
    return f"Variable {key} does not exist"


def warnings(lookup: Row, ignored: Sequence[str]) -> list[Warned]:
    """In the order of their weight."""
    if lookup["kind"] == "config":
        found = [*_config_warnings(lookup)]
    else:
        found = [*_hidden(lookup), *_sides(lookup), *_copies(lookup), *_contents(lookup), *_kwargs(lookup, ignored)]
    return list({item.message: item for item in found}.values())


def exit_code(lookup: Row, warned: Sequence[Warned]) -> Exit:
    """The worst of what was found."""
    codes = [FAULTS[row["state"]] for side in SIDES for row in faults(lookup[side])]
    missing = any(lookup[side]["winner"] is None for side in SIDES)
    return max([*codes, *(item.exit_code for item in warned), Exit.FAILED if missing else Exit.OK])


def _hidden(lookup: Row) -> Iterator[Warned]:
    """Errors that Airflow doesn't show, and what they lead to."""
    told: dict[tuple[str, str, str, str], list[str]] = {}
    for side in SIDES:
        chain, taken = lookup[side], winning(lookup[side])
        for row in faults(chain):
            airflow, gets = "Airflow stops there", "gets an error, whatever the other places have"
            if not row.get("stops"):
                airflow = "Airflow keeps that to its log"
                gets = f"gets the copy in {_origin(taken)}" if taken is not None else "finds none"
            told.setdefault((_sentence(row), row["state"], airflow, gets), []).append(side)
    for (text, state, airflow, gets), sides in told.items():
        who = SIDES[sides[0]] if len(sides) == 1 else "whoever asks"
        yield Warned(f"hidden_{state}", f"{text}; {airflow}, and {who} {gets}", FAULTS[state])


def _sentence(row: Row) -> str:
    if row["state"] == "undecryptable":
        return f"{label(row)}: it {row['detail']} (next: {RESTORE_KEY})"
    if row["state"] == "malformed":
        name = row.get("found_at") or next(iter(row.get("asks") or ()), "")
        return f"{label(row)}: {name} {row['detail']}" if name else f"{label(row)}: it {row['detail']}"
    return f"{label(row)} is {row['state']} ({row['detail']})"


def _origin(row: Row) -> str:
    """The source that a row's connection comes from: behind the Execution API, one of the server's."""
    return label(row.get("origin") or row)


def _sides(lookup: Row) -> Iterator[Warned]:
    server, worker = winning(lookup["server"]), winning(lookup["worker"])
    what = lookup["kind"]
    if server is not None and worker is not None:
        types = lookup.get("types", {})
        if types:
            told = "; ".join(f"{name}: {one} on the server, {other} in a task" for name, (one, other) in types.items())
            yield Warned("types_differ", f"{told}: write the connection as JSON, which both read alike")
        if fields := [name for name in lookup["differs"] if name not in types]:
            places = f"from {label(server)} and from {_origin(worker)}"
            text = f"the server and a worker get different {what}s ({', '.join(fields)}): {places}"
            yield Warned("server_and_worker_differ", text)
    elif server is not None or worker is not None:
        has, lacks = ("a worker", "the server") if server is None else ("the server", "a worker")
        yield Warned("server_and_worker_differ", f"only {has} gets the {what}, {lacks} finds none")


def _copies(lookup: Row) -> Iterator[Warned]:
    """Sources that hold another one, which is never used."""
    for side in SIDES:
        taken = winning(lookup[side])
        for row in lookup[side]["sources"]:
            if taken is None or not row.get("differs") or row["source"] == "execution_api":
                continue
            where = f"{label(row)} ({row['asks'][0]})" if row["source"] == "environment" else label(row)
            text = (
                f"{where} has another copy ({', '.join(row['differs'])}) that is never used: {label(taken)} comes first"
            )
            yield Warned("copies_differ", text)


def _contents(lookup: Row) -> Iterator[Warned]:
    """Connections that Airflow takes, and that can't be meant."""
    for side in SIDES:
        taken = winning(lookup[side])
        if taken is None or lookup["kind"] != "connection" or taken["source"] == "execution_api":
            continue
        if not taken["conn_type"] and not taken["fields"]:
            text = f"the secret in {label(taken)} is empty: Airflow takes it for a connection without fields"
            yield Warned("empty", text)
        elif not taken["conn_type"]:
            yield Warned("no_conn_type", f"the connection in {label(taken)} has no conn_type that is known")


def _kwargs(lookup: Row, ignored: Sequence[str]) -> Iterator[Warned]:
    for section in ignored:
        option = "backend_kwargs" if section == "secrets" else "secrets_backend_kwargs"
        if any(row.get("section") == section for side in SIDES for row in lookup[side]["sources"]):
            text = f"[{section}] {option} is not a JSON object: Airflow ignores it, and uses the backend's defaults"
            yield Warned("kwargs_ignored", text, Exit.AIRFLOW)


def _config_warnings(lookup: Row) -> Iterator[Warned]:
    if lookup["differs"]:
        yield Warned("server_and_worker_differ", "the server and a worker get different values")
    for side in SIDES:
        for row in lookup[side]["sources"]:
            name = row["asks"][0]
            if row["state"] == "ignored":
                text = f"{name} is set and ignored: only options that Airflow calls sensitive have commands and secrets"
                yield Warned("ignored", text)
            elif row.get("raises"):
                text = f"{name}: the secrets backend {row['detail']}: Airflow stops with an error"
                yield Warned(f"raised_{row['state']}", text, FAULTS[row["state"]])
            elif row["state"] in FAULTS:
                text = f"{name}: the secret {row['detail']}: Airflow takes it for missing, and goes on"
                yield Warned(f"hidden_{row['state']}", text, FAULTS[row["state"]])
