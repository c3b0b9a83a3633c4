"""Certificates for TLS servers on this machine: a good one, and each kind that a client must refuse."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

from .process import HOST
from .server import write_private

_NAMES = ("localhost", HOST)
_YESTERDAY = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A server's certificate chain and its key: PEM files, which only we can read."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a Python server needs to show this certificate; it asks its clients for none."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


@dataclass(frozen=True)
class Certificates:
    """An authority of our own and servers' certificates, all but `wrong_name` for localhost and 127.0.0.1.

    `ca` is the authority's certificate; `bundle` has it beside those that this machine trusts, for
    REQUESTS_CA_BUNDLE and SSL_CERT_FILE. With either a client accepts `valid` and nothing else:
    `self_signed` has no authority, that of `unknown_ca` is in neither file, and `expired` was valid until yesterday.
    """

    ca: Path
    bundle: Path
    valid: Pair
    self_signed: Pair
    unknown_ca: Pair
    expired: Pair
    wrong_name: Pair


def make(folder: Path) -> Certificates:
    """Make them anew, as files in `folder`, made if it is missing. Takes milliseconds."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    ours, unknown = trustme.CA(), trustme.CA(organization_name="Nobody's")
    trusted = ours.cert_pem.bytes()
    return Certificates(
        ca=_written(folder / "ca.pem", trusted),
        bundle=_written(folder / "bundle.pem", _machines() + b"\n" + trusted),
        valid=_leaf(folder, "valid", ours.issue_cert(*_NAMES)),
        self_signed=_pair(folder, "self_signed", unknown.cert_pem.bytes(), unknown.private_key_pem.bytes()),
        unknown_ca=_leaf(folder, "unknown_ca", unknown.issue_cert(*_NAMES)),
        expired=_leaf(folder, "expired", ours.issue_cert(*_NAMES, not_after=_YESTERDAY)),
        wrong_name=_leaf(folder, "wrong_name", ours.issue_cert("elsewhere.invalid")),
    )


def _machines() -> bytes:
    """Return what this machine trusts."""
    return Path(ssl.get_default_verify_paths().cafile or certifi.where()).read_bytes()


def _leaf(folder: Path, name: str, leaf: trustme.LeafCert) -> Pair:
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    return _pair(folder, name, chain, leaf.private_key_pem.bytes())


def _pair(folder: Path, name: str, certificate: bytes, key: bytes) -> Pair:
    return Pair(_written(folder / f"{name}.pem", certificate), _written(folder / f"{name}.key", key))


def _written(path: Path, pem: bytes) -> Path:
    write_private(path, pem.decode())
    return path
