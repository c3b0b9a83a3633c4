"""What is known of Airflow's secrets backends beyond their signatures: the shapes of the rules, then one row per class.

Each was read in the source that the row names, and tried: tests/render/backend_kwargs/test_airflow.py builds the real classes. Where a
row names an argument that the installed class doesn't have, that part of it is void.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Needs:
    """One of `any_of` must be there: always, when an argument has a value (`when`), or when one is there (`given`).

    `why` says what becomes of it otherwise; where that isn't sure to fail, it is a warning.
    """

    any_of: tuple[str, ...]
    when: tuple[str, str] | None = None
    given: str | None = None
    why: str = "Airflow can't log in without it"
    hint: str = ""
    fails: bool = True


@dataclass(frozen=True)
class Clash:
    """Not more than one of `kwargs` may be there; else Airflow fails, or (a warning) takes no notice of some."""

    kwargs: tuple[str, ...]
    why: str
    when: tuple[str, str] | None = None
    fails: bool = True


@dataclass(frozen=True)
class Legal:
    """What a text must look like, all of it. `takes` says it to people."""

    kwargs: tuple[str, ...]
    pattern: re.Pattern[str]
    takes: str


@dataclass(frozen=True)
class Doubtful:
    """A value that is accepted (one of `type`, or `value` itself), and doesn't do what it says; `since` a package's version
    that is installed ("requests 2.32"), or always.
    """

    kwarg: str
    why: str
    hint: str
    type: str = ""
    value: str = ""
    fails: bool = False
    since: str = ""


@dataclass(frozen=True)
class Rules:
    """A row.

    `types` correct the source's annotations; see annotations.Parameter. `switches` are the arguments that turn look-ups off, all of
    them null; for some classes an empty text is the same. `renamed` tells the next step for an argument that is gone.
    `expressions` are regular expressions. `read_at` says where the keys of a class's `**kwargs` are read, if it hands them on
    as a mapping: MODULE:CLASS:NAME OF THE MAPPING THERE.
    """

    switches: tuple[str, ...] = ()
    empty_is_off: bool = False
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[Needs, ...] = ()
    clashes: tuple[Clash, ...] = ()
    legal: tuple[Legal, ...] = ()
    doubtful: tuple[Doubtful, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    deprecated: Mapping[str, str] = field(default_factory=dict)
    expressions: tuple[str, ...] = ()
    read_at: tuple[str, ...] = ()


VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
GOOGLE = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"
SECRETS_MANAGER = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
PARAMETER_STORE = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
KEY_VAULT = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"
LOCAL_FILES = "airflow.secrets.local_filesystem.LocalFilesystemBackend"

_PREFIXES = ("connections_prefix", "variables_prefix", "config_prefix")
_FILES = ("connections_file_path", "variables_file_path", "configs_file_path")
_FLAG = ("bool", "null")
_TEXT = ("str", "null")
_URL = re.compile(r"(?i:https?)://\S+")
_URL_WORDS = "an address that begins with http:// or https://"
_VERIFY = Legal(
    ("verify",), re.compile(r"(?!(?i:true|false|yes|no|0|1)$).+"), "true, false, or the path of a CA bundle"
)
_JSON_FILE = Legal(("gcp_key_path",), re.compile(r".+\.json"), "the path of a file whose name ends in .json")
_NO_NOTICE = "otherwise Airflow ignores it"
_WITHOUT_SECRET_ID = "only a role with bind_secret_id=false can log in without it"  # noqa: S105  no secret
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
_AWS_LEGAL = (
    Legal(("endpoint_url",), _URL, _URL_WORDS),
    Legal(("assume_role_with_web_identity_federation",), re.compile("file|google"), "file or google"),
    _VERIFY,
)
_AWS = Rules(
    switches=_PREFIXES,
    types=_AWS_TYPES,
    needs=(
        Needs(("aws_secret_access_key",), given="aws_access_key_id"),
        Needs(("aws_access_key_id",), given="aws_secret_access_key"),
        Needs(("aws_access_key_id",), given="aws_session_token"),
        Needs(("role_arn",), given="assume_role_kwargs", why=_NO_NOTICE, fails=False),
        Needs(("role_arn",), given="assume_role_method", why=_NO_NOTICE, fails=False),
        Needs(("assume_role_with_saml",), when=("assume_role_method", "assume_role_with_saml")),
        Needs(
            ("assume_role_with_web_identity_federation",), when=("assume_role_method", "assume_role_with_web_identity")
        ),
    ),
    renamed={
        "profile": "write profile_name",
        "external_id": 'write assume_role_kwargs: {"ExternalId": …}',
        "aws_account_id": "write role_arn",
        "aws_iam_role": "write role_arn",
        "host": "write endpoint_url",
    },
    deprecated={"session_kwargs": "give aws_access_key_id, aws_secret_access_key and aws_session_token by themselves"},
    expressions=("connections_lookup_pattern", "variables_lookup_pattern", "config_lookup_pattern"),
    read_at=(
        "airflow.providers.amazon.aws.utils.connection_wrapper:AwsConnectionWrapper:extra",
        "airflow.providers.amazon.aws.hooks.base_aws:BaseSessionFactory:self.extra_config",
    ),
)
_BOTH_FORMS = "leave it out: both forms of a secret are read"

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
            _login("approle", "secret_id", why=_WITHOUT_SECRET_ID, fails=False),
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
            Doubtful("auth_type", _NEVER_LOGS_IN, "choose another auth method", value="azure", fails=True),
            Doubtful("auth_type", _NEVER_LOGS_IN, "choose another auth method", value="radius", fails=True),
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
    SECRETS_MANAGER: replace(
        _AWS,
        legal=(
            *_AWS_LEGAL,
            Legal(
                (*_PREFIXES, "sep"),
                re.compile(r"[A-Za-z0-9/_+=.@!-]{0,511}"),
                "letters without accents, digits and /_+=.@!-",
            ),
        ),
        renamed={**_AWS.renamed, "full_url_mode": _BOTH_FORMS, "are_secret_values_urlencoded": _BOTH_FORMS},
    ),
    # airflow/providers/amazon/aws/secrets/systems_manager.py: it adds a leading slash, and removes one at the end.
    # docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html: the characters of a name
    PARAMETER_STORE: replace(
        _AWS,
        legal=(
            *_AWS_LEGAL,
            Legal(
                _PREFIXES,
                re.compile(r"(?ia)(/?(?!aws|ssm)[a-z0-9_.-]+(/[a-z0-9_.-]+){0,13})?/*"),
                "up to 14 parts of letters without accents, digits and _.- with / between, the first one not aws… or ssm…",
            ),
        ),
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
        switches=_FILES,
        empty_is_off=True,
        legal=(
            Legal(
                _FILES,
                re.compile(r"(.*\.(?i:env|json|yaml|yml))?"),
                "the path of a file whose name ends in .env, .json, .yaml or .yml",
            ),
        ),
    ),
}
