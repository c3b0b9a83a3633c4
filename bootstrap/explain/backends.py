"""Which names each of the providers' secrets backends asks its store for, and what the store tells of such a secret.

Read in apache-airflow-providers-hashicorp 4.8, -google 22.8 and -amazon 9.34, and their releases for Airflow 2.11. For use
inside Airflow's processes, where the backend objects are.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from bootstrap.domain.secret import foreign
from bootstrap.explain.vault_reason import Told, is_refused, tell
from bootstrap.stores.aws.errors import DELETED
from bootstrap.stores.google.errors import is_no_place
from bootstrap.stores.place import no_such_secret

Kind = Literal["connection", "variable", "config"]

_OPTIONS = {"connection": "connections", "variable": "variables", "config": "config"}  # connections_path, config_prefix
_MISSING = (
    "NotFound",
    "InvalidArgument",  # Google's: there can't be a secret of this name
    "ResourceNotFoundException",
    "ParameterNotFound",
    "InvalidParameterException",
)


@dataclass(frozen=True)
class Query:
    """What is looked up: a conn_id, a variable's key, or the name that an option's `_secret` gives."""

    kind: Kind
    key: str
    team: str | None = None


@dataclass(frozen=True)
class Look:
    """A secret that is there. `problem`: why Airflow can't take it all the same ("is binary, …")."""

    name: str
    version: str = ""
    created: datetime | None = None
    problem: str = ""


class _Known(Protocol):
    def names(self, backend: Any, query: Query) -> Sequence[str]: ...
    def shown(self, backend: Any, name: str) -> str: ...
    def look(self, backend: Any, query: Query, name: str) -> Look | None: ...


def names(backend: Any, query: Query) -> list[str] | None:
    """What the backend asks its store for, in order, as the store calls it; None for a class that we don't know."""
    known = _known(backend)
    return None if known is None else [known.shown(backend, name) for name in known.names(backend, query)]


def look(backend: Any, query: Query) -> Look | None:
    """The first secret that is there, asked through the backend's own client. Raises the client's errors, also those
    that the backend would hide behind a None, and Told.
    """
    known, told = _known(backend), None
    for name in known.names(backend, query) if known is not None else ():
        try:
            found = known.look(backend, query, name) if known is not None else None
        except Told as err:
            if err.state != "miss":
                raise
            told = told or err  # the next path may have one
            continue
        if found is not None:
            return found
    if told is not None:
        raise told
    return None


def is_missing(error: BaseException) -> bool:
    """True if a store says by this error that there is no such secret."""
    return type(error).__name__ in _MISSING or _is_deleted(error)


def _is_deleted(error: BaseException) -> bool:
    return type(error).__name__ == "InvalidRequestException" and "delet" in str(error)  # AWS's, for a month


def _miss(error: Exception, within: str) -> Exception:
    """What to raise for an error: that there is no such secret within a region or a project, or the error itself."""
    if not is_missing(error):
        return error
    return Told("miss", DELETED if _is_deleted(error) else no_such_secret(within))


def _known(backend: Any) -> _Known | None:
    return next((_KNOWN[kind.__name__] for kind in type(backend).__mro__ if kind.__name__ in _KNOWN), None)


def _option(backend: Any, query: Query, suffix: str) -> Any:
    return getattr(backend, f"{_OPTIONS[query.kind]}_{suffix}", None)


class _Vault:
    """Names are what `vault_client.get_secret` takes: without a mount of its own, the mount comes first."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        paths = _option(backend, query, "path")
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
        mount, path = (backend.mount_point, name) if backend.mount_point else name.split("/", 1)
        return f"{mount}/{path}" if backend.kv_engine_version == 1 else f"{mount}/data/{path}"

    def look(self, backend: Any, query: Query, name: str) -> Look | None:
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


class _SecretManager:
    def names(self, backend: Any, query: Query) -> Sequence[str]:
        prefix = _option(backend, query, "prefix")
        if prefix is None or _names_a_team(backend, query):
            return ()
        plain = backend.build_path(prefix, query.key, backend.sep)
        if not query.team:
            return (plain,)
        return (backend._build_team_secret_name(prefix, query.team, query.key), plain)  # noqa: SLF001  has no public name

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        client = backend.client.client
        path = client.secret_version_path(backend.project_id, name, "latest")
        try:
            found = client.access_secret_version(request={"name": path})
        except Exception as err:
            if type(err).__name__ == "NotFound" and is_no_place(foreign(getattr(err, "message", ""))):
                raise Told("unreachable", f"there is no such place: project {backend.project_id}") from err
            raise _miss(err, f"project {backend.project_id}") from err
        created = None
        with contextlib.suppress(Exception):  # whoever may read a secret may not always ask how old it is
            created = client.get_secret_version(request={"name": found.name}).create_time
        return Look(name, found.name.rpartition("/")[2], created)


class _Aws:
    """What Secrets Manager and Parameter Store have in common."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        prefix, pattern = _option(backend, query, "prefix"), _option(backend, query, "lookup_pattern")
        if prefix is None or _names_a_team(backend, query):
            return ()
        if pattern and not re.match(pattern, query.key, re.IGNORECASE):
            return ()
        return [self.name(backend, prefix, key) for key in self._keys(backend, prefix, query)]

    @staticmethod
    def _keys(backend: Any, prefix: str, query: Query) -> Sequence[str]:
        if not (query.team and prefix):
            return (query.key,)
        separator = _module_of(backend, "TEAM_SEP")
        return (f"{query.team}{separator}{query.key}", query.key)

    def name(self, backend: Any, prefix: str, key: str) -> str:
        return str(backend.build_path(prefix, key, backend.sep)) if prefix else key

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        try:
            return self.ask(backend.client, name)
        except Exception as err:
            raise _miss(err, f"region {backend.client.meta.region_name}") from err

    def ask(self, client: Any, name: str) -> Look:
        found = client.get_secret_value(SecretId=name)
        problem = "" if "SecretString" in found else "is binary, and Airflow reads text only"
        return Look(name, found.get("VersionId", ""), found.get("CreatedDate"), problem)


class _ParameterStore(_Aws):
    def name(self, backend: Any, prefix: str, key: str) -> str:
        return "/" + str(backend.build_path(prefix, key)).lstrip("/")

    def ask(self, client: Any, name: str) -> Look:
        found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        return Look(name, str(found.get("Version", "")), found.get("LastModifiedDate"))


class _File:
    """Airflow's own LocalFilesystemBackend."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        name = "configs_file" if query.kind == "config" else f"{_OPTIONS[query.kind]}_file"
        file = getattr(backend, name, None)
        return (str(file),) if file else ()

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        if not Path(name).exists():
            raise Told("broken", "its file is not there")
        return None  # a file has one date for all of its secrets


_KNOWN: dict[str, _Known] = {
    "VaultBackend": _Vault(),
    "CloudSecretManagerBackend": _SecretManager(),
    "SecretsManagerBackend": _Aws(),
    "SystemsManagerParameterStoreBackend": _ParameterStore(),
    "LocalFilesystemBackend": _File(),
}


def _names_a_team(backend: Any, query: Query) -> bool:
    """Google's and AWS's backends refuse an id that reads like a team's secret."""
    check = getattr(backend, "_names_a_team_namespace", None)
    return check is not None and bool(check(query.key))


def _module_of(backend: Any, name: str) -> str:
    """A constant of the module that the backend's class, or the class that it extends, comes from."""
    modules = (sys.modules.get(kind.__module__) for kind in type(backend).__mro__)
    return next(str(getattr(module, name)) for module in modules if hasattr(module, name))


def _as_list(paths: str | Sequence[str]) -> Sequence[str]:
    return [paths] if isinstance(paths, str) else paths


def _time(text: str | None) -> datetime | None:
    """Vault's times have nanoseconds, which Python's don't."""
    if not text:
        return None
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00"))
    return None
