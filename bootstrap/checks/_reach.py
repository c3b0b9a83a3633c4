"""Can this machine get to a host at all? DNS, TCP and TLS, before any login."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import urllib.request
from pathlib import Path

from bootstrap.checks.base import Cause, Diagnosed, Endpoint
from bootstrap.domain.secret import foreign

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
)  # OpenSSL's words for an answer in plain
TIMEOUT = 10.0  # seconds for each address


def reach(endpoint: Endpoint) -> str:
    """Connect and hang up; returns what was proven. Raises Diagnosed with the step's own cause."""
    where = f"{endpoint.host}:{endpoint.port}"
    scheme = "https" if endpoint.tls else "http"
    if scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(endpoint.host):
        return f"{where} is behind a proxy"
    with _connect(endpoint, where) as connected:
        if endpoint.tls:
            _handshake(connected, endpoint)
    return where


def _connect(endpoint: Endpoint, where: str) -> socket.socket:
    try:
        return socket.create_connection((endpoint.host, endpoint.port), timeout=TIMEOUT)
    except (socket.gaierror, UnicodeError) as err:  # UnicodeError: a name that IDNA can't encode
        raise Diagnosed(Cause("dns", f"no address for host {endpoint.host}")) from err
    except ConnectionRefusedError as err:
        raise Diagnosed(Cause("connection_refused", f"{where} refuses connections")) from err
    except TimeoutError as err:
        raise Diagnosed(Cause("timeout", f"{where} did not answer within {TIMEOUT:.0f} s")) from err
    except OSError as err:
        raise Diagnosed(Cause("unreachable", f"{where} can't be reached: {foreign(err)}")) from err


def _context(*, verify: bool | str) -> ssl.SSLContext:
    """Never stricter than the hook will be: the system's CAs, those of requests, and what the connection names."""
    context = ssl.create_default_context()
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    bundles = [*filter(None, map(os.environ.get, _BUNDLES)), *([verify] if isinstance(verify, str) else [])]
    for bundle in dict.fromkeys(bundles):
        with contextlib.suppress(OSError):  # the hook says it better
            context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    return context


def _handshake(connected: socket.socket, endpoint: Endpoint) -> None:
    try:
        with _context(verify=endpoint.verify).wrap_socket(connected, server_hostname=endpoint.host):
            return
    except ssl.SSLError as err:
        reason = getattr(err, "verify_message", "") or err.reason or err
        hint = "the server speaks no TLS there: correct the scheme or the port" if err.reason in _NO_TLS else ""
        raise Diagnosed(Cause("tls", f"{endpoint.host}:{endpoint.port}: {foreign(reason)}", hint)) from err
    except TimeoutError as err:
        raise Diagnosed(Cause("timeout", f"{endpoint.host}:{endpoint.port} did not answer the TLS handshake")) from err
    except OSError as err:
        message = f"{endpoint.host}:{endpoint.port}: the TLS handshake was cut off: {foreign(err)}"
        raise Diagnosed(Cause("tls", message)) from err
