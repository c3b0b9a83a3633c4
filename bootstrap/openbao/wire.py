"""Single requests to the server, without hvac: importing it would take longer than they do."""

from __future__ import annotations

import http.client


def get(url: str, path: str, token: str = "") -> int | None:
    """The status code of one request, or None if nothing answers."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=2.0)
    try:
        connection.request("GET", path, headers={"X-Vault-Token": token} if token else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):  # ValueError: no token looks like that
        return None
    finally:
        connection.close()


def health(url: str) -> int | None:
    """The status code of the server's health endpoint, or None if nothing answers."""
    return get(url, "/v1/sys/health")


def healthy(url: str) -> bool:
    """Initialised, unsealed and active (openbao.org/api-docs/system/health)."""
    return health(url) == http.client.OK
