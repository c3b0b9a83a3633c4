"""What we use of Airflow, where its name or shape differs between 2.11 and 3.x. The one place that knows versions.

Imported only inside Airflow's own processes.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

try:
    from airflow.sdk import DAG, BaseHook, BaseOperator  # 3.0 and later
except ImportError:
    from airflow.hooks.base import BaseHook  # 2.11
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

__all__ = [
    "DAG",
    "BaseHook",
    "BaseOperator",
    "FunctionOperator",
    "ask_parameter_store",
    "ask_secret_manager",
    "ask_secrets_manager",
    "command_line",
    "secrets_backends",
    "use_own_database",
    "warm_up",
]


class FunctionOperator(BaseOperator):  # type: ignore[misc]  # Airflow's base class is untyped in some versions
    """A task that calls a function without arguments and returns its result. Nothing of it is templated."""

    def __init__(self, *, work: Callable[[], Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.work = work

    def execute(self, context: Any) -> Any:  # noqa: ARG002
        """Do the work."""
        return self.work()


def secrets_backends() -> list[Any]:
    """The sources that a task's look-up of a connection asks, in order."""
    try:
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded  # 3.1 and later
    except ImportError:
        pass
    else:
        return list(ensure_secrets_backend_loaded())
    try:
        from airflow.sdk.execution_time.secrets import DEFAULT_SECRETS_SEARCH_PATH_WORKERS as DEFAULTS  # 3.0
    except ImportError:
        from airflow.configuration import ensure_secrets_loaded  # 2.11

        return list(ensure_secrets_loaded())
    from airflow.configuration import ensure_secrets_loaded

    return list(ensure_secrets_loaded(default_backends=DEFAULTS))


def ask_secret_manager(backend: Any, prefix: str, name: str) -> None:
    """Ask for what CloudSecretManagerBackend answered None to: it swallows refusals. Raises google.api_core's errors."""
    client = backend.client.client
    secret_id = backend.build_path(prefix, name, backend.sep)
    client.access_secret_version(request={"name": client.secret_version_path(backend.project_id, secret_id, "latest")})


def ask_secrets_manager(backend: Any, prefix: str, name: str) -> bool:
    """Ask for what SecretsManagerBackend answered None to, AWS's. Whether it is there, without a text: then it is binary.

    Raises botocore's errors.
    """
    if not _looks_up(backend, name):
        return False
    path = backend.build_path(prefix, name, backend.sep) if prefix else name
    return "SecretString" not in backend.client.get_secret_value(SecretId=path)


def ask_parameter_store(backend: Any, prefix: str, name: str) -> None:
    """Ask for what SystemsManagerParameterStoreBackend answered None to. Raises botocore's errors."""
    if _looks_up(backend, name):
        path = backend.build_path(prefix, name).lstrip("/")
        backend.client.get_parameter(Name=f"/{path}", WithDecryption=True)


def _looks_up(backend: Any, name: str) -> bool:
    """Whether the backend, one of AWS's, asks for such a connection at all."""
    pattern = getattr(backend, "connections_lookup_pattern", None)
    return not pattern or re.match(pattern, name, re.IGNORECASE) is not None


def command_line() -> None:
    """What the `airflow` script runs: reads sys.argv, raises SystemExit."""
    from airflow.__main__ import main

    main()


def use_own_database() -> None:
    """Point this process at the database that its environment names now, not at the one it was started with."""
    from airflow import settings

    settings.configure_vars()
    settings.configure_orm()


def warm_up() -> None:
    """Do once, before forking, what each `airflow tasks test` would do again: imports, and in 3.x its execution API.

    Starts no thread and opens no database. Where a version has none of it, there is nothing to do.
    """
    import airflow.__main__
    import airflow.cli.commands.task_command  # noqa: F401  what `tasks test` imports first

    try:
        from airflow.sdk.execution_time.supervisor import in_process_api_server
    except ImportError:  # 2.11
        return
    try:
        with _newest_api_version_only():
            app = in_process_api_server().app
            _without_routes_of_older_versions(app)
            app._cadwyn_initialize()  # noqa: SLF001  cadwyn does it at the first request, in every process anew
    except Exception:  # these names are private: without them each check does it again, slower and as right
        in_process_api_server.cache_clear()
        logging.getLogger(__name__).warning("this Airflow could not be warmed up", exc_info=True)


@contextlib.contextmanager
def _newest_api_version_only() -> Iterator[None]:
    """The in-process client speaks the newest version; generating the other eight takes 3 s."""
    from airflow.api_fastapi.execution_api import versions
    from cadwyn import HeadVersion, Version, VersionBundle

    every = versions.bundle
    versions.bundle = VersionBundle(HeadVersion(), Version(every.versions[0].value))
    try:
        yield
    finally:
        versions.bundle = every


def _without_routes_of_older_versions(app: Any) -> None:
    """Cadwyn refuses a route that only older versions have when none of them is there."""
    from cadwyn.route_generation import _DELETED_ROUTE_TAG

    routes = app._latest_version_router.routes  # noqa: SLF001
    routes[:] = [route for route in routes if _DELETED_ROUTE_TAG not in getattr(route, "tags", ())]
