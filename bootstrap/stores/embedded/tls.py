"""What the server shows, so that nobody else on this machine passes for it: `server.pem`, and `ca.pem`, which clients trust.

The authority was made for this server alone, and its own key is never on disk: nobody can have it sign anything else.
"""

from __future__ import annotations

from pathlib import Path

from bootstrap.domain.secret import foreign
from bootstrap.errors import Unavailable
from bootstrap.util.files import write_atomic


def ca_file(folder: Path) -> Path:
    """Whom a client trusts, instead of the machine's authorities."""
    return folder / "ca.pem"


def server_file(folder: Path) -> Path:
    """The server's key and its certificate, in one file so that no crash parts them."""
    return folder / "server.pem"


def lasts(folder: Path) -> bool:
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


def make(folder: Path) -> None:
    """Make both anew; the server is down. Whoever is killed between the two leaves what doesn't belong together."""
    from bootstrap.stores.embedded import certificate

    authority, own = certificate.make()
    write_atomic(server_file(folder), own)
    write_atomic(ca_file(folder), authority)
