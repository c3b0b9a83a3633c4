"""What a look-up comes to: the winner's reason, the warnings, the exit code, and how people and programs are told."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.errors import Exit
from bootstrap.explain.chain import differing, types
from bootstrap.explain.findings import warnings, why
from bootstrap.explain.report import Lookup, Report, Wanted
from bootstrap.explain.text import text

NOW = datetime(2026, 5, 3, 12, tzinfo=timezone.utc)
CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
BACKEND = {
    "source": "backend",
    "class": CLASS,
    "section": "secrets",
    "store": "team",
    "asks": ["kv/data/connections/x"],
}
ENVIRONMENT = {"source": "environment", "asks": ["AIRFLOW_CONN_X"]}
DATABASE = {"source": "database", "asks": ["table connection"]}
API = {"source": "execution_api", "asks": []}
HTTP = {"conn_type": "http", "fields": ["host", "password"]}


def row(source: dict[str, Any], state: str = "hit", **more: Any) -> dict[str, Any]:
    contents = HTTP if state in ("hit", "shadowed") else {}
    return {**source, "state": state, **contents, **more}


def chain(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"sources": list(rows), "winner": next((each["source"] for each in rows if each["state"] == "hit"), None)}


def lookup(server: dict[str, Any], worker: dict[str, Any] | None = None, **more: Any) -> Lookup:
    data = {"kind": "connection", "id": "x", "differs": [], "server": server, "worker": worker or server, **more}
    return Lookup(data, tuple(warnings(data, more.pop("ignored", ()))), "3.3.2")


def told(found: Lookup) -> list[str]:
    return [item.code for item in found.warnings]


def shown(*lookups: Lookup, team: str = "") -> str:
    return text(Report("3.3.2", team, lookups), NOW)


def test_types_count_and_are_told_without_values() -> None:
    found = lookup(
        chain(row(ENVIRONMENT)), differs=["extra.verify"], types={"extra.verify": ["boolean", "text"]}, ignored=()
    )
    assert told(found) == ["types_differ"]
    assert found.exit_code == Exit.FAILED
    assert "extra.verify: boolean on the server, text in a task" in shown(found)
    more = lookup(
        chain(row(ENVIRONMENT)), differs=["extra.verify", "host"], types={"extra.verify": ["boolean", "text"]}
    )
    assert told(more) == ["types_differ", "server_and_worker_differ"]
    assert "(host)" in shown(more)


def _conn(**extra: Any) -> Any:
    return SimpleNamespace(
        conn_type="aws", port=None, host="h", login="", password="", schema="", extra=json.dumps(extra)
    )


@pytest.mark.parametrize(
    ("server", "task", "differs", "kinds"),
    [
        ({"verify": False}, {"verify": "false"}, ["extra.verify"], {"extra.verify": ["boolean", "text"]}),
        ({"timeout": 10}, {"timeout": "10"}, ["extra.timeout"], {"extra.timeout": ["number", "text"]}),
        ({"a": None}, {"a": "null"}, ["extra", "extra.a"], {"extra.a": ["null", "text"]}),
        ({"a": {"b": 1}}, {"a": '{"b": 1}'}, ["extra.a"], {"extra.a": ["object", "text"]}),
        ({"a": [1]}, {"a": "[1]"}, ["extra.a"], {"extra.a": ["list", "text"]}),
        ({"a": 1}, {"a": 2}, ["extra.a"], {}),
        ({"a": False}, {"a": "true"}, ["extra.a"], {}),
        ({"a": "x"}, {"a": "x"}, [], {}),
        ({"a": 1}, {"a": 1.0}, [], {}),
    ],
)
def test_two_readings_of_one_secret(
    server: dict[str, Any], task: dict[str, Any], differs: list[str], kinds: dict[str, list[str]]
) -> None:
    one, other = _conn(**server), _conn(**task)
    assert differing(one, other, "connection") == differs
    assert types(one, other) == kinds


@pytest.mark.parametrize(
    ("rows", "code", "warned"),
    [
        ([row(BACKEND)], Exit.OK, []),
        ([row(BACKEND, "miss"), row(DATABASE)], Exit.OK, []),
        ([row(BACKEND, "miss"), row(DATABASE, "miss")], Exit.FAILED, []),
        ([row(BACKEND), row(ENVIRONMENT, "shadowed", differs=[])], Exit.OK, []),
        ([row(BACKEND), row(ENVIRONMENT, "shadowed", differs=["host"])], Exit.FAILED, ["copies_differ"]),
        ([row(BACKEND), row(DATABASE, "unreachable", detail="d")], Exit.OK, []),  # nobody comes to it
        ([row(BACKEND), row(DATABASE, "malformed", detail="d")], Exit.OK, []),
        ([row(BACKEND, "denied", detail="d"), row(DATABASE)], Exit.STORE, ["hidden_denied"]),
        ([row(BACKEND, "unreachable", detail="d"), row(DATABASE)], Exit.STORE, ["hidden_unreachable"]),
        ([row(BACKEND, "malformed", detail="d"), row(DATABASE)], Exit.FAILED, ["hidden_malformed"]),
        ([row(DATABASE, "undecryptable", detail="d")], Exit.FAILED, ["hidden_undecryptable"]),
        ([row(BACKEND, "broken", detail="d"), row(DATABASE)], Exit.AIRFLOW, ["hidden_broken"]),
        ([row(BACKEND, "miss"), row(DATABASE, "unreachable", detail="d")], Exit.STORE, ["hidden_unreachable"]),
        ([row(BACKEND, fields=[], conn_type="")], Exit.FAILED, ["empty"]),
        ([row(BACKEND, conn_type="")], Exit.FAILED, ["no_conn_type"]),
    ],
)
def test_the_exit_code_is_that_of_what_is_on_the_way(rows: list[dict[str, Any]], code: Exit, warned: list[str]) -> None:
    found = lookup(chain(*rows))
    assert (found.exit_code, told(found)) == (code, warned)
    assert Report("3.3.2", "", (lookup(chain(row(BACKEND))), found)).exit_code == code


def test_server_and_worker_are_compared() -> None:
    server, worker = chain(row(BACKEND)), chain(row({**BACKEND, "section": "workers", "store": ""}))
    assert told(lookup(server, worker)) == []
    found = lookup(server, worker, differs=["password"])
    assert (told(found), found.exit_code) == (["server_and_worker_differ"], Exit.FAILED)
    [warned] = found.warnings
    assert warned.message == (
        "the server and a worker get different connections (password): from team (VaultBackend)"
        " and from VaultBackend of [workers]"
    )
    found = lookup(chain(row(DATABASE, "miss")), worker)
    assert (told(found), found.exit_code) == (["server_and_worker_differ"], Exit.FAILED)


def test_an_ignored_argument_is_told_where_it_matters() -> None:
    data = lookup(chain(row(BACKEND))).data
    assert [item.code for item in warnings(data, ["secrets"])] == ["kwargs_ignored"]
    assert warnings(data, ["workers"]) == []


def test_why_a_source_wins() -> None:
    assert why(chain(row(BACKEND))) == "it is asked first"
    assert why(chain(row(BACKEND, "miss"), row(DATABASE))) == "nothing before it has one"
    assert why(chain(row(BACKEND, "denied", detail="d"), row(DATABASE))) == (
        "Airflow keeps the error of team (VaultBackend) to its log, and goes on"
    )


def test_people_get_a_table_for_each_chain() -> None:
    server = chain(
        row(BACKEND, version="3", created="2026-05-01T12:00:00+00:00"),
        row(ENVIRONMENT, "shadowed", differs=["host"]),
        row(DATABASE, "miss"),
    )
    origin = {"source": "backend", "class": CLASS, "section": "secrets", "store": "team"}
    worker = chain(row(ENVIRONMENT, "miss"), row(API, origin=origin))
    assert shown(lookup(server, worker)) == (
        "x\n"
        "  server  1 team (VaultBackend)  kv/data/connections/x  hit       http; host, password; version 3, 2 d old\n"
        "          2 environment          AIRFLOW_CONN_X         shadowed  http; host, password; differs: host\n"
        "          3 metadata database    table connection       miss\n"
        "    → the server gets it from team (VaultBackend): it is asked first\n"
        "  worker  1 environment    AIRFLOW_CONN_X      miss\n"
        "          2 execution API  the server's chain  hit   http\n"
        "    → a worker gets it from execution API (team (VaultBackend) of the server's chain): nothing before it has one\n"
        "  warning: environment (AIRFLOW_CONN_X) has another copy (host) that is never used: team (VaultBackend) comes first\n"
    )


def test_what_airflow_says_when_there_is_none() -> None:
    none = chain(row(ENVIRONMENT, "miss"), row(DATABASE, "miss"))
    out = shown(lookup(none, team="x"), team="etl")
    assert out.startswith("x for team etl\n  both    1 environment")
    assert out.endswith('    → Airflow gets nothing: "The conn_id `x` isn\'t defined"\n')
    apart = chain(row(ENVIRONMENT, "miss"))
    variable = lookup(none, apart, kind="variable")
    assert '"Variable x does not exist"' in shown(variable)
    assert '"Variable x not found"' in shown(variable)
    unusable = chain(
        {"source": "backend", "asks": None, "class": "", "section": "secrets", "state": "broken", "detail": "d"}
    )
    assert '"no Airflow process starts"' in shown(lookup(unusable))


def test_a_name_cannot_write_to_the_terminal() -> None:
    out = shown(lookup(chain(row({**ENVIRONMENT, "asks": ["A\x1b[31m"]}), row(DATABASE, "miss")), id="a\x1b[31m\nb"))
    assert "\x1b" not in out
    assert len(out.splitlines()) == 4


def test_programs_get_what_people_get() -> None:
    found = lookup(chain(row(BACKEND, "denied", detail="d"), row(DATABASE, "miss")))
    document = json.loads(Report("3.3.2", "etl", (found,)).as_json())
    assert (document["version"], document["airflow"], document["team"]) == (1, "3.3.2", "etl")
    [one] = document["lookups"]
    assert one["server"]["says"] == "The conn_id `x` isn't defined"
    assert one["warnings"] == [
        {
            "code": "hidden_denied",
            "message": "team (VaultBackend) is denied (d); Airflow keeps that to its log, and whoever asks finds none",
        }
    ]


def test_what_is_asked_twice_is_looked_up_once() -> None:
    wanted = Wanted(["a", "a"], ["k"], ["core.executor"])
    assert [query["id"] for query in wanted.queries] == ["a", "k", "core.executor"]
