"""A store as airflow-bootstrap made it before the server had TLS: its files, its tokens, its configuration."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import hvac

from bootstrap.stores.embedded import MOUNT
from bootstrap.stores.embedded.configuration import TOKEN_PERIOD
from bootstrap.stores.embedded.process import binary
from tests.systems.process import free_port, start_detached

POLICY = f"""path "{MOUNT}/data/connections/*" {{ capabilities = ["read"] }}
path "auth/token/lookup-self" {{ capabilities = ["read"] }}
"""


def make(folder: Path) -> None:
    """Make one that holds the secret connections/a, was granted Airflow, and is stopped."""
    for each in (folder, folder / "data"):
        each.mkdir(mode=0o700, parents=True)
    _write(folder / "seal.key", secrets.token_bytes(32))
    pid = start(folder)
    try:
        client: Any = hvac.Client(url(folder), token="")
        answer = client.sys.initialize(recovery_shares=1, recovery_threshold=1)
        client.token = answer["root_token"]
        _until_healthy(folder)
        client.sys.enable_secrets_engine("kv", path=MOUNT, options={"version": "2"})
        _until_written(client)
        client.sys.create_or_update_policy("airflow", POLICY)
        token = client.auth.token.create_orphan(policies=["airflow"], period=TOKEN_PERIOD, no_default_policy=True)
        _write(folder / "airflow.token", token["auth"]["client_token"].encode())
        _write(folder / "airflow.policy", POLICY.encode())
        keys = {"root_token": answer["root_token"], "recovery_key": answer["recovery_keys"][0]}
        _write(folder / "keys.json", json.dumps(keys).encode())
    finally:
        os.kill(pid, 15)
        while Path(f"/proc/{pid}").exists() and b"server.json" in Path(f"/proc/{pid}/cmdline").read_bytes():
            time.sleep(0.02)


def start(folder: Path) -> int:
    """Start it as it was started then; return its pid."""
    port, cluster = free_port(), free_port()
    _write(folder / "address.json", json.dumps({"port": port, "cluster_port": cluster}).encode())
    _write(folder / "server.json", json.dumps(_configuration(folder, port, cluster)).encode())
    argv = [binary(), "server", f"-config={folder / 'server.json'}"]
    pid = start_detached(argv, log=folder / "server.log", pid_file=folder / "server.pid")
    _until(lambda: _health(folder) is not None)
    if (folder / "keys.json").exists():  # it is initialised, and active in a moment
        _until_healthy(folder)
    return pid


def url(folder: Path) -> str:
    return f"http://127.0.0.1:{json.loads((folder / 'address.json').read_text())['port']}"


def _configuration(folder: Path, port: int, cluster_port: int) -> dict[str, Any]:
    tcp = {"address": f"127.0.0.1:{port}", "cluster_address": f"127.0.0.1:{cluster_port}", "tls_disable": True}
    return {
        "ui": False,
        "api_addr": f"http://127.0.0.1:{port}",
        "cluster_addr": f"http://127.0.0.1:{cluster_port}",
        "max_lease_ttl": TOKEN_PERIOD,
        "storage": {"raft": {"path": str(folder / "data"), "node_id": "local", "performance_multiplier": "1"}},
        "listener": {"tcp": tcp},
        "seal": {"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}},
    }


def _write(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)


def _health(folder: Path) -> int | None:
    connection = http.client.HTTPConnection(url(folder).removeprefix("http://"), timeout=2)
    with contextlib.suppress(OSError), contextlib.closing(connection):
        connection.request("GET", "/v1/sys/health")
        return connection.getresponse().status
    return None


def _until_healthy(folder: Path) -> None:
    _until(lambda: _health(folder) == http.client.OK)


def _until_written(client: Any) -> None:
    def written() -> bool:
        with contextlib.suppress(hvac.exceptions.VaultError):
            client.secrets.kv.v2.create_or_update_secret("connections/a", {"value": "kept"}, mount_point=MOUNT)
            return True
        return False

    _until(written)


def _until(ready: Any) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)
