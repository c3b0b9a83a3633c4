"""Single requests to the server, without hvac: importing it would take longer than they do.

Nothing is sent but to the server that `ca.pem` stands for, or through the socket in our own folder.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Unavailable
from bootstrap.stores.embedded.configuration import ca_file
from bootstrap.util.urls import split

_SECONDS = 2.0


def status(folder: Path, url: str, path: str, *, method: str = "GET", token: str = "") -> int | None:
    """The status code of one request to the server of `folder`; None if it doesn't answer, or somebody else does."""
    headers = {"X-Vault-Token": token} if token else {}
    connection = None
    try:
        trusting = ssl.create_default_context(cafile=str(ca_file(folder)))
        connection = http.client.HTTPSConnection(split(url).netloc, timeout=_SECONDS, context=trusting)
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):  # before ValueError: a certificate that isn't trusted is that, too
        return None
    except ValueError:  # no token looks like that
        return HTTPStatus.FORBIDDEN
    finally:
        if connection is not None:
            connection.close()


def health(folder: Path, url: str) -> int | None:
    """The status code of the server's health endpoint, or None if it doesn't answer."""
    return status(folder, url, "/v1/sys/health")


def healthy(folder: Path, url: str) -> bool:
    """Initialised, unsealed and active (openbao.org/api-docs/system/health)."""
    return health(folder, url) == HTTPStatus.OK


def through_socket(file: Path, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """The status code and the answer of one request to the socket `file`. Raises Unavailable."""
    with tempfile.TemporaryDirectory() as short:  # a socket's path is 107 characters at most
        link = Path(short) / "folder"
        link.symlink_to(file.parent, target_is_directory=True)
        connection = _Local(link / file.name)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as err:
            message = f"the server does not answer at {file}: {foreign(err)}"
            raise Unavailable(message, "airflow-bootstrap store stop") from err
        finally:
            connection.close()


class _Local(http.client.HTTPConnection):
    """HTTP through a socket of the file system."""

    def __init__(self, file: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._file = file

    def connect(self) -> None:
        """As its parent's."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._file))
