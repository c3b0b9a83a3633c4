"""Spark: submits a job of a few seconds with the provider's operator; the master's executors count, and it compares."""

from __future__ import annotations

import inspect
import ipaddress
import json
import os
import re
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bootstrap.checks import _spark_job
from bootstrap.checks.base import Cause, CauseName, CheckParams, Endpoint, Run, connection
from bootstrap.domain.secret import foreign
from bootstrap.util import children
from bootstrap.util.urls import BadUrl, host_of, split

_WAITING = {  # what spark-submit says while it tries on, until the deadline ends it
    "has not accepted any resources": "Spark's master accepts the job, but no worker takes it: "
    "start one, or free 1 core and 512 MiB on it",
    "Failed to connect to master": "Spark can't talk to its master: "
    "what listens there may be another service, or a Spark of another version",
}
_JAVA = "install a Java runtime (openjdk-17-jre-headless), or correct JAVA_HOME"
_PYSPARK = "pip install pyspark, or put Spark's bin folder on PATH"
_MASTER = "correct the connection's host and port"
_HADOOP = "set HADOOP_CONF_DIR in `airflow.env`"
_VERSION = "install the pyspark whose version is the cluster's"
_NO_MASTER = "what answers there is no Spark master of this version"
_BY_OUTPUT: tuple[tuple[str, CauseName, str, str], ...] = (  # words of spark-submit's output, what they mean, the hint
    (r"JAVA_HOME is not set|bin/java: (No such file|not found)|java: (command )?not found", "check_error", "there is no Java", _JAVA),
    (r"UnsupportedClassVersionError", "check_error", "this Java is too old for this Spark", _JAVA),
    (r"Could not find valid SPARK_HOME|spark-class: No such file", "provider_missing", "spark-submit finds no Spark", _PYSPARK),
    (r"HADOOP_CONF_DIR or YARN_CONF_DIR must be set", "check_error", "the master is yarn, and no configuration of Hadoop is named", _HADOOP),
    (r"(Master must either be|Could not parse Master URL|Invalid master URL).*", "check_error", "", _MASTER),
    (r"InvalidClassException|StreamCorruptedException|Too large frame", "check_error", _NO_MASTER, _VERSION),
    (r"AccessControlException.*|Permission denied: user.*", "permission", "", ""),
    (r"SaslException.*|Authentication (failed|error).*|401 Unauthorized.*", "auth", "", ""),
    (r"UnknownHostException: \S+", "dns", "", ""),
    (r"Connection refused: \S+", "connection_refused", "", ""),
    (r"All masters are unresponsive", "timeout", "the master accepts connections, and does not answer", ""),
)  # fmt: skip
_LOOPBACK = "127.0.0.1"
_LINES = 200  # of spark-submit's output that are kept, to find the reason of a failure in them


class Params(CheckParams):
    """No parameters. The master, and how to submit, are the connection's."""


CONN_TYPES = ("spark",)
PROVIDERS = ("apache-airflow-providers-apache-spark",)
PERMISSIONS = ("submitting an application, with one core and 512 MiB for an executor",)
COMPARES = "what the executors count, with the run's id beside it"
CREATES = ""
STEPS = ("access",)


class SubmitError(Exception):
    """spark-submit failed; the message is the end of what it said."""


def endpoint(conn: Any) -> Endpoint | None:
    """Host and port of a master at spark:// or k8s://; None for local, yarn and several masters."""
    found = re.fullmatch(r"(spark|k8s)://(.+)", _master(conn))
    if found is None or "," in found[2]:
        return None
    try:
        url = split(found[2] if "://" in found[2] else f"//{found[2]}")
    except BadUrl:  # spark-submit says it better
        return None
    if found[1] == "k8s" and url.hostname:  # over https unless it says otherwise; kubectl's configuration has the CA
        return Endpoint(url.hostname, url.port or 443, tls=url.scheme != "http", verify=False)
    return Endpoint(url.hostname, url.port) if url.hostname and url.port else None


def task(conn_id: str, params: Params, run: Run) -> Any:  # noqa: ARG001
    """Airflow's operator. What of its settings hangs on the master is known when the task runs."""
    from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

    output: deque[str] = deque(maxlen=_LINES)

    class Operator(SparkSubmitOperator):  # type: ignore[misc]  # untyped
        """Keeps what spark-submit says: not every version has it in its error."""

        def execute(self, context: Any) -> None:
            conn = connection(conn_id)
            self.conf = _settings(conn)
            self.application_args = ["-" if _is_remote_driver(conn) else str(_result_file(run)), run.id]
            self._deploy_mode = _deploy_mode(conn)
            # What spark-submit inherits: the Python with which it looks for pyspark, and a private place for its JVM's files.
            os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
            private = f'"-Djava.io.tmpdir={tempfile.gettempdir()}" -XX:-UsePerfData'
            os.environ["SPARK_SUBMIT_OPTS"] = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} {private}".strip()
            try:
                super().execute(context)
            except OSError:
                raise
            except Exception as err:
                raise SubmitError(foreign("\n".join(output) or err)) from err

        def _get_hook(self) -> Any:
            hook = super()._get_hook()
            hook.submit = children.without_hidden_variables()(
                hook.submit
            )  # the hook has the connection's secrets by now
            process = hook._process_spark_submit_log  # noqa: SLF001  its lines go nowhere else but to the log
            hook._process_spark_submit_log = lambda lines: process(_kept(lines, output, run))  # noqa: SLF001
            return hook

    # Airflow 3.3 would keep the job's id for a retry, and refuses that on YARN without further settings.
    durable = {"durable": False} if "durable" in inspect.signature(SparkSubmitOperator.__init__).parameters else {}
    return Operator(
        conn_id=conn_id, application=_spark_job.__file__, name=run.name, verbose=False, **durable, **run.arguments
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """The driver wrote this run's count. Raises RuntimeError. A driver in the cluster keeps it: its exit status counts."""
    conn = connection(conn_id)
    if _is_remote_driver(conn):
        return "deploy-mode cluster: the driver's exit status counts, its result stays there"
    file = _result_file(run)
    if not file.exists():
        raise RuntimeError("spark-submit ended well, but its job has left no result")
    written = json.loads(file.read_text())
    file.unlink()
    if written.get("run") != run.id or written.get("count") != _spark_job.NUMBERS:
        raise RuntimeError(f"the executors should have counted to {_spark_job.NUMBERS}; the job's result is {written}")
    mode = ", in client mode: a standalone cluster runs Python nowhere else" if _asks_for_cluster(conn) else ""
    return f"Spark {foreign(written['version'])} at {_master(conn)}{mode}"


def _result_file(run: Run) -> Path:
    return Path(tempfile.gettempdir(), f"{run.name}.json")


def _master(conn: Any) -> str:
    """The master's URL, put together as SparkSubmitHook does it."""
    host = conn.host or ""
    whole = conn.conn_type == "spark" and host and ("://" in host or not conn.port)
    return (host if whole else f"{conn.conn_type}://{host}") + (f":{conn.port}" if conn.port else "")


def _asks_for_cluster(conn: Any) -> bool:
    return bool(conn.extra_dejson.get("deploy-mode") == "cluster")


def _deploy_mode(conn: Any) -> str | None:
    """None: as the connection says. A standalone cluster refuses Python's applications in cluster mode."""
    return "client" if _asks_for_cluster(conn) and _master(conn).startswith("spark://") else None


def _is_remote_driver(conn: Any) -> bool:
    return _asks_for_cluster(conn) and _deploy_mode(conn) is None


def _settings(conn: Any) -> dict[str, str]:
    """Small and quick; where all of it is on this machine, nothing listens elsewhere."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.cores.max": "1",
        "spark.executor.instances": "1",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
    }
    if _is_remote_driver(conn):
        return settings
    settings["spark.local.dir"] = tempfile.gettempdir()
    if _is_on_loopback(_master(conn)):
        settings |= {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
    return settings


def _is_on_loopback(master: str) -> bool:
    if master.startswith("local"):
        return True
    host = host_of(master) or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _kept(lines: Iterable[str], output: deque[str], run: Run) -> Iterator[str]:
    """The lines, which are kept; what makes it wait is told at once."""
    told = set()
    for line in lines:
        output.append(line.rstrip())
        for words, warning in _WAITING.items():
            if words in line and words not in told:
                told.add(words)
                run.tell(warning=warning)
        yield line


def cause(error: BaseException) -> Cause | None:
    """What spark-submit said before it failed."""
    if isinstance(error, FileNotFoundError) and "spark" in Path(str(error.filename or "")).name:
        return Cause("provider_missing", f"there is no {error.filename} on PATH", _PYSPARK)
    if "kubernetes dependencies are not installed" in str(error):
        package = "apache-airflow-providers-cncf-kubernetes"
        return Cause("provider_missing", f"{package} is not installed", f"pip install {package}")
    if not isinstance(error, SubmitError):
        return None
    output = foreign(error)
    for words, name, message, hint in _BY_OUTPUT:
        if found := re.search(words, output):
            return Cause(name, message or found[0], hint)
    said = [line for line in output.splitlines() if re.search(r"Exception|Error|ERROR|error:", line)]
    return Cause("check_error", said[0].strip() if said else output.strip().rpartition("\n")[2])
