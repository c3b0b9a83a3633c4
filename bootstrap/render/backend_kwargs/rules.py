"""What is known of Airflow's secrets backends beyond their signatures: one row per class, nothing but data.

Each was read in the source that the row names, and tried: tests/test_backend_airflow.py builds the real classes. Where a
row names an argument that the installed class doesn't have, that part of it is void.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bootstrap.render.backend_kwargs.rule_types import Clash, Doubtful, Legal, Needs, Rules

VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
GOOGLE = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
SECRETS_MANAGER = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
PARAMETER_STORE = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
KEY_VAULT = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"
LOCAL_FILES = "airflow.secrets.local_filesystem.LocalFilesystemBackend"

_PREFIXES = ("connections_prefix", "variables_prefix", "config_prefix")
_FLAG = ("bool", "null")
_TEXT = ("str", "null")
_URL = re.compile(r"(?i:https?)://\S+")
_URL_WORDS = "an address that begins with http:// or https://"
_VERIFY = Legal(
    ("verify",), re.compile(r"(?!(?i:true|false|yes|no|0|1)$).+"), "true, false, or the path of a CA bundle"
)
_JSON_FILE = Legal(("gcp_key_path",), re.compile(r".+\.json"), "the path of a file whose name ends in .json")
_NO_NOTICE = "otherwise Airflow ignores it"
_NEVER_LOGS_IN = "Airflow writes the settings of the server's auth method then, instead of logging in by it"


def _login(method: str, *any_of: str, **more: object) -> Needs:
    return Needs(any_of, when=("auth_type", method), **more)  # type: ignore[arg-type]  # the fields of Needs


# airflow/providers/amazon/aws/utils/connection_wrapper.py, hooks/base_aws.py
_AWS_TYPES: dict[str, tuple[str, ...]] = {
    "api_version": _TEXT,
    "use_ssl": _FLAG,
    "config_kwargs": ("dict", "null"),
    "assume_role_with_saml": ("dict",),
    "assume_role_with_web_identity_federation": ("str",),
    "assume_role_with_web_identity_token_file": _TEXT,
    "assume_role_with_web_identity_federation_audience": ("str",),
}
_AWS_NEEDS = (
    Needs(("aws_secret_access_key",), given="aws_access_key_id"),
    Needs(("aws_access_key_id",), given="aws_secret_access_key"),
    Needs(("aws_access_key_id",), given="aws_session_token"),
    Needs(("role_arn",), given="assume_role_kwargs", why=_NO_NOTICE, fails=False),
    Needs(("role_arn",), given="assume_role_method", why=_NO_NOTICE, fails=False),
    Needs(("assume_role_with_saml",), when=("assume_role_method", "assume_role_with_saml")),
    Needs(("assume_role_with_web_identity_federation",), when=("assume_role_method", "assume_role_with_web_identity")),
)
_AWS_LEGAL = (
    Legal(("endpoint_url",), _URL, _URL_WORDS),
    Legal(("assume_role_with_web_identity_federation",), re.compile("file|google"), "file or google"),
    _VERIFY,
)
_AWS_RENAMED = {
    "profile": "write profile_name",
    "external_id": 'write assume_role_kwargs: {"ExternalId": …}',
    "aws_account_id": "write role_arn",
    "aws_iam_role": "write role_arn",
    "host": "write endpoint_url",
}
_AWS_BOTH_FORMS = dict.fromkeys(
    ("full_url_mode", "are_secret_values_urlencoded"), "leave it out: both forms of a secret are read"
)
_AWS_DEPRECATED = {
    "session_kwargs": "give aws_access_key_id, aws_secret_access_key and aws_session_token by themselves"
}
_AWS_EXPRESSIONS = ("connections_lookup_pattern", "variables_lookup_pattern", "config_lookup_pattern")
_AWS_READ_AT = (
    "airflow.providers.amazon.aws.utils.connection_wrapper:AwsConnectionWrapper:extra",
    "airflow.providers.amazon.aws.hooks.base_aws:BaseSessionFactory:self.extra_config",
)

RULES: Mapping[str, Rules] = {
    # airflow/providers/hashicorp/secrets/vault.py, _internal_client/vault_client.py; hvac/v1/__init__.py, adapters.py.
    # Slashes around a path or a mount do no harm: hvac takes two of them for one.
    VAULT: Rules(
        switches=("connections_path", "variables_path", "config_path"),
        types={
            "kv_engine_version": ("int", "null"),
            "verify": ("bool", "str", "null"),
            "cert": ("str", "list[str]", "null"),
            "proxies": ("dict", "null"),
            "timeout": ("float", "null"),
            "namespace": _TEXT,
            "allow_redirects": _FLAG,
            "ignore_exceptions": _FLAG,
            "strict_http": _FLAG,
            "request_header": _FLAG,
            "session": ("object", "null"),
            "adapter": ("object",),
        },
        needs=(
            _login("token", "token", "token_path", hint="give one of them, or set VAULT_TOKEN for Airflow's processes"),
            _login("github", "token"),  # token_path passes the constructor, and nobody reads it
            _login("approle", "role_id"),
            _login(
                "approle", "secret_id", why="only a role with bind_secret_id=false can log in without it", fails=False
            ),
            _login("userpass", "username"),
            _login("userpass", "password"),
            _login("ldap", "username"),
            _login("ldap", "password"),
            _login("kubernetes", "kubernetes_role"),
            _login("kubernetes", "kubernetes_jwt_path"),
            _login("jwt", "jwt_role"),
            _login("jwt", "jwt_token", "jwt_token_path"),
            _login("gcp", "role_id"),
            _login("gcp", "gcp_scopes"),
            _login("azure", "azure_resource"),
            _login("azure", "azure_tenant_id"),
            _login("radius", "radius_host"),
            _login("radius", "radius_secret"),
            _login("aws_iam", "secret_id", given="key_id", why=_NO_NOTICE, fails=False),
            _login("aws_iam", "key_id", given="secret_id", why=_NO_NOTICE, fails=False),
        ),
        clashes=(
            Clash(("gcp_key_path", "gcp_keyfile_dict"), "Airflow refuses to log in with both", ("auth_type", "gcp")),
            Clash(("token_path", "token"), "Airflow reads token_path only", ("auth_type", "token"), fails=False),
            Clash(("jwt_token", "jwt_token_path"), "Airflow takes jwt_token only", ("auth_type", "jwt"), fails=False),
        ),
        legal=(Legal(("url",), _URL, _URL_WORDS), _VERIFY, _JSON_FILE),
        doubtful=(
            *(
                Doubtful("auth_type", _NEVER_LOGS_IN, "choose another auth method", value=method, fails=True)
                for method in ("azure", "radius")
            ),
            Doubtful(  # requests/adapters.py, _urllib3_request_context: a tuple, which JSON has not, or one file
                "cert",
                "requests takes a certificate and its key as two files only before 2.32, for JSON makes a list of them",
                "put both into one file, and name that",
                type="list[str]",
                fails=True,
                since="requests 2.32",
            ),
        ),
    ),
    # airflow/providers/google/cloud/secrets/secret_manager.py, cloud/utils/credentials_provider.py.
    # docs.cloud.google.com/secret-manager/docs/creating-and-accessing-secrets: the characters of a name
    GOOGLE: Rules(
        switches=_PREFIXES,
        types={"project_id": _TEXT, "gcp_scopes": ("str", "list[str]", "null")},
        clashes=(
            Clash(
                ("gcp_key_path", "gcp_keyfile_dict", "gcp_credential_config_file"),
                "Airflow refuses more than one of them",
            ),
        ),
        legal=(
            Legal((*_PREFIXES, "sep"), re.compile(r"[A-Za-z0-9_-]{0,254}"), "letters without accents, digits, - and _"),
            _JSON_FILE,
        ),
        doubtful=(
            Doubtful(
                "gcp_scopes",
                "with a key file, Google's library takes a text apart, letter by letter",
                'write a list: ["https://www.googleapis.com/auth/cloud-platform"]',
                type="str",
            ),
        ),
    ),
    # airflow/providers/amazon/aws/secrets/secrets_manager.py.
    # docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html: the characters of a name
    SECRETS_MANAGER: Rules(
        switches=_PREFIXES,
        types=_AWS_TYPES,
        needs=_AWS_NEEDS,
        legal=(
            *_AWS_LEGAL,
            Legal(
                (*_PREFIXES, "sep"),
                re.compile(r"[A-Za-z0-9/_+=.@!-]{0,511}"),
                "letters without accents, digits and /_+=.@!-",
            ),
        ),
        renamed={**_AWS_RENAMED, **_AWS_BOTH_FORMS},
        deprecated=_AWS_DEPRECATED,
        expressions=_AWS_EXPRESSIONS,
        read_at=_AWS_READ_AT,
    ),
    # airflow/providers/amazon/aws/secrets/systems_manager.py: it adds a leading slash, and removes one at the end.
    # docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html: the characters of a name
    PARAMETER_STORE: Rules(
        switches=_PREFIXES,
        types=_AWS_TYPES,
        needs=_AWS_NEEDS,
        legal=(
            *_AWS_LEGAL,
            Legal(
                _PREFIXES,
                re.compile(r"(?ia)(/?(?!aws|ssm)[a-z0-9_.-]+(/[a-z0-9_.-]+){0,13})?/*"),
                "up to 14 parts of letters without accents, digits and _.- with / between, the first one not aws… or ssm…",
            ),
        ),
        renamed=_AWS_RENAMED,
        deprecated=_AWS_DEPRECATED,
        expressions=_AWS_EXPRESSIONS,
        read_at=_AWS_READ_AT,
    ),
    # airflow/providers/microsoft/azure/secrets/key_vault.py: `_` in a name becomes `sep`
    KEY_VAULT: Rules(
        switches=_PREFIXES,
        types=dict.fromkeys(
            ("tenant_id", "client_id", "client_secret", "managed_identity_client_id", "workload_identity_tenant_id"),
            _TEXT,
        ),
        needs=(
            Needs(("vault_url",), why="Airflow can't ask a Key Vault without it"),
            Needs(("tenant_id",), given="client_secret", why=_NO_NOTICE, fails=False),
            Needs(("client_id",), given="client_secret", why=_NO_NOTICE, fails=False),
            Needs(("workload_identity_tenant_id",), given="managed_identity_client_id", why=_NO_NOTICE, fails=False),
            Needs(("managed_identity_client_id",), given="workload_identity_tenant_id", why=_NO_NOTICE, fails=False),
        ),
        legal=(
            Legal(("vault_url",), re.compile(r"(?i:https)://\S+"), "an address that begins with https://"),
            Legal(_PREFIXES, re.compile(r"[A-Za-z0-9_-]{0,126}"), "letters without accents, digits and -"),
            Legal(("sep",), re.compile(r"[A-Za-z0-9-]*"), "letters without accents, digits and -"),
        ),
    ),
    # airflow/secrets/local_filesystem.py
    LOCAL_FILES: Rules(
        switches=("connections_file_path", "variables_file_path", "configs_file_path"),
        empty_is_off=True,
        legal=(
            Legal(
                ("connections_file_path", "variables_file_path", "configs_file_path"),
                re.compile(r"(.*\.(?i:env|json|yaml|yml))?"),
                "the path of a file whose name ends in .env, .json, .yaml or .yml",
            ),
        ),
    ),
}
