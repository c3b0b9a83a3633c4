"""A standalone Spark master with one worker, from the pyspark package; they need Java."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from . import require
from .process import HOST, free_port
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60.0
_CLASSES = {"master": "org.apache.spark.deploy.master.Master", "worker": "org.apache.spark.deploy.worker.Worker"}
_WORKER = ("--cores", "1", "--memory", "1g")
# A port that is taken is an error, not a reason to take the next; no REST server on a fixed port.
_CONF = "spark.port.maxRetries 0\nspark.master.rest.enabled false\n"


@dataclass(frozen=True)
class Spark:
    """A running cluster."""

    master: str


@dataclass(frozen=True)
class _Ports:
    master: int
    web: int


def home() -> Path:
    """Return SPARK_HOME: the folder of the pyspark package, which has bin/spark-submit."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        message = "pyspark is not installed"
        raise ModuleNotFoundError(message)
    return Path(found.origin).parent


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Spark]:
    """Run a master and a worker of one core and 1 GiB for a while.

    Raises SkipTest (AssertionError in CI) without pyspark or Java.
    """
    require("pyspark", "make test")
    require("java", "make system-deps")
    folder = folder.resolve()
    try:
        ports = on_free_port(partial(_start_master, folder))
        worker = _server(folder, "worker", "--webui-port", "0", "--work-dir", f"{folder}/work", *_WORKER, _url(ports))
        worker.start(lambda _: _workers(ports) == 1, _SECONDS)
        yield Spark(_url(ports))
    finally:
        for name in ("worker", "master"):
            _server(folder, name).stop(_SECONDS)


def _start_master(folder: Path, port: int) -> _Ports:
    ports = _Ports(port, free_port())
    where = ("--port", str(ports.master), "--webui-port", str(ports.web))
    _server(folder, "master", *where).start(lambda _: _workers(ports) == 0, _SECONDS)
    return ports


def _server(folder: Path, name: str, *arguments: str) -> Server:
    java = Path(shutil.which("java") or "java").parent
    conf = folder / f"{name}.conf"
    write_private(conf, _CONF)
    return Server(
        name=name,
        folder=folder,
        argv=(
            str(home() / "bin/spark-class"),
            _CLASSES[name],
            "--properties-file",
            str(conf),
            "--host",
            HOST,
            *arguments,
        ),
        needle=f"--properties-file {conf} --host {HOST} ",
        env=clean_env(
            PATH=f"{java}:{os.defpath}",
            SPARK_HOME=str(home()),
            SPARK_LOCAL_DIRS=str(folder),
            SPARK_LOCAL_IP=HOST,  # the web pages listen there
            SPARK_DAEMON_MEMORY="256m",
            SPARK_DAEMON_JAVA_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # quick to start
        ),
    )


def _workers(ports: _Ports) -> int | None:
    """Return how many workers the master knows, None if it doesn't answer, or not yet in JSON."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return int(session.get(f"http://{HOST}:{ports.web}/json/", timeout=5).json()["aliveworkers"])
        except requests.RequestException:
            return None


def _url(ports: _Ports) -> str:
    return f"spark://{HOST}:{ports.master}"
