"""Asks a real Airflow, of any version that is supported, what it makes of variables: one start, and a fork for each answer.

For tests that hold what Airflow itself does. Everything is asked through what Airflow's processes call themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.project import ROOT

CHILD = """
import contextlib, importlib, json, logging, os, sys, traceback, warnings
warnings.simplefilter("ignore")
from airflow.configuration import get_custom_secret_backend
from airflow.models.connection import Connection
from bootstrap.airflow.compat import BaseHook

def server(conn_id):
    return Connection.get_connection_from_secrets(conn_id).password

def worker(conn_id):
    return task_reads(conn_id).password

class NoServer:
    def send(self, asked):
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse

        return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)

def task_reads(conn_id):
    with contextlib.suppress(ImportError):
        from airflow import sdk
        from airflow.sdk.execution_time import task_runner

        if not hasattr(sdk, "BaseHook"):  # 3.0: outside a task, its hooks ask as the server does
            task_runner.SUPERVISOR_COMMS = NoServer()
    return BaseHook.get_connection(conn_id)

def fields(side, conn_id):
    conn = task_reads(conn_id) if side == "worker" else Connection.get_connection_from_secrets(conn_id)
    names = ("conn_type", "host", "login", "password", "schema", "port")
    return {**{name: getattr(conn, name) for name in names}, "extra": conn.extra_dejson}

def unreported():
    from bootstrap.airflow.compat import unreported_error

    def finalize(ti, state, context, log, error):
        return type(unreported_error()).__name__

    return [finalize(None, None, {}, None, KeyError("x")), type(unreported_error()).__name__]

def warm_up():
    from bootstrap.airflow import compat, warm_up

    logging.basicConfig(force=True)
    warm_up.warm_up()
    server = compat.in_process_api_server()
    return server is None or server() is server()

def backend(**which):
    made = get_custom_secret_backend(**which)
    return made and {"paths": made.connections_path, "kv": made.kv_engine_version, "url": made.vault_client.url}

def hook(path, **arguments):
    module, _, name = path.rpartition(".")
    made = getattr(importlib.import_module(module), name)
    return made(**arguments).test_connection() if hasattr(made, "test_connection") else "no test_connection"

def answer(asked):
    os.environ.update(asked["variables"])
    try:
        return {"got": globals()[asked["what"]](*asked["arguments"], **asked["options"])}
    except Exception as err:
        return {"raised": type(err).__name__, "said": str(err)}

print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if os.fork() == 0:
        with open(asked["log"], "w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            found = answer(asked)
            sys.stdout.flush()
        with open(asked["file"], "w") as file:
            json.dump(found, file)
        os._exit(0)
    os.wait()
    print("done", flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """What came back (`got`), or the exception's type and text; `log` is all that Airflow printed meanwhile."""

    log: str
    got: Any = None
    raised: str = ""
    said: str = ""


@dataclass(frozen=True)
class Probe:
    """A running Airflow."""

    child: subprocess.Popen[str]
    folder: Path

    def ask(self, what: str, *arguments: str, variables: Mapping[str, str], **options: Any) -> Answer:
        """`server` or `worker` (a connection's password), `fields` (of a side, all of it), `warm_up` (whether what is warm is kept), `unreported`, `backend` (the one of [secrets] or [workers]), `hook`."""
        log, file = self.folder / "log", self.folder / "answer.json"
        file.unlink(missing_ok=True)
        asked = {"what": what, "arguments": arguments, "options": options, "variables": dict(variables)}
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({**asked, "log": str(log), "file": str(file)}) + "\n")
        self.child.stdin.flush()
        assert self.line() == "done\n", log.read_text()
        return Answer(log=log.read_text(), **json.loads(file.read_text()))

    def line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline()


@contextmanager
def running(folder: Path) -> Iterator[Probe]:
    """Start an Airflow with a home of its own in `folder`."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        probe = Probe(child, folder)
        while probe.line() != "ready\n":
            assert child.poll() is None
        yield probe
        assert child.stdin is not None
        child.stdin.close()
