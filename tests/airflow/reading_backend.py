"""A secrets backend whose module reads an option while it is imported, as Google's do."""

from __future__ import annotations

from airflow.configuration import conf
from airflow.secrets.local_filesystem import LocalFilesystemBackend

OPTION = conf.get("email", "from_email", fallback=None)


class Backend(LocalFilesystemBackend):  # type: ignore[misc]  # untyped, as Airflow is to mypy
    """Airflow's own."""
