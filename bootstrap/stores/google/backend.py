"""How Airflow reads the store: CloudSecretManagerBackend, what it asks for, and what Secret Manager tells of such a secret."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import ManifestError
from bootstrap.stores.airflow_look import Look, Query, Told, names_a_team, option
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.google.errors import is_no_place
from bootstrap.stores.google.options import Auth, DefaultAuth, FederationAuth, KeyAuth, Options
from bootstrap.stores.place import no_such_secret

BACKEND_CLASS = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
_KEY = "gcp_credential_config_file"  # takes the JSON itself, too
_MISSING = ("NotFound", "InvalidArgument")  # the latter: there can't be a secret of this name
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,250}")


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """The class and its arguments. No credential stands among them. Raises ManifestError for what Airflow can't read."""
    if options.location is not None:
        message = f"store {context.name}: Airflow's backend can't read the secrets of a location ({options.location})"
        raise ManifestError(message, "keep what Airflow reads in a store without `location`")
    connections, variables, config = paths.single("Secret Manager")
    for prefix in (connections, variables, config):
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            hint = "letters without accents, digits, - and _ make a prefix, such as airflow-connections"
            raise ManifestError(f"store {context.name}: no secret of Google's can begin with {prefix!r}", hint)
    kwargs: dict[str, Any] = {
        "connections_prefix": connections,
        "variables_prefix": variables,
        "config_prefix": config,
        "project_id": options.project,
        "sep": "-",
    }
    if options.auth.impersonate:
        kwargs["impersonation_chain"] = options.auth.impersonate
    if options.auth.scopes:
        kwargs["gcp_scopes"] = options.auth.scopes  # a list: the class would take a text apart, letter by letter
    credential, secret_kwargs = _credential(options.auth, context)
    advice = []
    if options.auth.method == "default":
        advice.append("Airflow's processes need Application Default Credentials of their own")
    if options.endpoint is not None:
        advice.append(f"Airflow's backend knows no endpoint: it asks the public one, not {options.endpoint}")
    return AirflowBackend(BACKEND_CLASS, {**kwargs, **credential}, secret_kwargs, advice=tuple(advice))


def _credential(auth: Auth, context: Context) -> tuple[Mapping[str, str], Mapping[str, Credential]]:
    """The arguments that lead to a credential, and the one that is one."""
    if isinstance(auth, DefaultAuth):
        return {}, {}
    credential = auth.key if isinstance(auth, KeyAuth) else Credential(file=auth.file)
    if credential.file is None:
        return {}, {_KEY: credential}
    path = str(credential.path(context.folder))
    if isinstance(auth, FederationAuth) or not path.endswith(".json"):  # as gcp_key_path, the class takes no other name
        return {_KEY: path}, {}
    return {"gcp_key_path": path}, {}


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
            if type(err).__name__ in _MISSING:
                raise Told("miss", no_such_secret(f"project {backend.project_id}")) from err
            raise
        created = None
        with contextlib.suppress(Exception):  # whoever may read a secret may not always ask how old it is
            created = client.get_secret_version(request={"name": found.name}).create_time
        return Look(name, found.name.rpartition("/")[2], created)
