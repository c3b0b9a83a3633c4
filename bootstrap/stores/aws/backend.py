"""How Airflow reads AWS's stores: the backends of its Amazon provider, what they ask for, and what AWS tells of such a secret."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import ManifestError
from bootstrap.stores.airflow_look import Look, Query, Told, names_a_team, option
from bootstrap.stores.aws.errors import DELETED
from bootstrap.stores.aws.options import AssumeRoleAuth, AwsOptions, DefaultAuth, KeysAuth, ProfileAuth
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.stores.credential import PlainCredential
from bootstrap.stores.place import no_such_secret

PROVIDER = "apache-airflow-providers-amazon"
PLACE = ("region_name", "endpoint_url")
_MISSING = ("ResourceNotFoundException", "ParameterNotFound", "InvalidParameterException")
REFUSALS = (  # botocore's
    "ProfileNotFound",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
)


def prefixes(paths: BackendPaths, context: Context, legal: re.Pattern[str]) -> dict[str, str | None]:
    """The keyword arguments that say below what it looks. Raises ManifestError for what no `legal` name can begin with."""
    connections, variables, config = paths.single("AWS")
    for prefix in (connections, variables, config):
        if prefix is not None and not legal.fullmatch(f"{prefix}/x"):
            hint = "letters without accents, digits, / . - and _ make a prefix, such as airflow/connections"
            raise ManifestError(f"store {context.name}: no secret of AWS's can begin with {prefix!r}", hint)
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


def airflow_backend(
    backend_class: str, kwargs: Mapping[str, Any], options: AwsOptions, advice: tuple[str, ...] = ()
) -> AirflowBackend:
    """The backend of this class, with what makes its session besides `kwargs`."""
    auth = options.auth.source if isinstance(options.auth, AssumeRoleAuth) else options.auth
    environment: dict[str, Any] = {}
    if isinstance(auth, KeysAuth):
        environment["AWS_ACCESS_KEY_ID"] = PlainCredential(Secret(auth.access_key_id))  # the key's name, not a secret
        environment["AWS_SECRET_ACCESS_KEY"] = auth.secret_access_key
        if auth.session_token is not None:
            environment["AWS_SESSION_TOKEN"] = auth.session_token
        advice = (f"an aws connection without a key of its own uses {', '.join(environment)}, too", *advice)
    elif isinstance(auth, DefaultAuth):
        advice = ("Airflow's processes need AWS credentials of their own", *advice)
    return AirflowBackend(backend_class, {**kwargs, **_session(options)}, environment=environment, advice=advice)


class SecretsManagerLook:
    """Much of it is Parameter Store's, too."""

    def names(self, backend: Any, query: Query) -> Sequence[str]:
        """In order."""
        prefix, pattern = option(backend, query, "prefix"), option(backend, query, "lookup_pattern")
        if prefix is None or names_a_team(backend, query):
            return ()
        if pattern and not re.match(pattern, query.key, re.IGNORECASE):
            return ()
        keys = [query.key]
        if (
            query.team and prefix
        ):  # the separator is a constant of the class's module, or of the class's that it extends
            modules = (sys.modules.get(kind.__module__) for kind in type(backend).__mro__)
            separator = next(filter(None, (getattr(module, "TEAM_SEP", None) for module in modules)))
            keys = [f"{query.team}{separator}{query.key}", *keys]
        return [self.name(backend, prefix, key) for key in keys]

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
            if type(err).__name__ in _MISSING or _is_deleted(err):
                within = f"region {backend.client.meta.region_name}"
                raise Told("miss", DELETED if _is_deleted(err) else no_such_secret(within)) from err
            raise

    def ask(self, client: Any, name: str) -> Look:
        """One request."""
        found = client.get_secret_value(SecretId=name)
        problem = "" if "SecretString" in found else "is binary, and Airflow reads text only"
        return Look(name, found.get("VersionId", ""), found.get("CreatedDate"), problem)


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
