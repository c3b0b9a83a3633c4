"""Docker: runs a container with the provider's operator and compares what it prints; logs into the registry first."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

from pydantic import model_validator
from typing_extensions import Self

from bootstrap.checks import base
from bootstrap.checks.base import PREFIX, Cause, CauseName, CheckParams, Diagnosed, Run, connection, leftovers, nowhere
from bootstrap.domain.secret import foreign

_ADDRESS = "correct `docker_url` or DOCKER_HOST"
_NO_DAEMON = Cause("check_error", "what answers there is no Docker daemon", _ADDRESS)
_START = "start Docker, or name its address in `docker_url` or DOCKER_HOST"
_IMAGE = "correct `image`, or push it"
_REGISTRY = "correct the connection's host, which is the registry's address, or the registry in `image`"
_GROUP = "add this user to the group `docker` (usermod -aG docker USER), and log in again"
_BY_TEXT: tuple[tuple[str, CauseName, str], ...] = (  # what the daemon says of a registry, an image and a command
    (r"401 Unauthorized|unauthorized:|no basic auth credentials", "auth", ""),
    (r"denied: (forbidden|requested access)", "permission", "grant the login pull on the image, or correct `image`"),
    (r"manifest unknown|[Nn]o such image|repository does not exist|not found: manifest", "not_found", _IMAGE),
    (r"connect: connection refused", "connection_refused", _REGISTRY),
    (r"no such host|server misbehaving", "dns", _REGISTRY),
    (r"x509:|tls: |HTTP response to HTTPS client|HTTP request to an HTTPS server", "tls", ""),
    (r"i/o timeout|deadline exceeded|Client\.Timeout|TLS handshake timeout", "timeout", ""),
    (r"no route to host|network is unreachable", "unreachable", ""),
    (r"executable file not found|no such file or directory.*OCI|OCI runtime", "check_error", "correct `command`"),
    (r"invalid reference format", "check_error", "correct `image`"),
)
_NO_ANSWER: tuple[tuple[type[OSError], Cause], ...] = (
    (FileNotFoundError, Cause("connection_refused", "the Docker daemon's socket isn't there", _START)),
    (ConnectionRefusedError, Cause("connection_refused", "the Docker daemon's address refuses connections", _START)),
    (PermissionError, Cause("permission", "this user may not open the Docker daemon's socket", _GROUP)),
    (socket.gaierror, Cause("dns", "the Docker daemon's host has no address", _ADDRESS)),
    (TimeoutError, Cause("timeout", "the Docker daemon does not answer", "see whether the Docker daemon is stuck")),
    (ConnectionResetError, Cause("check_error", _NO_DAEMON.message, _START)),
)
_DEFAULT_URL = "unix:///var/run/docker.sock"
_SECONDS = 10  # for the daemon to answer; pulling is the operator's and has a minute for each answer


class Params(CheckParams):
    """`image` is pulled if it isn't there; with `pull` it always is. `command` is the container's, as in
    `["echo", "hello"]`; by default it echoes the run's name. `expect` is text that its output must have in it.
    `docker_url` is the daemon's address (default: $DOCKER_HOST, else the local socket); the connection is the
    registry's login, and not used where it has no `login`. The container has no network.
    """

    image: str
    command: str | list[str] | None = None
    expect: str | None = None
    docker_url: str | None = None
    pull: bool = False

    @model_validator(mode="after")
    def _expects_of_a_command(self) -> Self:
        if self.expect is not None and self.command is None:
            msg = "`expect` needs a `command`: the default one prints the run's name, and that is compared"
            raise ValueError(msg)
        return self

    @property
    def writes(self) -> bool:
        """A container."""
        return True

    @property
    def url(self) -> str:
        """The daemon's address."""
        return self.docker_url or os.environ.get("DOCKER_HOST") or _DEFAULT_URL


CONN_TYPES = ()  # an image must be named
PROVIDERS = ("apache-airflow-providers-docker",)
PERMISSIONS = ("read and write on the daemon's socket (the group `docker`)", "pull on the image's repository")
COMPARES = "the daemon's API version, and the container's output: the run's own name, or `expect`"
CREATES = "a container (an image that had to be pulled stays)"
STEPS = ("access", "write")
endpoint = nowhere  # the daemon goes to the registry, not this machine; `authenticate` asks the daemon


def authenticate(conn_id: str, params: Params, run: Run) -> str:
    """Ask the daemon for its version, and let it log into the registry where the connection has a login.

    The hook says of a daemon that can't be asked only that it can't.
    """
    from airflow.providers.docker.hooks.docker import DockerHook

    with _daemon(params) as daemon:
        try:
            told = daemon.version()
        except ValueError as err:  # no JSON
            raise Diagnosed(_NO_DAEMON) from err
    if not (isinstance(told, dict) and told.get("ApiVersion") and told.get("Version")):
        raise Diagnosed(_NO_DAEMON)
    said = f"Docker {foreign(told['Version'])}"
    login = connection(conn_id).login
    if not login:
        return f"{said}; no login, so no registry"
    DockerHook(docker_conn_id=conn_id, base_url=params.url, timeout=_SECONDS * 2).get_conn().close()
    # It may be open to the daemon alone.
    return base.login_proof(run, "unknown", f"{said}; the registry accepts {login}")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """Airflow's operator; it returns all lines of the output."""
    from airflow.providers.docker.operators.docker import DockerOperator

    class Operator(DockerOperator):  # type: ignore[misc]  # untyped
        """Which login it is to use is known when the task runs."""

        def execute(self, context: Any) -> Any:
            self.docker_conn_id = conn_id if connection(conn_id).login else None
            return super().execute(context)

    return Operator(
        image=params.image,
        command=["echo", run.name] if params.command is None else params.command,
        force_pull=params.pull,
        docker_url=params.url,
        container_name=run.name,
        network_mode="none",
        mount_tmp_dir=False,
        auto_remove="force",
        xcom_all=True,
        **run.arguments,
    )


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str | None:  # noqa: ARG001
    """The output has the expected text in it. Raises RuntimeError, which doesn't quote the output."""
    wanted = run.name if params.command is None else params.expect
    lines = result if isinstance(result, list) else [str(result or "")]
    if wanted is not None and wanted not in "\n".join(map(str, lines)):
        raise RuntimeError(f"the container ended well, but of its {len(lines)} lines of output none has {wanted!r}")
    return None


def clean(conn_id: str, params: Params, run: Run) -> None:  # noqa: ARG001
    """Kill and remove the container: it goes on when its task is killed."""
    with _daemon(params) as daemon:
        _remove(daemon, run.name)


def sweep(conn_id: str, params: Params, run: Run) -> int:  # noqa: ARG001
    """Remove the containers that earlier runs left."""
    with _daemon(params) as daemon:
        found = daemon.containers(all=True, filters={"name": PREFIX})
        names = list(leftovers(name.lstrip("/") for each in found for name in each["Names"]))
        for name in names:
            _remove(daemon, name)
    return len(names)


def _remove(daemon: Any, name: str) -> None:
    from docker.errors import NotFound  # type: ignore[import-untyped]

    with contextlib.suppress(NotFound):
        daemon.remove_container(name, force=True, v=True)


@contextlib.contextmanager
def _daemon(params: Params) -> Iterator[Any]:
    import docker  # type: ignore[import-untyped]

    with contextlib.closing(docker.APIClient(params.url, timeout=_SECONDS)) as client:
        yield client


def cause(error: BaseException) -> Cause | None:
    """What the daemon says, or why it says nothing."""
    name = type(error).__name__
    if said := getattr(error, "explanation", None):
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        found = next(
            (Cause(known, foreign(text), hint) for words, known, hint in _BY_TEXT if re.search(words, text)), None
        )
        return found or Cause("check_error", foreign(text))
    if name == "DockerException" and re.search("Invalid bind address|Unrecognized|scheme", str(error)):
        return Cause("check_error", foreign(error), _ADDRESS)
    if name == "DockerContainerFailedException":
        status = re.search(r"'StatusCode': (\d+)", str(error))
        ended = f"the container's command ended with status {int(status[1])}" if status else foreign(error)
        return Cause("check_error", ended, "correct `command`; its output is in the task's log")
    return next((found for kind, found in _NO_ANSWER if isinstance(error, kind)), None)
