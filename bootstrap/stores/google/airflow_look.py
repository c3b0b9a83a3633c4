"""What Airflow's CloudSecretManagerBackend asks for, and what Secret Manager tells of such a secret."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.stores.airflow_look import Look, Query, Told, names_a_team, option
from bootstrap.stores.google.errors import is_no_place
from bootstrap.stores.place import no_such_secret

_MISSING = ("NotFound", "InvalidArgument")  # the latter: there can't be a secret of this name


class SecretManagerLook:
    """Names are secrets' ids, in the backend's project."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """In order."""
        prefix = option(backend, query, "prefix")
        if prefix is None or names_a_team(backend, query):
            return ()
        plain = backend.build_path(prefix, query.key, backend.sep)
        if not query.team:
            return (plain,)
        return (backend._build_team_secret_name(prefix, query.team, query.key), plain)  # noqa: SLF001  has no public name

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        """As it is."""
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        """See `BackendLook`."""
        client = backend.client.client
        path = client.secret_version_path(backend.project_id, name, "latest")
        try:
            found = client.access_secret_version(request={"name": path})
        except Exception as err:
            if type(err).__name__ == "NotFound" and is_no_place(foreign(getattr(err, "message", ""))):
                raise Told("unreachable", f"there is no such place: project {backend.project_id}") from err
            if self.is_missing(err):
                raise Told("miss", no_such_secret(f"project {backend.project_id}")) from err
            raise
        created = None
        with contextlib.suppress(Exception):  # whoever may read a secret may not always ask how old it is
            created = client.get_secret_version(request={"name": found.name}).create_time
        return Look(name, found.name.rpartition("/")[2], created)

    def is_missing(self, error: BaseException) -> bool:
        """By the error's name."""
        return type(error).__name__ in _MISSING
