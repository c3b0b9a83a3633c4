"""What Airflow's VaultBackend asks for, and what a Vault tells of such a secret: a 404 or a 403 has other causes than a missing one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bootstrap.errors import Denied, IllegalName, Malformed, NotFound, Unavailable
from bootstrap.stores.airflow_look import Look, Query, Told, option
from bootstrap.util.causes import chain

_PLAIN_MISS = "there is no such secret"


class VaultLook:
    """Names are what `vault_client.get_secret` takes: without a mount of its own, the mount comes first."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """In order."""
        paths = option(backend, query, "path")
        if paths is None or self._refuses(backend, query):
            return ()
        if not backend.mount_point and "/" not in query.key:
            return ()
        mount, _, key = ("", "", query.key) if backend.mount_point else query.key.partition("/")
        scoped = query.team is not None and getattr(backend, "use_team_secrets_path", False)
        parts = [(mount, path, query.team if scoped else "", key) for path in _as_list(paths)]
        return ["/".join(filter(None, each)) for each in parts]

    @staticmethod
    def _refuses(backend: Any, query: Query) -> bool:
        """Without a team, an id with a slash could name a team's secret."""
        check = getattr(backend, "_names_a_team_namespace", None)
        return query.kind != "config" and check is not None and bool(check(query.key, query.team))

    def shown(self, backend: Any, name: str) -> str:
        """With the mount, as the API takes it."""
        mount, path = (backend.mount_point, name) if backend.mount_point else name.split("/", 1)
        return f"{mount}/{path}" if backend.kv_engine_version == 1 else f"{mount}/data/{path}"

    def is_missing(self, error: BaseException) -> bool:  # noqa: ARG002
        """Its client returns None."""
        return False

    def look(self, backend: Any, query: Query, name: str) -> Look | None:
        """See `BackendLook`."""
        try:
            found = self._look(backend, query, name)
        except Exception as err:
            if is_refused(err):
                tell(backend, name)  # a policy that is meant for the other version of KV
            raise
        if found is None:
            tell(backend, name)
        return found

    def _look(self, backend: Any, query: Query, name: str) -> Look | None:
        client = backend.vault_client
        if backend.kv_engine_version == 1:
            data, metadata = client.get_secret(secret_path=name), {}
        else:
            found = client.get_secret_including_metadata(secret_path=name)
            data, metadata = (found["data"]["data"], found["data"]["metadata"]) if found else (None, {})
        if data is None:
            return None
        unusable = query.kind != "connection" and "value" not in data
        problem = "has no field `value`, which Airflow reads" if unusable else ""
        version, created = metadata.get("version", ""), metadata.get("created_time")
        return Look(self.shown(backend, name), str(version), _time(created), problem)


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


def _as_list(paths: str | Sequence[str]) -> Sequence[str]:
    return [paths] if isinstance(paths, str) else paths


def _time(text: str | None) -> datetime | None:
    """Vault's times have nanoseconds, which Python's don't."""
    if not text:
        return None
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00"))
    return None
