"""Has Airflow parse DAG files in a scratch home, and says what was seen."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bootstrap.airflow.child_protocol import answer_in, require
from bootstrap.airflow.environment import installed_version
from bootstrap.airflow.process import last_line
from bootstrap.airflow.releases import release
from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError
from bootstrap.scan.model import Skipped
from bootstrap.scan.run.home import Home, environment, scratch_home
from bootstrap.scan.run.job import Job, Need
from bootstrap.scan.sources.roots import project_roots
from bootstrap.util import children

TIMEOUT = 30.0  # seconds for a file, unless said otherwise
_START = 120.0  # seconds for Airflow to start
_GRACE = 5.0  # seconds for the processes to end by themselves
_LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Seen:
    """What was looked up and held. `failed` has the files that were not parsed to their end, with the reason, `parsed` the others."""

    needs: Sequence[Need]
    failed: Sequence[Skipped]
    parsed: Sequence[str]
    dags: int
    tasks: int


@dataclass(frozen=True)
class Asked:
    """What to parse, and how: `files` relative to `folder`, `types` the conn_types that are known, `variables` the manifest's."""

    folder: Path
    files: Sequence[str]
    types: Mapping[str, str]
    variables: Mapping[str, str]
    timeout: float = TIMEOUT
    cache: Path | None = None


def parse(asked: Asked) -> Seen:
    """Each file in a process of its own. Raises AirflowError where Airflow isn't installed or doesn't start."""
    version = installed_version()
    if version is None:
        raise AirflowError("Airflow is not installed beside this tool", "pip install 'airflow-bootstrap[airflow]'")
    release(version)
    folder = asked.folder.absolute()
    with scratch_home(folder) as home:
        job = Job(
            str(folder),
            asked.files,
            {file: [str(root.absolute()) for root in project_roots(folder, file)] for file in asked.files},
            asked.types,
            asked.timeout,
            min(len(asked.files), os.cpu_count() or 1),
            str(home.folder),
            str(home.out),
            str(asked.cache) if asked.cache is not None else None,
        )
        ends = _ends(job, home, environment(home, folder, asked.variables)) if asked.files else []
        return _seen(job, ends)


def _ends(job: Job, home: Home, variables: Mapping[str, str]) -> list[list[Any]]:
    process = subprocess.Popen(
        children.command("bootstrap.scan.run.child"),
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        cwd=home.airflow,
    )
    try:
        rounds = -(-len(job.files) // job.at_a_time)
        out, err = process.communicate(f"{{}}\n{json.dumps(asdict(job))}\n", _START + rounds * (job.timeout + _GRACE))
    except subprocess.TimeoutExpired as late:
        raise AirflowError("Airflow did not start in time to parse DAG files", "airflow version") from late
    finally:
        _end(process)
    answer = answer_in(out)
    if answer is None:
        message = f"the process that parses DAG files ended with exit code {process.returncode}; it printed: {last_line(foreign(err))}"
        raise AirflowError(message, "airflow-bootstrap scan, without --run")
    ends: list[list[Any]] = require(answer)["ends"]
    return ends


def _end(process: subprocess.Popen[str]) -> None:
    """Also of what it has started: it ends that itself, at SIGTERM."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    process.kill()
    process.wait()


def _seen(job: Job, ends: Sequence[Sequence[Any]]) -> Seen:
    needs: dict[Need, None] = {}
    failed, parsed = [], []
    dags = tasks = 0
    for number, (file, end) in enumerate(zip(job.files, ends, strict=True)):
        whole = False
        reasons = []
        for line in _lines(Path(job.out, str(number))):
            if "kind" in line:
                needs[_need(line)] = None
            elif "error" in line:
                reasons.append(foreign(line["error"])[:_LONGEST])
            elif "parsed" in line:
                whole = line["parsed"]
                dags, tasks = dags + line["dags"], tasks + line["tasks"]
        if whole:
            parsed.append(file)
        else:
            failed.append(Skipped(file, f"--run: {'; '.join(reasons) or _how(end, job.timeout)}"))
    return Seen(list(needs), failed, parsed, dags, tasks)


def _how(end: Sequence[Any], timeout: float) -> str:
    """Why a process told nothing to its end."""
    how, code = end
    if how == "late":
        return f"it was parsed for {timeout:g} s, and killed"
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name} while it was parsed"
    return f"it ended its process with exit code {code} while it was parsed"


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """DAG code may have written there, too."""
    with contextlib.suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found


def _need(line: Mapping[str, Any]) -> Need:
    frames = tuple((str(file), int(number)) for file, number in line["frames"])
    return Need(line["kind"], str(line["name"]), str(line["by"]), frames, line["conn_type"], line["package"])
