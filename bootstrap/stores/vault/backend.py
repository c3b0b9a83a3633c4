"""How Airflow reads the store: VaultBackend, what it asks for, and what a Vault tells of such a secret: a 404 or a 403 has other
causes than a missing one.

What the class can do was read in apache-airflow-providers-hashicorp 4.8 (secrets/vault.py, _internal_client/vault_client.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap.errors import Denied, IllegalName, Malformed, ManifestError, NotFound, Unavailable, chain
from bootstrap.stores.airflow_look import Look, Query, Told, option
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Paths
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault import options as model
from bootstrap.util.durations import moment
from bootstrap.util.urls import is_here

BACKEND_CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
_PLAIN_MISS = "there is no such secret"


@dataclass(frozen=True)
class _Way:
    """A method's part of the keyword arguments: those that may be seen, and credentials."""

    kwargs: Mapping[str, Any]
    secret_kwargs: Mapping[str, Credential] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


def airflow_backend(options: model.Options, paths: BackendPaths, context: Context) -> AirflowBackend:
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
    variables = {"token": "VAULT_TOKEN"} if isinstance(options.auth, model.TokenAuth) else {}
    return AirflowBackend(BACKEND_CLASS, {**kwargs, **way.kwargs}, way.secret_kwargs, variables, advice=way.advice)


def _list(paths: Paths) -> Any:
    return list(paths) if isinstance(paths, tuple) else paths


def _transport(options: model.Options, context: Context) -> Mapping[str, Any]:
    """What the class hands on to hvac, and to the session that it makes."""
    if options.client_key is not None:
        message = f"store {context.name}: Airflow's backend takes a client's certificate and its key from one file only"
        raise ManifestError(message, "put both into the file of client_cert, and leave out client_key")
    files = {"verify": options.ca_cert, "cert": options.client_cert}
    proxy = None if is_here(options.url) else options.proxy
    return {
        **({"namespace": options.namespace} if options.namespace is not None else {}),
        **{name: model.file_in(context.folder, file) for name, file in files.items() if file is not None},
        **({"proxies": {"http": proxy, "https": proxy}} if proxy is not None else {}),
    }


def _way(auth: model.Auth, context: Context) -> _Way:
    match auth:
        case model.TokenAuth() | model.JwtAuth() | model.KubernetesAuth():
            return _by_token(auth, context)
        case model.AppRoleAuth():
            return _Way({"role_id": auth.role_id, **_mounted(auth)}, {"secret_id": auth.secret_id})
        case model.UserpassAuth() | model.LdapAuth():
            return _Way({"username": auth.username, **_mounted(auth)}, {"password": auth.password})
        case model.GithubAuth():  # the class takes token_path, too, and logs in without it
            return _Way(_mounted(auth), {"token": auth.token})
        case model.AwsIamAuth():
            return _aws(auth)
        case model.GcpAuth():
            return _gcp(auth, context)


def _by_token(auth: model.TokenAuth | model.JwtAuth | model.KubernetesAuth, context: Context) -> _Way:
    """The class takes the file of such a token."""
    path = str(auth.token.path(context.folder)) if auth.token.file is not None else None
    match auth:
        case model.TokenAuth():
            return _Way({"token_path": path}) if path else _Way({}, {"token": auth.token})
        case model.JwtAuth():
            kwargs = {"jwt_role": auth.role, **_mounted(auth)}
            return _Way({**kwargs, "jwt_token_path": path}) if path else _Way(kwargs, {"jwt_token": auth.token})
        case model.KubernetesAuth():
            path = _file_only(auth.token, "token", context)
            return _Way({"kubernetes_role": auth.role, "kubernetes_jwt_path": path, **_mounted(auth)})


def _aws(auth: model.AwsIamAuth) -> _Way:
    kwargs: dict[str, Any] = {"region": auth.region, **_mounted(auth)}
    if auth.role is not None:
        kwargs["role_id"] = auth.role
    if auth.access_key_id is not None and auth.secret_access_key is not None:
        return _Way({**kwargs, "key_id": auth.access_key_id}, {"secret_id": auth.secret_access_key})
    if auth.assume_role is not None:
        kwargs["assume_role_kwargs"] = auth.assume_role.arguments
    return _Way(kwargs, advice=("Airflow's processes need credentials of AWS of their own, as boto3 finds them",))


def _gcp(auth: model.GcpAuth, context: Context) -> _Way:
    kwargs = {"role_id": auth.role, "gcp_scopes": ",".join(auth.scopes), **_mounted(auth)}
    provider = "Airflow's processes need apache-airflow-providers-google to log in by gcp"
    if auth.key is None:
        return _Way(kwargs, advice=(provider, "and Application Default Credentials of their own"))
    path = _file_only(auth.key, "key", context)
    if not path.endswith(".json"):
        message = f"store {context.name}: Airflow takes a key of Google's from no file but NAME.json"
        raise ManifestError(message, f"rename {path}")
    return _Way({**kwargs, "gcp_key_path": path}, advice=(provider,))


def _mounted(auth: Any) -> Mapping[str, str]:
    return {"auth_mount_point": auth.mount}


def _file_only(credential: Credential, key: str, context: Context) -> str:
    if credential.file is None:
        message = f"store {context.name}: Airflow's backend takes the {key} of this auth method from a file only"
        raise ManifestError(message, f"write {key}: {{file: PATH}}")
    return str(credential.path(context.folder))


class VaultLook:
    """Names are what `vault_client.get_secret` takes: without a mount of its own, the mount comes first."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """In order."""
        paths = option(backend, query, "path")
        refuses = getattr(
            backend, "_names_a_team_namespace", None
        )  # what may be a team's: without one, an id with a slash
        if paths is None or (query.kind != "config" and refuses is not None and refuses(query.key, query.team)):
            return ()
        paths = [paths] if isinstance(paths, str) else paths
        if not backend.mount_point and "/" not in query.key:
            return ()
        mount, _, key = ("", "", query.key) if backend.mount_point else query.key.partition("/")
        scoped = query.team is not None and getattr(backend, "use_team_secrets_path", False)
        parts = [(mount, path, query.team if scoped else "", key) for path in paths]
        return ["/".join(filter(None, each)) for each in parts]

    def shown(self, backend: Any, name: str) -> str:
        """With the mount, as the API takes it."""
        mount, path = (backend.mount_point, name) if backend.mount_point else name.split("/", 1)
        return f"{mount}/{path}" if backend.kv_engine_version == 1 else f"{mount}/data/{path}"

    def look(self, backend: Any, query: Query, name: str) -> Look | None:
        """See `BackendLook`."""
        try:
            found = self._look(backend, query, name)
        except Exception as err:
            if is_refused(err):
                _tell(backend, name)  # a policy that is meant for the other version of KV
            raise
        if found is None:
            _tell(backend, name)
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
        created = None
        with contextlib.suppress(ValueError):
            created = moment(metadata.get("created_time", ""))
        return Look(self.shown(backend, name), str(metadata.get("version", "")), created, problem)


def is_refused(error: BaseException) -> bool:
    """True if a Vault said 403: Airflow's client hides it behind an error of another type."""
    return any(type(link).__name__ == "Forbidden" for link in chain(error))


def _tell(backend: Any, name: str) -> None:
    """Raises Told, unless all that can be said of a secret is that it isn't there, or that it is denied."""
    from bootstrap.stores.vault.kv import Kv1
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
