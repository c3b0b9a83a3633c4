"""How Airflow reads the store: CloudSecretManagerBackend, as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bootstrap.errors import ManifestError
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.credential import Credential
from bootstrap.stores.google.credentials import path_of
from bootstrap.stores.google.options import Auth, FederationAuth, KeyAuth, KeyFileAuth, Options

BACKEND_CLASS = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
_KEY = "gcp_credential_config_file"  # takes the JSON itself, too
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,250}")


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """The class and its arguments. No credential stands among them. Raises ManifestError for what Airflow can't read."""
    if options.location is not None:
        raise ManifestError(
            f"store {context.name}: Airflow's backend can't read the secrets of a location ({options.location})",
            "keep what Airflow reads in a store without `location`",
        )
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
    return AirflowBackend(BACKEND_CLASS, {**kwargs, **credential}, secret_kwargs, advice=_advice(options))


def _credential(auth: Auth, context: Context) -> tuple[Mapping[str, str], Mapping[str, Credential]]:
    """The arguments that lead to a credential, and the one that is one."""
    if isinstance(auth, FederationAuth):
        return {_KEY: path_of(auth.file, context.folder)}, {}
    if isinstance(auth, KeyFileAuth):
        return _key_file(path_of(auth.file, context.folder)), {}
    if isinstance(auth, KeyAuth):
        if auth.key.file is not None:
            return _key_file(path_of(auth.key.file, context.folder)), {}
        return {}, {_KEY: auth.key}
    return {}, {}


def _key_file(path: str) -> Mapping[str, str]:
    """As gcp_key_path, the class takes no file whose name ends otherwise than in .json."""
    return {"gcp_key_path" if path.endswith(".json") else _KEY: path}


def _advice(options: Options) -> tuple[str, ...]:
    said = []
    if options.auth.method == "default":
        said.append("Airflow's processes need Application Default Credentials of their own")
    if options.endpoint is not None:
        said.append(f"Airflow's backend knows no endpoint: it asks the public one, not {options.endpoint}")
    return tuple(said)
