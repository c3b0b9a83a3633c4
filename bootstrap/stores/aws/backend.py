"""How Airflow reads AWS's stores: the backends of its Amazon provider, as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.stores.aws.options import AssumeRoleAuth, AwsOptions, DefaultAuth, KeysAuth, ProfileAuth
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.credential import PlainCredential

_MODULE = "airflow.providers.amazon.aws.secrets"
SECRETS_MANAGER = f"{_MODULE}.secrets_manager.SecretsManagerBackend"
PARAMETER_STORE = f"{_MODULE}.systems_manager.SystemsManagerParameterStoreBackend"
PROVIDER = "apache-airflow-providers-amazon"
PLACE = ("region_name", "endpoint_url")
REFUSALS = (  # botocore's
    "ProfileNotFound",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
)
_NO_DESCRIPTION = "Airflow's SecretsManagerBackend leaves out the description of a connection"


def secrets_manager(
    options: AwsOptions, paths: BackendPaths, context: Context, legal: re.Pattern[str]
) -> AirflowBackend:
    """For AWS Secrets Manager."""
    kwargs = {**_prefixes(paths, context, legal), "sep": "/", **_session(options)}
    return _backend(SECRETS_MANAGER, kwargs, options, (_NO_DESCRIPTION,))


def parameter_store(
    options: AwsOptions, paths: BackendPaths, context: Context, legal: re.Pattern[str]
) -> AirflowBackend:
    """For Parameter Store."""
    prefixes = {name: path and f"/{path}" for name, path in _prefixes(paths, context, legal).items()}
    return _backend(PARAMETER_STORE, {**prefixes, **_session(options)}, options, ())


def _prefixes(paths: BackendPaths, context: Context, legal: re.Pattern[str]) -> dict[str, str | None]:
    connections, variables, config = paths.single("AWS")
    for prefix in (connections, variables, config):
        if prefix is not None and not legal.fullmatch(f"{prefix}/x"):
            raise ManifestError(
                f"store {context.name}: no secret of AWS's can begin with {prefix!r}",
                "letters without accents, digits, / . - and _ make a prefix, such as airflow/connections",
            )
    return {"connections_prefix": connections, "variables_prefix": variables, "config_prefix": config}


def _session(options: AwsOptions) -> dict[str, Any]:
    """What the backend's session is made of; no secret among it."""
    kwargs: dict[str, Any] = {"region_name": options.region}
    if options.endpoint_url is not None:
        kwargs["endpoint_url"] = options.endpoint_url
    auth = options.auth
    if isinstance(auth, AssumeRoleAuth):
        kwargs["role_arn"] = auth.role_arn
        if auth.external_id is not None:
            kwargs["assume_role_kwargs"] = {"ExternalId": auth.external_id}
        if auth.endpoint_url is not None:
            kwargs["service_config"] = {"sts": {"endpoint_url": auth.endpoint_url}}
        auth = auth.source
    if isinstance(auth, ProfileAuth):
        kwargs["profile_name"] = auth.profile
    return kwargs


def _backend(
    backend_class: str, kwargs: Mapping[str, Any], options: AwsOptions, advice: tuple[str, ...]
) -> AirflowBackend:
    auth = options.auth.source if isinstance(options.auth, AssumeRoleAuth) else options.auth
    environment = _environment(auth) if isinstance(auth, KeysAuth) else {}
    if environment:
        advice = (f"an aws connection without a key of its own uses {', '.join(environment)}, too", *advice)
    elif isinstance(auth, DefaultAuth):
        advice = ("Airflow's processes need AWS credentials of their own", *advice)
    return AirflowBackend(backend_class, kwargs, environment=environment, advice=advice)


def _environment(auth: KeysAuth) -> dict[str, Any]:
    found: dict[str, Any] = {
        "AWS_ACCESS_KEY_ID": PlainCredential(Secret(auth.access_key_id)),  # the key's name, not a secret
        "AWS_SECRET_ACCESS_KEY": auth.secret_access_key,
    }
    if auth.session_token is not None:
        found["AWS_SESSION_TOKEN"] = auth.session_token
    return found
