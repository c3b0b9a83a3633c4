"""How Airflow reads the store: VaultBackend, as it is.

What it can do was read in apache-airflow-providers-hashicorp 4.8 (secrets/vault.py, _internal_client/vault_client.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.errors import ManifestError
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Paths
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault.auth import (
    AppRoleAuth,
    Auth,
    AwsIamAuth,
    GcpAuth,
    GithubAuth,
    JwtAuth,
    KubernetesAuth,
    LdapAuth,
    TokenAuth,
    UserpassAuth,
)
from bootstrap.stores.vault.options import Options, file_in
from bootstrap.util.urls import is_here

BACKEND_CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"


@dataclass(frozen=True)
class _Way:
    """A method's part of the keyword arguments: those that may be seen, and credentials."""

    kwargs: Mapping[str, Any]
    secret_kwargs: Mapping[str, Credential] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """The class and its arguments. No credential stands among them. Raises ManifestError for what Airflow can't do."""
    if options.mount is None:
        raise ManifestError(
            f"store {context.name}: with `mount: null` Airflow wants the mount inside of each conn_id (MOUNT/warehouse)",
            "name the mount, for what Airflow reads itself",
        )
    way = _way(options.auth, context)
    kwargs: dict[str, Any] = {
        "connections_path": _list(paths.connections),
        "variables_path": _list(paths.variables),
        "config_path": _list(paths.config),
        "url": options.url,
        "mount_point": options.mount,
        "kv_engine_version": options.kv_version,
        **_transport(options, context),
        "auth_type": options.auth.method,
    }
    variables = {"token": "VAULT_TOKEN"} if isinstance(options.auth, TokenAuth) else {}
    return AirflowBackend(BACKEND_CLASS, {**kwargs, **way.kwargs}, way.secret_kwargs, variables, advice=way.advice)


def _list(paths: Paths) -> Any:
    return list(paths) if isinstance(paths, tuple) else paths


def _transport(options: Options, context: Context) -> Mapping[str, Any]:
    """What the class hands on to hvac, and to the session that it makes."""
    if options.client_key is not None:
        raise ManifestError(
            f"store {context.name}: Airflow's backend takes a client's certificate and its key from one file only",
            "put both into the file of client_cert, and leave out client_key",
        )
    files = {"verify": options.ca_cert, "cert": options.client_cert}
    proxy = _proxy(options)
    return {
        **({"namespace": options.namespace} if options.namespace is not None else {}),
        **{name: file_in(context.folder, file) for name, file in files.items() if file is not None},
        **({"proxies": {"http": proxy, "https": proxy}} if proxy is not None else {}),
    }


def _proxy(options: Options) -> str | None:
    """What is on this machine is never behind one."""
    if options.proxy is None:
        return None
    return None if is_here(options.url) else options.proxy


def _way(auth: Auth, context: Context) -> _Way:
    match auth:
        case TokenAuth() | JwtAuth() | KubernetesAuth():
            return _by_token(auth, context)
        case AppRoleAuth() | UserpassAuth() | LdapAuth() | GithubAuth():
            return _by_secret(auth)
        case AwsIamAuth():
            return _aws(auth)
        case GcpAuth():
            return _gcp(auth, context)


def _by_token(auth: TokenAuth | JwtAuth | KubernetesAuth, context: Context) -> _Way:
    """The class takes the file of such a token."""
    path = _path(auth.token, context) if auth.token.file is not None else None
    match auth:
        case TokenAuth():
            return _Way({"token_path": path}) if path else _Way({}, {"token": auth.token})
        case JwtAuth():
            kwargs = {"jwt_role": auth.role, **_mounted(auth)}
            return _Way({**kwargs, "jwt_token_path": path}) if path else _Way(kwargs, {"jwt_token": auth.token})
        case KubernetesAuth():
            path = _file_only(auth.token, "token", context)
            return _Way({"kubernetes_role": auth.role, "kubernetes_jwt_path": path, **_mounted(auth)})


def _by_secret(auth: AppRoleAuth | UserpassAuth | LdapAuth | GithubAuth) -> _Way:
    match auth:
        case AppRoleAuth():
            return _Way({"role_id": auth.role_id, **_mounted(auth)}, {"secret_id": auth.secret_id})
        case UserpassAuth() | LdapAuth():
            return _Way({"username": auth.username, **_mounted(auth)}, {"password": auth.password})
        case GithubAuth():  # the class takes token_path, too, and logs in without it
            return _Way(_mounted(auth), {"token": auth.token})


def _aws(auth: AwsIamAuth) -> _Way:
    from bootstrap.stores.vault.login_aws import assume_role_arguments

    kwargs: dict[str, Any] = {"region": auth.region, **_mounted(auth)}
    if auth.role is not None:
        kwargs["role_id"] = auth.role
    if auth.access_key_id is not None and auth.secret_access_key is not None:
        return _Way({**kwargs, "key_id": auth.access_key_id}, {"secret_id": auth.secret_access_key})
    if auth.assume_role is not None:
        kwargs["assume_role_kwargs"] = assume_role_arguments(auth.assume_role)
    return _Way(kwargs, advice=("Airflow's processes need credentials of AWS of their own, as boto3 finds them",))


def _gcp(auth: GcpAuth, context: Context) -> _Way:
    kwargs = {"role_id": auth.role, "gcp_scopes": ",".join(auth.scopes), **_mounted(auth)}
    provider = "Airflow's processes need apache-airflow-providers-google to log in by gcp"
    if auth.key is None:
        return _Way(kwargs, advice=(provider, "and Application Default Credentials of their own"))
    path = _file_only(auth.key, "key", context)
    if not path.endswith(".json"):
        raise ManifestError(
            f"store {context.name}: Airflow takes a key of Google's from no file but NAME.json", f"rename {path}"
        )
    return _Way({**kwargs, "gcp_key_path": path}, advice=(provider,))


def _mounted(auth: Any) -> Mapping[str, str]:
    return {"auth_mount_point": auth.mount}


def _path(credential: Credential, context: Context) -> str:
    return str(credential.path(context.folder))


def _file_only(credential: Credential, key: str, context: Context) -> str:
    if credential.file is None:
        raise ManifestError(
            f"store {context.name}: Airflow's backend takes the {key} of this auth method from a file only",
            f"write {key}: {{file: PATH}}",
        )
    return _path(credential, context)
