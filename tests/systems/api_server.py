"""A real `airflow api-server` with a metadata database of its own, and users of SimpleAuthManager's; or Airflow 2's webserver."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .in_process import Answer, Request, http_server, serving
from .process import HOST
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SECONDS = 120.0
_AIRFLOW = (sys.executable, "-W", "ignore", "-m", "airflow")
_COMMAND = (*_AIRFLOW, "api-server", "--apps", "core", "--workers", "1")


@dataclass(frozen=True)
class ApiServer:
    """A running server: `admin` may do everything, `viewer` may see no connection; both have this password."""

    url: str
    password: str = field(repr=False)
    home: Path
    server: Server = field(repr=False)
    api: str = "v2"

    @property
    def database(self) -> Path:
        """Its metadata database, a file of SQLite's."""
        return self.home / "airflow.db"

    def stop(self) -> None:
        """End it, as `start` begins it again on the same port."""
        self.server.stop()

    def start(self) -> None:
        """Run it again."""
        self.server.start(lambda _: _answers(f"{self.url}/api/{self.api}/version"), _SECONDS)


@dataclass
class Front:
    """Leads to a server, and keeps what it was asked. `instead` may answer a request in its place."""

    target: str
    url: str = ""
    asked: list[Request] = field(default_factory=list)
    instead: Callable[[Request], Answer | None] = lambda _: None

    @property
    def writes(self) -> list[str]:
        """Each request that may change something: "PATCH /api/v2/connections"."""
        return [f"{it.method} {it.path}" for it in self.asked if it.method != "GET" and it.path != "/auth/token"]

    def answer(self, request: Request) -> Answer:
        """What the server says."""
        import requests

        self.asked.append(request)
        if (own := self.instead(request)) is not None:
            return own
        kept = {name: value for name, value in request.headers.items() if name in {"Authorization", "Content-Type"}}
        with requests.Session() as session:
            session.trust_env = False
            found = session.request(
                request.method, f"{self.target}{request.target}", data=request.body, headers=kept, timeout=120
            )
        return Answer(found.status_code, found.content, [("Content-Type", found.headers.get("Content-Type", ""))])


@contextlib.contextmanager
def front(server: str) -> Iterator[Front]:
    """Stand before a server for a while."""
    made = Front(server)
    with serving(http_server(made.answer)) as port:
        made.url = f"http://{HOST}:{port}"
        yield made


@contextlib.contextmanager
def running(folder: Path, template: Path, password: str | None = None, **settings: str) -> Iterator[ApiServer]:
    """Run a server for a while. `template` is a migrated database, `settings` are more of Airflow's own variables."""
    home = folder.resolve() / "airflow"
    home.mkdir(mode=0o700, parents=True)
    known = password or secrets.token_hex(8)
    write_private(home / "airflow.cfg", _config())
    write_private(
        home / "simple_auth_manager_passwords.json.generated", json.dumps({"admin": known, "viewer": known}) + "\n"
    )
    (home / "airflow.db").write_bytes(template.read_bytes())
    made = on_free_port(partial(_start, home, known, settings))
    try:
        yield made
    finally:
        made.stop()


def _config() -> str:
    return f"""[core]
load_examples = False
fernet_key = {base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}
simple_auth_manager_users = admin:admin,viewer:viewer
[api_auth]
jwt_secret = {secrets.token_hex(32)}
[usage_data_collection]
enabled = False
"""


@contextlib.contextmanager
def running_airflow_2(folder: Path, template: Path, password: str | None = None) -> Iterator[ApiServer]:
    """Run Airflow 2's webserver for a while, with basic authentication for its user `admin`."""
    home = folder.resolve() / "airflow"
    home.mkdir(mode=0o700, parents=True)
    known = password or secrets.token_hex(8)
    write_private(home / "airflow.cfg", _config() + "[api]\nauth_backends = airflow.api.auth.backend.basic_auth\n")
    (home / "airflow.db").write_bytes(template.read_bytes())
    user = ("--username", "admin", "--role", "Admin", "--firstname", "a", "--lastname", "b", "--email", "a@example.org")
    subprocess.run(
        [*_AIRFLOW, "users", "create", *user, "--password", known],
        env=_environment(home),
        check=True,
        capture_output=True,
        timeout=_SECONDS,
    )
    made = on_free_port(partial(_start_airflow_2, home, known))
    try:
        yield made
    finally:
        made.stop()


def _start_airflow_2(home: Path, password: str, port: int) -> ApiServer:
    server = Server(
        name="webserver",
        folder=home.parent,
        argv=(
            *(sys.executable, "-W", "ignore", "-m", "gunicorn", "--workers", "1", "--timeout", "120"),
            *("--bind", f"{HOST}:{port}", "--name", f"airflow-{port}", "airflow.www.app:cached_app()"),
        ),
        needle=str(port),
        ending=signal.SIGQUIT,
        env=_environment(home),
    )
    made = ApiServer(f"http://{HOST}:{port}", password, home, server, "v1")
    made.start()
    return made


def _environment(home: Path, **settings: str) -> dict[str, str]:
    return clean_env(AIRFLOW_HOME=str(home), HOME=str(home), **settings)


def _start(home: Path, password: str, settings: dict[str, str], port: int) -> ApiServer:
    server = Server(
        name="api-server",
        folder=home.parent,
        argv=(*_COMMAND, "--host", HOST, "--port", str(port)),
        needle=str(port),  # all that is in its command line both before and after it renames itself
        ending=signal.SIGKILL,  # asked politely, it waits for those who keep a connection open
        env=_environment(home, **settings),
    )
    made = ApiServer(f"http://{HOST}:{port}", password, home, server)
    made.start()
    return made


def _answers(url: str) -> bool:
    import requests

    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=5).ok
    return False
