"""Run in an Airflow process: what its API server and a task of it get for the ids that a variable names, see `bench.Site.happens`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TASK = ["airflow", "tasks", "test", "probe", "probe", "2024-01-01T00:00:00+00:00"]


def main() -> None:
    from bootstrap.airflow import warm_up

    team = os.environ.get("PROBE_TEAM", "")
    Path(os.environ["PROBE_FILE"] + ".server").write_text(json.dumps(_of_the_server(team)))
    warm_up.warm_up()
    if team:
        _show_a_token()
    sys.argv = TASK
    warm_up.command_line()


def _of_the_server(team: str) -> dict[str, dict[str, Any]]:
    from airflow.models.connection import Connection
    from airflow.models.variable import Variable

    more = {"team_name": team} if team else {}
    wanted = json.loads(os.environ["PROBE"])

    def host(conn_id: str) -> Any:
        return Connection.get_connection_from_secrets(conn_id, **more).host

    def value(key: str) -> Any:
        found = Variable.get_variable_from_secrets(key, **more)
        if found is None:
            raise KeyError(f"Variable {key} does not exist")
        return found

    found = {conn_id: _got(host, conn_id) for conn_id in wanted["connections"]}
    return found | {f"variable {key}": _got(value, key) for key in wanted["variables"]}


def _got(get: Callable[[str], Any], key: str) -> dict[str, Any]:
    try:
        return {"host": get(key)}
    except KeyError as err:
        return {"error": f"KeyError: {err.args[0]}"}
    except Exception as err:
        return {"error": f"{type(err).__name__}: {err}"}


def _show_a_token() -> None:
    """A worker shows the API server a token that says which task asks; the API that `tasks test` has in its process sees none, and so no team."""
    from airflow.api_fastapi.execution_api.datamodels.token import TIClaims, TIToken
    from airflow.api_fastapi.execution_api.security import _jwt_bearer
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from airflow.utils.session import create_session

    async def token() -> Any:
        with create_session() as session:
            [task] = session.query(TaskInstance.id).all()
        return TIToken(id=task.id, claims=TIClaims(scope="execution"))

    in_process_api_server().app.dependency_overrides[_jwt_bearer] = token


if __name__ == "__main__":
    main()
