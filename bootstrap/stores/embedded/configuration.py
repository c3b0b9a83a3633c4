"""The files of a server's folder: where it listens (`address.json`, `server.json`), its certificate, what it keeps, and its key.

One that is gone or damaged is named, with what to do, before anything makes it worse.

Facts: openbao.org/docs/configuration (raft storage, the `static` seal).
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Unavailable
from bootstrap.util.files import write_atomic
from bootstrap.util.processes import free_port

MOUNT = "airflow"
ANEW = "restore it from a copy; or remove the store's folder to begin anew: its secrets are lost then"
SOCKET = "root.sock"  # in a folder that nobody else may enter
TOKEN_PERIOD = "8760h"  # noqa: S105  a year; every start renews it
_SEAL_BYTES = 32
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


def ca_file(folder: Path) -> Path:
    """Whom a client trusts, instead of the machine's authorities, so that nobody else on this machine passes for the server.

    The authority was made for this server alone, and its own key is never on disk: nobody can have it sign anything else.
    """
    return folder / "ca.pem"


def server_file(folder: Path) -> Path:
    """The server's key and its certificate, in one file so that no crash parts them."""
    return folder / "server.pem"


def certificate_lasts(folder: Path) -> bool:
    """True if both are there, belong together, and don't end soon. Raises Unavailable without cryptography."""
    try:
        from bootstrap.stores.embedded import certificate
    except ModuleNotFoundError as err:
        message = f"the embedded store needs {foreign(err.name)}, which is not installed"
        raise Unavailable(message, f"pip install {foreign(err.name)}") from err
    try:
        return certificate.lasts(ca_file(folder).read_bytes(), server_file(folder).read_bytes())
    except FileNotFoundError:
        return False


def make_certificate(folder: Path) -> None:
    """Make both anew; the server is down. Whoever is killed between the two leaves what doesn't belong together."""
    from bootstrap.stores.embedded import certificate

    authority, own = certificate.make()
    write_atomic(server_file(folder), own)
    write_atomic(ca_file(folder), authority)


def data_folder(folder: Path) -> Path:
    """What the server keeps, sealed."""
    return folder / "data"


def seal_file(folder: Path) -> Path:
    """The key that opens what the server keeps, which it reads when it starts; nobody can make it again."""
    return folder / "seal.key"


def make_seal(folder: Path) -> None:
    """The key of a new server."""
    write_atomic(seal_file(folder), secrets.token_bytes(_SEAL_BYTES))


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
    pem = str(server_file(folder))
    addresses = {"address": f"{_HOST}:{port}", "cluster_address": f"{_HOST}:{cluster}"}
    configuration = {
        "ui": False,
        "api_addr": url(port),
        "cluster_addr": url(cluster),
        "max_lease_ttl": TOKEN_PERIOD,
        "storage": {"raft": {"path": str(data_folder(folder)), "node_id": "local", "performance_multiplier": "1"}},
        "listener": [{"tcp": {**addresses, "tls_cert_file": pem, "tls_key_file": pem}}, {"unix": _UNIX}],
        "seal": {"static": {"current_key_id": "1", "current_key": f"file://{seal_file(folder)}"}},
    }
    write_atomic(config_file(folder), json.dumps(configuration, indent=1))


def has_its_ports(folder: Path) -> bool:
    """True if its ports are free."""
    return all(free_port(port) == port for port in map(address(folder).get, _PORTS))


def read_json(path: Path) -> dict[str, Any]:
    """An object; empty where there is no file. Raises Unavailable."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as err:
        raise Unavailable(f"{path} is damaged ({type(err).__name__})", "restore it from a copy of the folder") from err


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Raises Unavailable where a file of ours can't be used: no server had a say in it."""
    try:
        yield
    except OSError as err:
        if err.filename is None:  # of a request
            raise
        hint = "check what it is, its permissions, its folder, and the room on its disk"
        raise Unavailable(f"{err.filename}: {err.strerror}", hint) from err


def require_seal(folder: Path) -> None:
    """Raises Unavailable where the key is gone or damaged: a server that ends then can't be started again."""
    file = seal_file(folder)
    try:
        whole = len(file.read_bytes()) == _SEAL_BYTES
    except OSError:
        whole = False
    if not whole:
        raise Unavailable(
            f"{file} is damaged or gone, and without it nobody can open the store once its server has ended",
            "restore it from a copy of the folder; if the server runs, airflow-bootstrap store copy saves the secrets elsewhere",
        )


def require_data(folder: Path) -> None:
    """Raises Unavailable where what the server has kept is gone: it would wait for somebody to initialise it."""
    data = data_folder(folder)
    if not (data / "vault.db").exists():
        raise Unavailable(f"the embedded store in {folder} has lost its data in {data}", ANEW)
