"""What Airflow's backends for Secrets Manager and Parameter Store ask for, and what AWS tells of such a secret."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from bootstrap.stores.airflow_look import Look, Query, Told, names_a_team, option
from bootstrap.stores.aws.errors import DELETED
from bootstrap.stores.place import no_such_secret

_MISSING = ("ResourceNotFoundException", "ParameterNotFound", "InvalidParameterException")


class SecretsManagerLook:
    """Much of it is Parameter Store's, too."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """In order."""
        prefix, pattern = option(backend, query, "prefix"), option(backend, query, "lookup_pattern")
        if prefix is None or names_a_team(backend, query):
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
        """A secret's, for a key."""
        return str(backend.build_path(prefix, key, backend.sep)) if prefix else key

    def shown(self, backend: Any, name: str) -> str:  # noqa: ARG002
        """As it is."""
        return name

    def look(self, backend: Any, query: Query, name: str) -> Look | None:  # noqa: ARG002
        """See `BackendLook`."""
        try:
            return self.ask(backend.client, name)
        except Exception as err:
            if self.is_missing(err):
                within = f"region {backend.client.meta.region_name}"
                raise Told("miss", DELETED if _is_deleted(err) else no_such_secret(within)) from err
            raise

    def ask(self, client: Any, name: str) -> Look:
        """One request."""
        found = client.get_secret_value(SecretId=name)
        problem = "" if "SecretString" in found else "is binary, and Airflow reads text only"
        return Look(name, found.get("VersionId", ""), found.get("CreatedDate"), problem)

    def is_missing(self, error: BaseException) -> bool:
        """By the error's name."""
        return type(error).__name__ in _MISSING or _is_deleted(error)


class ParameterStoreLook(SecretsManagerLook):
    """Its names begin with a slash."""

    def name(self, backend: Any, prefix: str, key: str) -> str:
        """A secret's, for a key."""
        return "/" + str(backend.build_path(prefix, key)).lstrip("/")

    def ask(self, client: Any, name: str) -> Look:
        """One request."""
        found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        return Look(name, str(found.get("Version", "")), found.get("LastModifiedDate"))


def _is_deleted(error: BaseException) -> bool:
    return type(error).__name__ == "InvalidRequestException" and "delet" in str(error)  # for a month


def _module_of(backend: Any, name: str) -> str:
    """A constant of the module that the backend's class, or the class that it extends, comes from."""
    modules = (sys.modules.get(kind.__module__) for kind in type(backend).__mro__)
    return next(str(getattr(module, name)) for module in modules if hasattr(module, name))
