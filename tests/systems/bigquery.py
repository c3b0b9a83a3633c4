"""BigQuery's stand-in, bqemulator, from an environment of its own; it asks for no credentials."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import require
from .gcs import call
from .process import HOST, accepts
from .server import Server, clean_env, on_free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON = Path(__file__).parents[2] / ".venv-bigquery" / "bin" / "python"
_LAUNCHER = Path(__file__).with_name("bqemulator_launcher.py")
_SECONDS = 60.0


@dataclass(frozen=True)
class BigQuery:
    """A running server."""

    url: str

    def make_dataset(self, project: str, name: str) -> None:
        """Make a dataset. Raises requests.HTTPError if it is there."""
        reference = {"projectId": project, "datasetId": name}
        call("POST", f"{self._datasets(project)}", {"datasetReference": reference})

    def tables(self, project: str, dataset: str) -> list[str]:
        """Return the names of a dataset's tables, sorted."""
        found = call("GET", f"{self._datasets(project)}/{dataset}/tables")
        return sorted(each["tableReference"]["tableId"] for each in found.get("tables") or [])

    def _datasets(self, project: str) -> str:
        return f"{self.url}/bigquery/v2/projects/{project}/datasets"


def start(folder: Path, gcs_root: Path | None = None) -> BigQuery:
    """Start a server on what `folder`, made if it is missing, has in it. It outlives us, until `stop`.

    `gcs_root` is `Gcs.root`, for load jobs from gs://. A server that runs there already is ended first.
    Raises what `require` raises where its environment is missing.
    """
    if not _PYTHON.exists():
        require("bqemulator", "make test (its environment needs Python 3.11 or newer)")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    stop(folder)
    return on_free_port(partial(_start, folder, gcs_root))


def stop(folder: Path) -> None:
    """End the server of `folder`, if it runs; the tables stay."""
    _server(folder.resolve(), None, 0).stop()


@contextlib.contextmanager
def running(folder: Path, gcs_root: Path | None = None) -> Iterator[BigQuery]:
    """Run a server for a while."""
    try:
        yield start(folder, gcs_root)
    finally:
        stop(folder)


def _start(folder: Path, gcs_root: Path | None, port: int) -> BigQuery:
    _server(folder, gcs_root, port).start(lambda _: accepts(HOST, port), _SECONDS)
    return BigQuery(f"http://{HOST}:{port}")


def _server(folder: Path, gcs_root: Path | None, port: int) -> Server:
    storage = ("--data-dir", str(folder / "data"))
    address = ("--rest-host", HOST, "--rest-port", str(port), "--grpc-host", HOST, "--grpc-port", "0")
    settings = {
        "HOME": str(folder),
        "BQEMU_UPLOAD_STAGING_DIR": str(folder / "uploads"),
        "BQEMU_ENABLE_FORMAT_EXTENSIONS": "false",  # Avro's would be downloaded
    }
    if gcs_root is not None:
        settings["BQEMU_GCS_LOCAL_ROOT"] = str(gcs_root)
    return Server(
        name="bigquery",
        folder=folder,
        argv=(str(_PYTHON), str(_LAUNCHER), "start", *storage, *address),
        needle=f"{' '.join(storage)} ",
        env=clean_env(**settings),
    )
