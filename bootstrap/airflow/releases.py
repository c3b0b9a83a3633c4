"""What the releases of Airflow can do, in one table.

Read in their sources: airflow/config_templates/config.yml (the options) and airflow/configuration.py (how they are used).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from bootstrap.errors import AirflowError

Version: TypeAlias = tuple[int, int]

_ALWAYS_SENSITIVE = frozenset(
    {
        "core.fernet_key",
        "database.sql_alchemy_conn",
        "database.sql_alchemy_engine_args",
        "logging.remote_task_handler_kwargs",
        "sentry.sentry_dsn",
    }
)
_IN_3 = _ALWAYS_SENSITIVE | {"api.secret_key", "api_auth.jwt_secret", "core.asset_manager_kwargs"}


@dataclass(frozen=True)
class Release:
    """`workers`: [workers] has a secrets backend of its own. `kwarg_variables`: each keyword argument of a backend may come
    from a variable, AIRFLOW__SECRETS__BACKEND_KWARG__NAME. `teams`: [core] multi_team. `execution_api`: a task asks the API server
    for what its own sources don't have. `any_executor_on_sqlite`: else SequentialExecutor alone runs on SQLite. `missing_variable`: what
    Airflow says in a task of a variable that nobody has, with the {key}.

    `sensitive`: the options, besides the backends' own, that Airflow looks up as OPTION_cmd and OPTION_secret, too.
    """

    sensitive: frozenset[str]
    workers: bool = True
    kwarg_variables: bool = True
    teams: bool = True
    execution_api: bool = True
    any_executor_on_sqlite: bool = True
    missing_variable: str = "Variable {key} not found"


_V2_11 = Release(
    workers=False,
    kwarg_variables=False,
    teams=False,
    execution_api=False,
    any_executor_on_sqlite=False,
    missing_variable="Variable {key} does not exist",
    sensitive=_ALWAYS_SENSITIVE
    | {"core.dataset_manager_kwargs", "core.internal_api_secret_key", "smtp.smtp_password", "webserver.secret_key"},
)
_V3_2 = Release(_IN_3 | {"database.sql_alchemy_conn_async"})
_V3_1 = replace(_V3_2, kwarg_variables=False, teams=False)
_V3_0 = replace(
    _V3_1,
    missing_variable="VARIABLE_NOT_FOUND: {{'key': {key!r}}}",
    sensitive=_IN_3 | {"core.internal_api_secret_key"},
)
RELEASES: dict[Version, Release] = {(2, 11): _V2_11, (3, 0): _V3_0, (3, 1): _V3_1, (3, 2): _V3_2, (3, 3): _V3_2}
OLDEST, NEWEST = min(RELEASES), max(RELEASES)


def release(version: str | None) -> Release:
    """What a version ("3.3.2") can do; None, and what is newer than the table: as the newest. Raises AirflowError."""
    if version is None:
        return RELEASES[NEWEST]
    found = tuple(int(part) for part in version.split(".")[:2])
    if found < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise AirflowError(f"Airflow {version} is too old", f"pip install 'apache-airflow>={oldest}'")
    return RELEASES[max(known for known in RELEASES if known <= found)]
