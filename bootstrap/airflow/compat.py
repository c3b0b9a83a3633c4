"""What we use of Airflow, where its name or shape differs between 2.11 and 3.x. The one place that knows versions.

Imported only inside Airflow's own processes.
"""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from sqlite3 import SQLITE_IGNORE, SQLITE_OK, SQLITE_PRAGMA
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf

try:
    from airflow.sdk import DAG, BaseOperator  # 3.0 and later
except ModuleNotFoundError as err:
    if err.name != "airflow.sdk":  # it is there: what it says is why Airflow doesn't start
        raise
    from airflow.models.baseoperator import BaseOperator  # 2.11
    from airflow.models.dag import DAG
try:
    from airflow.sdk import BaseHook  # 3.1 and later
except ImportError:
    from airflow.hooks.base import BaseHook

__all__ = ["DAG", "BaseHook", "BaseOperator"]  # from where they are in this release


_READ_ONLY = {  # how a database refuses a session's writes
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


class FunctionOperator(BaseOperator):  # type: ignore[misc]  # Airflow's base class is untyped in some versions
    """A task that calls a function without arguments and returns its result. Nothing of it is templated."""

    def __init__(self, *, work: Callable[[], Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.work = work

    def execute(self, context: Any) -> Any:  # noqa: ARG002
        """Do the work."""
        return self.work()


class ExecutionAPISecretsBackend:
    """What 3.1 and later have under this name: 3.0's tasks ask the API server after all backends."""

    def get_connection(self, conn_id: str) -> Any | None:
        """The connection; None where the API server has none."""
        from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection
        from airflow.sdk.execution_time.context import _convert_connection_result_conn
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        answer = SUPERVISOR_COMMS.send(GetConnection(conn_id=conn_id))
        return None if isinstance(answer, ErrorResponse) else _convert_connection_result_conn(answer)


def secrets_backends() -> list[Any]:
    """The sources that a task's look-up of a connection asks, in order."""
    try:
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded
    except ImportError:
        return server_backends()  # 2.11
    found = list(ensure_secrets_backend_loaded())
    try:
        import airflow.sdk.execution_time.secrets  # noqa: F401  3.1 and later
    except ImportError:
        found.append(ExecutionAPISecretsBackend())
    return found


def providers() -> Any:
    """The object by which a task's process knows the installed providers."""
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Providers  # 3.2 and later
    except ImportError:
        from airflow.providers_manager import ProvidersManager as Providers
    return Providers()


def ask_secret_manager(backend: Any, prefix: str, name: str) -> str:
    """The full name of the secret's version. CloudSecretManagerBackend swallows refusals. Raises google.api_core's errors."""
    client = backend.client.client
    secret_id = backend.build_path(prefix, name, backend.sep)
    wanted = client.secret_version_path(backend.project_id, secret_id, "latest")
    return str(client.access_secret_version(request={"name": wanted}).name)


def server_backends() -> list[Any]:
    """The sources that the server's look-up asks (the API server's, the scheduler's), in order; in 2.11 everybody's."""
    from airflow.configuration import ensure_secrets_loaded

    return list(ensure_secrets_loaded())


def worker_backends() -> list[Any] | None:
    """The sources that a task's look-up asks, in order; None where a task asks the server's (2.11).

    From 3.1 on, the last is the Execution API; in 3.0 it is asked after them.
    """
    try:
        from airflow.sdk.execution_time import task_runner
    except ImportError:
        return None
    task_runner.SUPERVISOR_COMMS = object()  # by this Airflow tells a task's process from others
    try:
        return secrets_backends()
    finally:
        del task_runner.SUPERVISOR_COMMS


def unreported_error() -> BaseException | None:
    """Why the task failed whose failure callback asks: under `tasks test`, 3.0 to 3.2 keep it out of the context.

    It is what the supervisor gives to `finalize` (airflow.sdk.execution_time.task_runner), which calls the callback.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "finalize":
        frame = frame.f_back
    error = frame.f_locals.get("error") if frame else None
    return error if isinstance(error, BaseException) else None


def in_process_api_server() -> Any | None:
    """What gives `tasks test` an API server in its own process, and keeps it; None in 2.11, whose tasks ask no server."""
    try:
        from airflow.sdk.execution_time import supervisor
    except ImportError:
        return None
    if not hasattr(supervisor.in_process_api_server, "cache_clear"):  # 3.0 to 3.2 make one anew each time
        supervisor.in_process_api_server = cache(supervisor.in_process_api_server)
    return supervisor.in_process_api_server


def call_backend(method: Callable[..., Any], team: str | None, **arguments: Any) -> Any:
    """Ask a backend as Airflow does: with the team, where there are teams."""
    try:
        from airflow._shared.secrets_backend import base  # 3.2 and later
    except ImportError:
        return method(**arguments)
    if not hasattr(base, "call_secrets_backend_method"):  # 3.2: also a class that knows nothing of teams
        return method(**arguments, team_name=team)
    return base.call_secrets_backend_method(method, team_name=team, **arguments)


def is_final(error: BaseException) -> bool:
    """Whether Airflow asks no further source after this error (3.2.2 and later)."""
    return any(kind.__name__ == "AirflowSecretsBackendAccessDenied" for kind in type(error).__mro__)


def multi_team() -> bool:
    """Whether teams are switched on (3.2 and later)."""
    return bool(conf.getboolean("core", "multi_team", fallback=False))


def workers_option() -> bool:
    """Whether [workers] names a secrets backend of its own."""
    return bool(conf.get("workers", "secrets_backend", fallback=""))


def cache_seconds() -> int | None:
    """How old a value may be that a DAG file gets while it is parsed; None without the cache."""
    if not conf.getboolean("secrets", "use_cache", fallback=False):
        return None
    return int(conf.getint("secrets", "cache_ttl_seconds", fallback=900))


def read_only() -> None:
    """From now on the metadata database refuses this process's writes."""
    from airflow.settings import engine
    from sqlalchemy import event

    dialect = engine.dialect.name

    def forbid(connection: Any, _record: Any) -> None:
        if dialect == "sqlite":  # Airflow would turn the file into one with a write-ahead log, which query_only allows
            journal = (SQLITE_PRAGMA, "journal_mode")
            connection.set_authorizer(lambda *what: SQLITE_IGNORE if what[:2] == journal else SQLITE_OK)
        if dialect in _READ_ONLY:
            cursor = connection.cursor()
            cursor.execute(_READ_ONLY[dialect])
            cursor.close()
            connection.commit()

    event.listen(engine, "connect", forbid, insert=True)


def without_other_models() -> None:
    """Leave out the tables that look-ups don't read: Airflow imports all before the first Connection is made (3.x).

    That takes half as long as `import airflow`. Nothing is left out where what is loaded has relationships to the rest.
    """
    from airflow import models
    from airflow.models.base import Base
    from airflow.models.connection import Connection  # noqa: F401  loaded, as Variable
    from airflow.models.variable import Variable  # noqa: F401
    from sqlalchemy import event
    from sqlalchemy.orm import Mapper, RelationshipProperty

    loaded = {mapper.class_ for mapper in Base.registry.mappers}
    attributes = [item for model in loaded for item in vars(model).values()]
    properties = [getattr(getattr(item, "comparator", None), "prop", None) for item in attributes]
    related = {item.argument for item in properties if isinstance(item, RelationshipProperty)}
    known = {*loaded, *(model.__name__ for model in loaded)}
    registered = event.contains(Mapper, "before_configured", models.import_all_models)
    if registered and related <= known:
        event.remove(Mapper, "before_configured", models.import_all_models)


def open_read_only() -> None:
    """From now on Airflow's engine in this process is one that the database opens for reading only."""
    from airflow import settings
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    file = settings.engine.url.database
    if settings.engine.dialect.name != "sqlite" or not file or missing_database():
        read_only()
        return

    def opened() -> sqlite3.Connection:
        """Nobody has it open without such a file beside it; then SQLite must make none either."""
        in_use = any(Path(f"{file}{suffix}").exists() for suffix in ("-wal", "-journal"))
        return sqlite3.connect(f"file:{quote(file)}?mode=ro{'' if in_use else '&immutable=1'}", uri=True)

    settings.engine = create_engine("sqlite://", creator=opened, poolclass=NullPool)


def missing_database() -> str:
    """Why there is nothing to connect to, or "": connecting to a SQLite file that isn't there would make one."""
    from airflow.settings import engine

    file = engine.url.database
    if engine.dialect.name != "sqlite" or not file or file == ":memory:" or Path(file).exists():
        return ""
    return f"there is no {file}: run `airflow db migrate`"


def has_variable_row(key: str, team: str | None) -> bool:
    """Whether the metadata database has a variable of this key, readable or not."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.query(Variable).filter(Variable.key == key)
        if team is not None:
            row = row.filter((Variable.team_name == team) | Variable.team_name.is_(None))
        return bool(session.query(row.exists()).scalar())


def passes_execution_api(conn: Any) -> bool:
    """Whether the API server can send this connection to a task: it answers with an error to one without a conn_type."""
    from airflow.api_fastapi.execution_api.datamodels.connection import ConnectionResponse

    try:
        ConnectionResponse.model_validate(conn, from_attributes=True)
    except ValueError:
        return False
    return True


def dag_bag(folder: str) -> Any:
    """An empty DagBag of the folder; its `process_file` parses one file."""
    try:
        from airflow.dag_processing.dagbag import DagBag  # 3.2 and later
    except ImportError:
        from airflow.models.dagbag import DagBag
    return DagBag(folder, collect_dags=False)


def on_new_task(tell: Callable[[Any], None]) -> None:
    """From now on, `tell` gets each operator, mapped ones as well, when it is added to its DAG: deep in the calls that made it."""
    add = DAG.add_task

    def told(dag: Any, task: Any) -> None:
        tell(task)
        add(dag, task)

    DAG.add_task = told


def without_execution_api() -> None:
    """From now on, what this process asks the API server has no answer: 3.x takes it for one that parses DAG files or runs a task."""
    try:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse
    except ImportError:
        return  # 2.11

    class Nobody:
        def send(self, message: Any) -> Any:
            kind = type(message).__name__
            if not kind.startswith("Get"):
                return OKResponse(ok=True)
            name = "CONNECTION_NOT_FOUND" if "Connection" in kind else "VARIABLE_NOT_FOUND"
            return ErrorResponse(error=ErrorType[name])

    task_runner.SUPERVISOR_COMMS = Nobody()
