"""Where the server listens and keeps its data: `address.json` and `server.json`.

Facts: openbao.org/docs/configuration (raft storage, the `static` seal).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bootstrap.errors import Unavailable
from bootstrap.stores.embedded import seal
from bootstrap.stores.embedded.tls import server_file
from bootstrap.util.files import write_atomic
from bootstrap.util.processes import free_port

MOUNT = "airflow"
SOCKET = "root.sock"  # in a folder that nobody else may enter
TOKEN_PERIOD = "8760h"  # noqa: S105  a year; every start renews it
_PORTS = ("port", "cluster_port")
_HOST = "127.0.0.1"
# OpenBao 2.5.3 and later make no root token for whoever reaches the port, even with the recovery key: anybody could disturb it.
_UNIX = {"address": SOCKET, "disable_unauthed_generate_root_endpoints": False}


def url(port: int) -> str:
    """Where a server on this machine is reached."""
    return f"https://{_HOST}:{port}"


def config_file(folder: Path) -> Path:
    """What the server is started with."""
    return folder / "server.json"


def data_folder(folder: Path) -> Path:
    """What the server keeps, sealed."""
    return folder / "data"


def address(folder: Path) -> dict[str, Any]:
    """Where it listens, or did when it last ran; empty if it has never run."""
    try:
        found = read_json(folder / "address.json")
        return {name: int(found[name]) for name in _PORTS}
    except (Unavailable, KeyError, TypeError, ValueError):  # damaged: the server's own configuration tells it, too
        return _configured(folder)


def _configured(folder: Path) -> dict[str, Any]:
    try:
        found = read_json(config_file(folder))
        urls = {"port": found["api_addr"], "cluster_port": found["cluster_addr"]}
        return {name: int(url.rpartition(":")[2]) for name, url in urls.items()}
    except (Unavailable, KeyError, AttributeError, ValueError):
        return {}


def is_consistent(folder: Path) -> bool:
    """True if a running server was configured to listen where clients look for it."""
    found = address(folder)
    return bool(found) and found == _configured(folder)


def configure(folder: Path) -> None:
    """Write the server's configuration: the same ports as last time, unless somebody else has them now."""
    last = address(folder)
    port, cluster = (free_port(last.get(name)) for name in _PORTS)
    write_atomic(folder / "address.json", json.dumps(dict(zip(_PORTS, (port, cluster), strict=True))))
    write_atomic(config_file(folder), json.dumps(_configuration(folder, port, cluster), indent=1))


def has_its_ports(folder: Path) -> bool:
    """True if its ports are free."""
    return all(free_port(port) == port for port in map(address(folder).get, _PORTS))


def _configuration(folder: Path, port: int, cluster_port: int) -> dict[str, Any]:
    return {
        "ui": False,
        "api_addr": url(port),
        "cluster_addr": url(cluster_port),
        "max_lease_ttl": TOKEN_PERIOD,
        "storage": {"raft": {"path": str(data_folder(folder)), "node_id": "local", "performance_multiplier": "1"}},
        "listener": [{"tcp": _tcp(folder, port, cluster_port)}, {"unix": _UNIX}],
        "seal": {"static": {"current_key_id": "1", "current_key": f"file://{seal.key_file(folder)}"}},
    }


def _tcp(folder: Path, port: int, cluster_port: int) -> dict[str, Any]:
    shown = str(server_file(folder))
    return {
        "address": f"{_HOST}:{port}",
        "cluster_address": f"{_HOST}:{cluster_port}",
        "tls_cert_file": shown,
        "tls_key_file": shown,
    }


def read_json(path: Path) -> dict[str, Any]:
    """An object; empty where there is no file. Raises Unavailable."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as err:
        raise Unavailable(f"{path} is damaged ({type(err).__name__})", "restore it from a copy of the folder") from err
