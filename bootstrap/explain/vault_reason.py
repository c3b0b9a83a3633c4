"""Finds out why a Vault has no such secret, in the words of our own store: a 404 or a 403 has other causes than a missing secret.

For use inside Airflow's processes, through the client of Airflow's own backend.
"""

from __future__ import annotations

from typing import Any, Literal

from bootstrap.checks._errors import chain
from bootstrap.errors import Denied, IllegalName, Malformed, NotFound, Unavailable

_PLAIN_MISS = "there is no such secret"


class Told(Exception):
    """`state`: miss, where more is known of it; broken or unreachable, where it isn't the secret's fault."""

    def __init__(self, state: Literal["miss", "broken", "unreachable"], detail: str) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail


def is_refused(error: BaseException) -> bool:
    """True if a Vault said 403: Airflow's client hides it behind an error of another type."""
    return any(type(link).__name__ == "Forbidden" for link in chain(error))


def tell(backend: Any, name: str) -> None:
    """Raises Told, unless all that can be said of a secret is that it isn't there, or that it is denied."""
    from bootstrap.stores.vault.kv1 import Kv1
    from bootstrap.stores.vault.kv2 import Kv2
    from bootstrap.stores.vault.session import Session

    session = Session("", lambda: backend.vault_client.client, lambda _: None)
    store = (Kv1 if backend.kv_engine_version == 1 else Kv2)("", session, backend.mount_point or None)
    try:
        store.read(name)
    except (IllegalName, Denied):
        return
    except NotFound as err:
        if (detail := _said(err, name)) != _PLAIN_MISS:
            raise Told("miss", detail) from err
    except Malformed as err:
        raise Told("broken", _said(err, name)) from err
    except Unavailable as err:
        if type(err.__cause__).__name__ == "InvalidPath":  # a 404 of no Vault, or of one without this mount
            raise Told("unreachable", _said(err, name)) from err


def _said(err: Malformed | NotFound | Unavailable, name: str) -> str:
    return err.message.removeprefix(f":{name}: ")
