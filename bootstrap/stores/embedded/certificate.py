"""A certificate for this machine's loopback address, and an authority that signs it and nothing else.

Importing cryptography takes its time: import this where a certificate is made.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Network

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3650)
_SOON = timedelta(days=365)  # a server may run for as long
_CLOCKS = timedelta(days=1)  # by which they differ, where machines share a folder
_ADDRESS, _HOST = "127.0.0.1", "localhost"
_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def lasts(authority: bytes, own: bytes) -> bool:
    """True if the one signed the other, and neither ends soon; PEM."""
    try:
        signer, signed = (x509.load_pem_x509_certificate(pem) for pem in (authority, own))
        signed.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return bool(signed.not_valid_after_utc > datetime.now(timezone.utc) + _SOON)


def make() -> tuple[bytes, bytes]:
    """The authority, and the key and certificate of a server; PEM. The authority's key is thrown away."""
    root, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _authority(root)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own = _server(authority.subject, root, key)
    return authority.public_bytes(Encoding.PEM), private + own.public_bytes(Encoding.PEM)


def _authority(root: EllipticCurvePrivateKey) -> x509.Certificate:
    """It speaks for this machine only, should somebody trust it for more."""
    name = _name("airflow-bootstrap: the authority of one embedded store")
    here = [x509.IPAddress(IPv4Network(_ADDRESS)), x509.DNSName(_HOST)]
    builder = (
        _begun(name, name, root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign"), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=here, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
    )
    return builder.sign(root, SHA256())


def _server(issuer: x509.Name, root: EllipticCurvePrivateKey, key: EllipticCurvePrivateKey) -> x509.Certificate:
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(_ADDRESS)), x509.DNSName(_HOST)])
    builder = (
        _begun(_name(_HOST), issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
    )
    return builder.sign(root, SHA256())


def _begun(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now - _CLOCKS).not_valid_after(now + _LIFETIME)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in granted for use in _USES})
