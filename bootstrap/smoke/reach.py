"""Can this machine get to a host at all? DNS, TCP and TLS, before any login."""

from __future__ import annotations

import socket
import ssl
import urllib.request

from bootstrap.checks.base import Cause, Endpoint
from bootstrap.smoke.diagnosis import Diagnosed

TIMEOUT = 10.0  # seconds for each address


def reach(endpoint: Endpoint) -> str:
    """Connect and hang up; returns what was proven. Raises Diagnosed with the step's own cause."""
    where = f"{endpoint.host}:{endpoint.port}"
    if _through_proxy(endpoint):
        return f"{where} is behind a proxy"
    try:
        addresses = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as err:
        raise Diagnosed(Cause("dns", f"no address for host {endpoint.host}")) from err
    with _connect(addresses, where) as connected:
        if endpoint.tls:
            _handshake(connected, endpoint)
    return where


def _through_proxy(endpoint: Endpoint) -> bool:
    scheme = "https" if endpoint.tls else "http"
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(endpoint.host)


def _connect(addresses: list[tuple[object, ...]], where: str) -> socket.socket:
    failure: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        candidate = socket.socket(family, kind, protocol)  # type: ignore[arg-type]  # as getaddrinfo returned them
        candidate.settimeout(TIMEOUT)
        try:
            candidate.connect(address)
        except OSError as err:
            candidate.close()
            failure = err
        else:
            return candidate
    if isinstance(failure, ConnectionRefusedError):
        raise Diagnosed(Cause("connection_refused", f"{where} refuses connections")) from failure
    if isinstance(failure, TimeoutError):
        raise Diagnosed(Cause("timeout", f"{where} did not answer within {TIMEOUT:.0f} s")) from failure
    raise Diagnosed(Cause("unreachable", f"{where} can't be reached: {failure}")) from failure


def _handshake(connected: socket.socket, endpoint: Endpoint) -> None:
    try:
        with ssl.create_default_context().wrap_socket(connected, server_hostname=endpoint.host):
            return
    except ssl.SSLError as err:
        reason = getattr(err, "verify_message", "") or err.reason or str(err)
        raise Diagnosed(Cause("tls", f"{endpoint.host}:{endpoint.port}: {reason}")) from err
    except TimeoutError as err:
        raise Diagnosed(Cause("timeout", f"{endpoint.host}:{endpoint.port} did not answer the TLS handshake")) from err
    except OSError as err:
        raise Diagnosed(Cause("tls", f"{endpoint.host}:{endpoint.port}: the TLS handshake was cut off: {err}")) from err
