"""Running Airflow, or a module of ours beside it, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bootstrap.airflow.child_protocol import answer_in
from bootstrap.airflow.environment import Environment, require_usable_paths
from bootstrap.domain.secret import foreign
from bootstrap.errors import AirflowError

if TYPE_CHECKING:
    import subprocess


COMMAND_TIMEOUT = 300.0  # seconds for one Airflow command


def run_airflow(environment: Environment, *arguments: str, request: str = "", **more: str) -> str:
    """Run a Python module with arguments in Airflow's environment and return what it printed. Raises AirflowError.

    `request` is what it reads from stdin: it may hold what no process list may show.
    """
    done = _done(environment, arguments, request, more)
    if done.returncode != 0:
        message = f"`{' '.join(arguments)}` failed: {last_line(foreign(done.stderr or done.stdout))}"
        raise AirflowError(message, "try it by hand")
    return done.stdout


def ask_airflow(environment: Environment, module: str, *arguments: str, request: str = "") -> dict[str, Any]:
    """What a module that answers (see `child_protocol`) says. Raises AirflowError, with what Airflow printed, if it doesn't."""
    done = _done(environment, (module, *arguments), request, {})
    answer = answer_in(done.stdout)
    if answer is None:
        raise AirflowError(
            f"Airflow ended with exit code {done.returncode} and without an answer; it printed: {last_line(foreign(done.stderr))}",
            f"see why: AIRFLOW_HOME={environment.home} airflow version",
        )
    return answer


def last_line(printed: str) -> str:
    """The last line, for a message."""
    lines = printed.strip().splitlines()
    return lines[-1] if lines else "nothing"


def _done(
    environment: Environment, arguments: Sequence[str], request: str, more: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    import subprocess  # not at the top: most commands start no process

    from bootstrap.airflow.fork import Start
    from bootstrap.airflow.session import start

    require_usable_paths(environment)
    process = start(environment, Start(arguments, more))
    try:
        stdout, stderr = process.communicate(request, COMMAND_TIMEOUT)
    except subprocess.TimeoutExpired as err:
        message = f"`{' '.join(arguments)}` took longer than {COMMAND_TIMEOUT:.0f} s"
        raise AirflowError(message, "try it by hand") from err
    finally:
        process.kill()  # nothing, if it has ended
        code = process.wait()
    return subprocess.CompletedProcess(arguments, code, stdout, stderr)
