"""What a process does once before it is forked for many runs of Airflow, and what each fork does first.

Imported only inside Airflow's own processes.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import sys
from collections.abc import Iterable, Iterator
from functools import cache

from bootstrap.airflow import compat

_IMPORTED_BY_EVERY_TASK = (  # where a release has them
    "a2wsgi",
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.collection",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.sdk.execution_time.cache",
    "anyio._backends._asyncio",
    "anyio.streams.tls",
    "jinja2.ext",
)


@cache
def warm_up() -> None:
    """Do once, before forking, what each `airflow tasks test` would do again: imports, and in 3.x its execution API.

    Starts no thread and opens no database. Where a version has none of it, there is nothing to do.
    """
    import airflow.__main__
    import airflow.cli.commands.task_command
    from airflow.cli.cli_parser import get_parser
    from airflow.models import import_all_models
    from sqlalchemy.orm import configure_mappers

    get_parser()
    import_all_models()
    configure_mappers()  # SQLAlchemy does it at a process's first query
    _read_metrics()
    in_process_api_server = compat.in_process_api_server()
    if in_process_api_server is None:
        return
    import airflow.sdk.execution_time.task_runner  # noqa: F401  which Airflow's masker imports

    try:
        from cadwyn.route_generation import _DELETED_ROUTE_TAG

        with _newest_api_version_only():
            app = in_process_api_server().app
            routes = app._latest_version_router.routes  # noqa: SLF001
            # Cadwyn refuses a route that only older versions have when none of them is there.
            routes[:] = [route for route in routes if _DELETED_ROUTE_TAG not in getattr(route, "tags", ())]
            app._cadwyn_initialize()  # noqa: SLF001  cadwyn does it at the first request, in every process anew
    except Exception:  # these names are private: without them each check does it again, slower and as right
        in_process_api_server.cache_clear()
        logging.getLogger(__name__).warning("this Airflow could not be warmed up", exc_info=True)
    import_once(_IMPORTED_BY_EVERY_TASK)


def _read_metrics() -> None:
    """From 3.2 on, Airflow parses a long YAML file at the first number that it counts."""
    with contextlib.suppress(ImportError, AttributeError):
        from airflow._shared.observability.metrics import stats

        stats._get_registry()  # noqa: SLF001


def import_once(modules: Iterable[str]) -> None:
    """Do once, before forking, what each check would do again: import these, and what is imported when a hook reports lineage.

    Whatever goes wrong here, the check that needs it says so.
    """
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    if "airflow.providers.common.compat.lineage.hook" in sys.modules:
        with contextlib.suppress(Exception):
            compat.providers().initialize_providers_asset_uri_resources()
    if "airflow.providers.amazon" in sys.modules:  # whose hooks ask who calls them: that looks up every module's file
        with contextlib.suppress(Exception):
            inspect.getmodule(sys._getframe())  # noqa: SLF001  it remembers them


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


def command_line() -> None:
    """What the `airflow` script runs: reads sys.argv, raises SystemExit."""
    from airflow.__main__ import main

    main()


def use_own_database() -> None:
    """Point this process at the database that its environment names now, not at the one it was started with."""
    from airflow import settings

    settings.configure_vars()
    settings.configure_orm()
