"""Looks up connections, variables and options inside an Airflow process, on the user's own airflow.cfg and database.

Reads JSON from stdin (`queries`, `team`, `stores`, whose addresses may hold a login) and prints JSON as the last line of
stdout. Nothing that it prints holds a value, but those of options that are no secrets.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from bootstrap.airflow.child_protocol import answering, complaints

_SETUP = "initialize_secrets_backends"  # the function of Airflow's that makes the configured backend


def main() -> None:
    """One request, one answer."""
    request = json.load(sys.stdin)
    with answering() as tell:
        tell(_answer(request))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    with complaints() as told:
        try:
            import airflow
        except Exception as err:
            if not any(frame.name == _SETUP for frame in traceback.extract_tb(err.__traceback__)):
                return {"failed": type(err).__name__}
            from bootstrap.airflow.environment import installed_version

            unusable = {"section": "secrets", **_setup_failure(err)}
            return {"airflow": installed_version() or "", "unusable": unusable}
        from bootstrap.airflow import compat

        if request["team"] and not compat.multi_team():
            return {"no_teams": True}
        compat.read_only()
        compat.without_other_models()
        found = _lookups(request)
    ignored = [section for section in ("secrets", "workers") if any(f"parse [{section}]" in text for text in told)]
    return {
        "airflow": airflow.__version__,
        "lookups": found,
        "ignored_kwargs": ignored,
        "cache_seconds": compat.cache_seconds(),
    }


def _lookups(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    from bootstrap.airflow import compat
    from bootstrap.explain.chain import Source

    server = _sources(compat.server_backends(), "secrets", request)
    unusable: dict[str, Any] = {}
    worker: list[Source] | None = None
    try:
        backends = compat.worker_backends()
        section = "workers" if compat.workers_option() else "secrets"
        worker = None if backends is None else _sources(backends, section, request)
    except Exception as err:  # in the task: the server has started
        unusable = {"section": "workers", **_setup_failure(err)}
    return [_lookup(query, request["team"], server, worker, unusable) for query in request["queries"]]


def _lookup(
    wanted: Mapping[str, str], team: str | None, server: list[Any], worker: list[Any] | None, unusable: dict[str, Any]
) -> dict[str, Any]:
    from bootstrap.explain import config
    from bootstrap.explain.chain import differing, types, walk, walk_worker
    from bootstrap.stores.airflow_look import Query

    if wanted["kind"] == "config":
        return config.explain(wanted["id"], server, worker, unusable)
    query = Query("connection" if wanted["kind"] == "connection" else "variable", wanted["id"], team)
    on_server = walk(server, query)
    found = {**wanted, "server": on_server.as_json(query.kind)}
    if unusable:
        row = {"source": "backend", "asks": None, "class": "", **unusable}
        return {**found, "worker": {"sources": [row], "winner": None}, "differs": []}
    if worker is None:
        return {**found, "worker": found["server"], "differs": []}
    on_worker = walk_worker(worker, query, on_server)
    both = on_server.winner is not None and on_worker.winner is not None
    differs = differing(on_server.value, on_worker.value, query.kind) if both else []
    kinds = types(on_server.value, on_worker.value) if differs and query.kind == "connection" else {}
    told = {"types": kinds} if kinds else {}
    return {**found, "worker": on_worker.as_json(query.kind), "differs": differs, **told}


def _sources(backends: list[Any], section: str, request: Mapping[str, Any]) -> list[Any]:
    from bootstrap.explain.chain import Source, named
    from bootstrap.explain.sources import source_name

    wanted = request["stores"].get(section)
    return [
        Source(backend, section, named(backend, wanted)) if source_name(backend) == "backend" else Source(backend)
        for backend in backends
    ]


def _setup_failure(error: BaseException) -> dict[str, Any]:
    """Why the configured backend can't be made. Of its error only the type is told: the text may quote an argument."""
    from bootstrap.checks._errors import store_cause  # no Airflow in it: that may not have started

    state = "denied" if store_cause(error, "").name == "store_denied" else "broken"
    return {"state": state, "detail": f"it can't be set up: {type(error).__name__}"}


if __name__ == "__main__":
    main()
