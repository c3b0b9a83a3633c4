"""A real `airflow api-server` with a metadata database of its own, and users of SimpleAuthManager's."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
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
_COMMAND = (sys.executable, "-W", "ignore", "-m", "airflow", "api-server", "--apps", "core", "--workers", "1")


@dataclass(frozen=True)
class ApiServer:
    """A running server: `admin` may do everything, `viewer` may see no connection; both have this password."""

    url: str
    password: str = field(repr=False)
    home: Path
    server: Server = field(repr=False)

    @property
    def database(self) -> Path:
        """Its metadata database, a file of SQLite's."""
        return self.home / "airflow.db"

    def stop(self) -> None:
        """End it, as `start` begins it again on the same port."""
        self.server.stop()

    def start(self) -> None:
        """Run it again."""
        self.server.start(lambda _: _answers(self.url), _SECONDS)


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


def _start(home: Path, password: str, settings: dict[str, str], port: int) -> ApiServer:
    server = Server(
        name="api-server",
        folder=home.parent,
        argv=(*_COMMAND, "--host", HOST, "--port", str(port)),
        needle=str(port),  # all that is in its command line both before and after it renames itself
        env=clean_env(AIRFLOW_HOME=str(home), HOME=str(home), **settings),
    )
    made = ApiServer(f"http://{HOST}:{port}", password, home, server)
    made.start()
    return made


def _answers(url: str) -> bool:
    import requests

    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/api/v2/version", timeout=5).ok
    return False
