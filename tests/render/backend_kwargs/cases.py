"""Arguments of Airflow's secrets backends: what we say of them, and what Airflow's own classes do with them.

`{url}` and the like stand for a test's servers and files; see `filled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.render.backend_kwargs.rules import GOOGLE, LOCAL_FILES, PARAMETER_STORE, SECRETS_MANAGER, VAULT

READS = (
    "reads the connection"  # as if nothing were wrong: what was refused is passed over, what was warned of does no harm
)
NOTHING = "finds nothing"


@dataclass(frozen=True)
class Case:
    """`says` is part of our message and hint about `kwarg`; `airflow` is READS, NOTHING, or part of Airflow's error.

    `elsewhere` holds the values of arguments that come by variables.
    """

    backend_class: str
    kwargs: Mapping[str, Any]
    kwarg: str
    says: str
    airflow: str
    elsewhere: Mapping[str, str]


def case(backend_class: str, kwargs: Mapping[str, Any], kwarg: str, says: str, airflow: str, **elsewhere: str) -> Case:
    return Case(backend_class, kwargs, kwarg, says, airflow, elsewhere)


def vault(kwarg: str, says: str, airflow: str, elsewhere: Mapping[str, str] | None = None, **kwargs: Any) -> Case:
    return case(VAULT, {"url": "{url}", "mount_point": "kv", **kwargs}, kwarg, says, airflow, **(elsewhere or {}))


def with_token(kwarg: str, says: str, airflow: str, **kwargs: Any) -> Case:
    return vault(kwarg, says, airflow, **{"token": "{token}", **kwargs})


def login(method: str, kwarg: str, airflow: str, **kwargs: Any) -> Case:
    return vault(kwarg, f"auth_type {method} needs", airflow, auth_type=method, **kwargs)


def aws(backend_class: str, kwarg: str, says: str, airflow: str, **kwargs: Any) -> Case:
    return case(backend_class, {**AWS, **kwargs}, kwarg, says, airflow)


def google(kwarg: str, says: str, airflow: str, **kwargs: Any) -> Case:
    return case(GOOGLE, {"gcp_key_path": "{folder}/key.json", **kwargs}, kwarg, says, airflow)


AWS: dict[str, Any] = {
    "endpoint_url": "{moto}",
    "region_name": "eu-west-1",
    "aws_access_key_id": "{key_id}",
    "aws_secret_access_key": "{secret}",
}
UNKNOWN = "unexpected keyword argument"
NO_LOGIN = "Vault Authentication Error"
ROLE = {"role_arn": "arn:aws:iam::123456789012:role/airflow"}
_OFF: dict[str, Any] = {"connections_path": None, "variables_path": None, "config_path": []}
_NO_PREFIX = {"connections_prefix": None, "variables_prefix": None, "config_prefix": None}
_KEY = {"private_key": "x"}

REFUSED: dict[str, Case] = {
    "a misspelt path": with_token(
        "conections_path",
        "takes no argument conections_path; did you mean connections_path?",
        UNKNOWN,
        conections_path="x",
    ),
    "a misspelt option of hvac's": with_token("namespce", "did you mean namespace?", UNKNOWN, namespce="x"),
    "a version as text": with_token(
        "kv_engine_version", "write 1, without quotes", "not supported", kv_engine_version="1"
    ),
    "a version from the environment": vault(
        "kv_engine_version",
        "from the environment it comes as text; write it in airflow.cfg",
        "not supported",
        {"kv_engine_version": "1"},
        token="{token}",
    ),
    "a version that isn't": with_token("kv_engine_version", "there are: 1, 2", "not supported", kv_engine_version=3),
    "a method that isn't": vault("auth_type", "'tokn' is not a known value", "not supported", auth_type="tokn"),
    "a method that never logs in": vault(
        "auth_type", "auth_type 'radius'", NO_LOGIN, auth_type="radius", radius_host="h", radius_secret="s"
    ),
    "the other one": vault(
        "auth_type", "auth_type 'azure'", NO_LOGIN, auth_type="azure", azure_resource="r", azure_tenant_id="t"
    ),
    "no token": vault("token", "set VAULT_TOKEN", "requires 'token' or 'token_path'"),
    "an empty token": vault("token", "set VAULT_TOKEN", "requires 'token' or 'token_path'", token=""),
    "github by a file": login("github", "token", NO_LOGIN, token_path="{folder}/token"),
    "approle": login("approle", "role_id", "requires 'role_id'", secret_id="s"),
    "userpass": login("userpass", "username", NO_LOGIN, password="p"),
    "userpass without its password": login("userpass", "password", NO_LOGIN, username="u"),
    "ldap": login("ldap", "username", NO_LOGIN, password="p"),
    "ldap without its password": login("ldap", "password", NO_LOGIN, username="u"),
    "kubernetes": login("kubernetes", "kubernetes_role", "requires 'kubernetes_role'"),
    "kubernetes without its file": login(
        "kubernetes",
        "kubernetes_jwt_path",
        "requires 'kubernetes_jwt_path'",
        kubernetes_role="r",
        kubernetes_jwt_path="",
    ),
    "jwt": login("jwt", "jwt_role", "requires 'jwt_role'", jwt_token="t"),
    "jwt without one": login("jwt", "jwt_token", "requires 'jwt_token' or 'jwt_token_path'", jwt_role="r"),
    "gcp": login("gcp", "role_id", "requires 'role_id'", gcp_scopes="s"),
    "gcp without scopes": login("gcp", "gcp_scopes", "requires 'gcp_scopes'", role_id="r"),
    "gcp with two keys": vault(
        "gcp_keyfile_dict",
        "gcp_key_path and gcp_keyfile_dict are both given",
        "mutually exclusive",
        auth_type="gcp",
        role_id="r",
        gcp_scopes="s",
        gcp_key_path="{folder}/key.json",
        gcp_keyfile_dict=_KEY,
    ),
    "gcp with another file": vault(
        "gcp_key_path",
        "whose name ends in .json",
        "Unrecognised extension",
        auth_type="gcp",
        role_id="r",
        gcp_scopes="s",
        gcp_key_path="{folder}/token",
    ),
    "azure": login("azure", "azure_resource", "requires 'azure_resource'", azure_tenant_id="t"),
    "radius": login("radius", "radius_host", "requires 'radius_host'", radius_secret="s"),
    "nothing looked up": with_token("connections_path", "Airflow never asks VaultBackend", NOTHING, **_OFF),
    "a list that isn't of texts": with_token(
        "connections_path", "not a list of other things", "AttributeError", connections_path=[None]
    ),
    "no scheme": with_token("url", "http:// or https://", "MissingSchema", url="vault.example.com"),
    "false as text": with_token("verify", "true, false, or the path", "OSError", url="{tls}", verify="false"),
    "a certificate in two files": with_token("cert", "only before 2.32", "TypeError", cert=["a", "b"]),
    "a time as text": with_token("timeout", "write a number, without quotes", "ValueError", timeout="5"),
    "a session": with_token("session", "leave it out", "AttributeError", session="x"),
    "an adapter": with_token("adapter", "leave it out", "TypeError", adapter="x"),
    "a proxy as text": with_token("proxies", "takes a mapping, not text", "AttributeError", proxies="http://proxy"),
    "Google: a misspelt prefix": google(
        "conections_prefix", "did you mean connections_prefix?", UNKNOWN, conections_prefix="x"
    ),
    "Google: two keys": google(
        "gcp_keyfile_dict", "Airflow refuses more than one", "mutually exclusive", gcp_keyfile_dict=_KEY
    ),
    "Google: a key as text": case(
        GOOGLE, {"gcp_keyfile_dict": "{{}}"}, "gcp_keyfile_dict", "takes a mapping, not text", "string indices"
    ),
    "Google: a key from the environment": case(
        GOOGLE,
        {},
        "gcp_keyfile_dict",
        "from the environment it comes as text",
        "string indices",
        gcp_keyfile_dict="{{}}",
    ),
    "Google: another file": google(
        "gcp_key_path", "whose name ends in .json", "Unrecognised extension", gcp_key_path="{folder}/token"
    ),
    "Google: a slash": google(
        "connections_prefix", "connections_prefix 'a/b' takes letters", "follows that pattern", connections_prefix="a/b"
    ),
    "Google: a slash between": google("sep", "digits, - and _", "follows that pattern", sep="/"),
    "Google: nothing between": google("sep", "takes text, not null", "TypeError", sep=None),
    "Google: nothing looked up": google("connections_prefix", "Airflow never asks", NOTHING, **_NO_PREFIX),
    "Google: a number": google(
        "impersonation_chain", "a list of texts, not a whole number", "TypeError", impersonation_chain=3
    ),
    "AWS: a misspelt prefix": aws(SECRETS_MANAGER, "conections_prefix", "did you mean", READS, conections_prefix="x"),
    "AWS: half a key": case(
        SECRETS_MANAGER,
        {"endpoint_url": "{moto}", "region_name": "eu-west-1", "aws_access_key_id": "{key_id}"},
        "aws_secret_access_key",
        "aws_access_key_id needs aws_secret_access_key",
        "Error",
    ),
    "AWS: the other half": case(
        PARAMETER_STORE,
        {"endpoint_url": "{moto}", "region_name": "eu-west-1", "aws_secret_access_key": "{secret}"},
        "aws_access_key_id",
        "aws_secret_access_key needs aws_access_key_id",
        "Error",
    ),
    "AWS: a session's token alone": case(
        PARAMETER_STORE,
        {"endpoint_url": "{moto}", "region_name": "eu-west-1", "aws_session_token": "t"},
        "aws_access_key_id",
        "aws_session_token needs aws_access_key_id",
        "Error",
    ),
    "AWS: a method that isn't": aws(
        SECRETS_MANAGER,
        "assume_role_method",
        "did you mean assume_role_with_saml?",
        "NotImplementedError",
        **ROLE,
        assume_role_method="assume_role_saml",
    ),
    "AWS: SAML": aws(
        SECRETS_MANAGER,
        "assume_role_with_saml",
        "assume_role_method assume_role_with_saml needs",
        "KeyError",
        **ROLE,
        assume_role_method="assume_role_with_saml",
    ),
    "AWS: an identity": aws(
        PARAMETER_STORE,
        "assume_role_with_web_identity_federation",
        "needs assume_role_with_web_identity_federation",
        "Unsupported federation",
        **ROLE,
        assume_role_method="assume_role_with_web_identity",
    ),
    "AWS: an identity from nowhere": aws(
        PARAMETER_STORE,
        "assume_role_with_web_identity_federation",
        "takes file or google",
        "Unsupported federation",
        **ROLE,
        assume_role_method="assume_role_with_web_identity",
        assume_role_with_web_identity_federation="github",
    ),
    "AWS: a configuration as text": aws(
        SECRETS_MANAGER, "config_kwargs", "a mapping", "AttributeError", config_kwargs="x"
    ),
    "AWS: a version as a number": aws(
        SECRETS_MANAGER, "api_version", "write it in quotes", "TypeError", api_version=2017
    ),
    "AWS: no scheme": aws(
        PARAMETER_STORE, "endpoint_url", "http:// or https://", "Invalid endpoint", endpoint_url="moto"
    ),
    "AWS: no expression": aws(
        SECRETS_MANAGER,
        "connections_lookup_pattern",
        "is not a regular expression",
        "error",
        connections_lookup_pattern="(",
    ),
    "AWS: a number": aws(
        PARAMETER_STORE, "connections_prefix", "write it in quotes", "AttributeError", connections_prefix=1
    ),
    "AWS: nothing looked up": aws(SECRETS_MANAGER, "connections_prefix", "never asks", NOTHING, **_NO_PREFIX),
    "AWS: a blank": aws(
        SECRETS_MANAGER, "connections_prefix", "'a b' takes letters", NOTHING, connections_prefix="a b"
    ),
    "AWS: a name of AWS's own": aws(
        PARAMETER_STORE, "connections_prefix", "'/aws/airflow' takes", NOTHING, connections_prefix="/aws/airflow"
    ),
    "files: a misspelt name": case(
        LOCAL_FILES, {"connections_file": "c.json"}, "connections_file", "did you mean connections_file_path?", UNKNOWN
    ),
    "files: another kind": case(
        LOCAL_FILES,
        {"connections_file_path": "{folder}/token"},
        "connections_file_path",
        ".json",
        "Unsupported file format",
    ),
    "files: none": case(LOCAL_FILES, {}, "connections_file_path", "never asks", NOTHING),
}

WARNED: dict[str, Case] = {
    "AWS: an old name": aws(PARAMETER_STORE, "profile", "write profile_name", READS, profile="nobody"),
    "AWS: an obsolete switch": aws(
        SECRETS_MANAGER, "full_url_mode", "ignores full_url_mode; leave it out", READS, full_url_mode=False
    ),
    "AWS: what nobody reads": aws(PARAMETER_STORE, "colour", "ignores colour", READS, colour="red"),
    "a deprecated path": with_token(
        "global_secrets_path", "Provide a list of fallback paths", READS, global_secrets_path="common"
    ),
    "a token and its file": with_token(
        "token", "reads token_path only", READS, token="old", token_path="{folder}/token"
    ),
    "approle without its secret": vault(
        "secret_id", "bind_secret_id=false", "missing secret_id", auth_type="approle", role_id="{role_id}"
    ),
    "Google: scopes as text": google("gcp_scopes", "letter by letter", NOTHING, gcp_scopes="s"),
    "AWS: a role's arguments without the role": aws(
        SECRETS_MANAGER, "role_arn", "assume_role_kwargs needs role_arn", READS, assume_role_kwargs={"ExternalId": "x"}
    ),
    "AWS: an old place for a key": case(
        PARAMETER_STORE,
        {
            "endpoint_url": "{moto}",
            "region_name": "eu-west-1",
            "session_kwargs": {"aws_access_key_id": "{key_id}", "aws_secret_access_key": "{secret}"},
        },
        "session_kwargs",
        "session_kwargs is deprecated",
        READS,
    ),
}

FINE: dict[str, Case] = {
    "a token": with_token("", "", READS),
    "a token's file": vault("", "", READS, token_path="{folder}/token"),
    "a token from the environment": vault("", "", READS, {"token": "{token}"}),
    "a token's file, and a variable for somebody else": vault(
        "", "", READS, {"token": "old"}, token_path="{folder}/token"
    ),
    "slashes, which hvac removes": with_token("", "", READS, connections_path="/connections/", mount_point="/kv/"),
    "paths in a list": with_token("", "", READS, connections_path=["nowhere", "connections"]),
    "no path before the name": with_token("", "", READS, connections_path="", mount_point="top"),
    "approle": vault(
        "",
        "",
        READS,
        {"secret_id": "{secret_id}"},
        auth_type="approle",
        role_id="{role_id}",
        auth_mount_point="approle",
    ),
    "TLS by our own authority": with_token("", "", READS, url="{tls}", verify="{folder}/certificates/ca.pem"),
    "hvac's own options": with_token(
        "",
        "",
        READS,
        timeout=5.5,
        namespace="",
        proxies={},
        allow_redirects=True,
        strict_http=False,
        verify=None,
        cert=None,
        kv_engine_version=None,
        session=None,
    ),
    "Google: a key's file": google("", "", NOTHING),
    "Google: every option": google(
        "",
        "",
        NOTHING,
        connections_prefix="a-b_",
        variables_prefix=None,
        config_prefix="",
        sep="",
        project_id="proj",
        gcp_scopes=["s"],
        impersonation_chain=["a@proj.iam.gserviceaccount.com"],
    ),
    "AWS: a key": aws(SECRETS_MANAGER, "", "", READS),
    "AWS: the other store": aws(PARAMETER_STORE, "", "", READS),
    "AWS: no slash before, and one after": aws(
        PARAMETER_STORE, "", "", READS, connections_prefix="airflow/connections/"
    ),
    "AWS: no prefix": aws(SECRETS_MANAGER, "", "", NOTHING, connections_prefix=""),
    "AWS: every option": aws(
        SECRETS_MANAGER,
        "",
        "",
        READS,
        verify=None,
        profile_name=None,
        api_version="2017-10-17",
        use_ssl=False,
        service_config={},
        config_kwargs={"retries": {"max_attempts": 1}},
        connections_lookup_pattern="^w",
        config_prefix=None,
        extra_conn_words={"user": ["who"]},
    ),
    "files": case(LOCAL_FILES, {"connections_file_path": "{folder}/connections.json"}, "", "", READS),
}


def filled(value: Any, places: Mapping[str, str]) -> Any:
    """The same with a test's servers and files in it."""
    if isinstance(value, str):
        return value.format_map(places)
    if isinstance(value, Mapping):
        return {name: filled(item, places) for name, item in value.items()}
    return [filled(item, places) for item in value] if isinstance(value, list) else value
