"""Files of a server's folder that are gone or damaged: each is named, with what to do, before anything makes it worse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bootstrap.errors import Unavailable
from bootstrap.stores.embedded import configuration, seal

ANEW = "restore it from a copy; or remove the store's folder to begin anew: its secrets are lost then"
UNSEALING_FAILED = "failed to unseal core"  # in the server's log; it would try again, with the same key


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
    file = seal.key_file(folder)
    try:
        whole = len(file.read_bytes()) == seal.BYTES
    except OSError:
        whole = False
    if not whole:
        raise Unavailable(
            f"{file} is damaged or gone, and without it nobody can open the store once its server has ended",
            "restore it from a copy of the folder; if the server runs, airflow-bootstrap store copy saves the secrets elsewhere",
        )


def require_data(folder: Path) -> None:
    """Raises Unavailable where what the server has kept is gone: it would wait for somebody to initialise it."""
    data = configuration.data_folder(folder)
    if not (data / "vault.db").exists():
        raise Unavailable(f"the embedded store in {folder} has lost its data in {data}", ANEW)
