"""Which store of a manifest is to hold the secrets of the connections that a scan adds."""

from __future__ import annotations

from bootstrap.convert.conversion import Place
from bootstrap.convert.making import LOCAL
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.manifest.loader import Manifest


def store_place(manifest: Manifest, secrets: SecretReader, name: str | None) -> Place | None:
    """The store of that name; without one: `local`, the backend's, or the first; None where there is no store.

    Raises UsageError for a name that the manifest doesn't have.
    """
    known = list(manifest.stores)
    if name is not None and name not in known:
        raise UsageError(f"{manifest.file} has no store {name!r}", f"--store {' or '.join(known) or 'NAME'}")
    backend = manifest.backend.store if manifest.backend is not None else None
    chosen = next((each for each in (name, LOCAL, backend, *known) if each in known), None)
    if chosen is None:
        return None
    try:
        return Place(chosen, secrets.store(chosen).separator)
    except BootstrapError:  # whether it can be opened is for `doctor` to say
        return Place(chosen)
