"""What is a secret and what is none: the documented fields of Airflow's connections, and values as people write them."""

from __future__ import annotations

import importlib.util
import re
import time
from pathlib import Path

import pytest

from bootstrap.domain.sensitive import names_secret, repeats, secret_texts, why_secret
from bootstrap.providers import installed
from tests.project import ROOT
from tools.provider_tables import generated_secret_extras

HEX = "9f86d081884c7d659a2feaa0c55ad015"
UUID = "6a1b2c3d-1f2e-4a5b-8c9d-0e1f2a3b4c5d"
BASE64 = "bXkgc2VjcmV0IGtleSAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw=="
RANDOM = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9v"
SSH_PUBLIC = "AAAAB3NzaC1yc2EAAAADAQABAAABgQDTvB7fyF0fjCVeJ6hLk3QzJmP9nRsT5wXyZ1aB2cD3eF4gH5iJ6kL7"
PEM = "-----BEGIN {} PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END {} PRIVATE KEY-----"

_NAMED = """
password Password PASSWORD passwd db_pass pass pwd userPwd passphrase private_key_passphrase ssl_password sslpassword
api_key apiKey API_KEY APIKey x-api-key X-Api-Key apikey app_key appKey application_key access_token accessToken
refresh_token bearer_token personal_access_token token authToken AuthToken session_token aws_session_token jwt
jwt_token id_token webhook_token webhook_url webhook_endpoint incoming_webhook slack_webhook secret client_secret
clientSecret secret_key aws_secret_access_key secretAccessKey secret_access_key access_key account_key AccountKey
shared_access_key fs.azure.account.key fs.azure.account.key.acct.dfs.core.windows.net fs.s3a.secret.key
x-functions-key functionKey Ocp-Apim-Subscription-Key subscription_key subscriptionKey signing_key signingKey
signature_key signing_secret encryption_key fernet_key license_key integration_key routing_key write_key
instrumentation_key ingestion_key master_key service_key shared_key pre_shared_key psk function_key deploy_key
bot_token BotToken Cookie cookies session_cookie Authorization Proxy-Authorization auth_header authorization_header
credential credentials aws_credentials db_creds connection_string ConnectionString conn_str keyfile_json secret_id
private_key private_key_content private_key_base64 ssh_private_key client_assertion_token otp_secret basic_auth
hmac_key storage_account_key server_key auth_key authentication_key bearer kms_secret token2 password_1 SECRET_KEY_BASE
AIRFLOW__CORE__FERNET_KEY AIRFLOW__API__SECRET_KEY DATABRICKS_TOKEN MINIO_ROOT_PASSWORD MinIOSecretKey
"""
_UNNAMED = """
host login schema description port region region_name project project_id dataset bucket table query sslmode author
authors authority monkey keyboard turkey hockey keyspace keywords keystone primary_key partition_key sort_key hash_key
range_key foreign_key public_key public_ssh_key row_key bucket_key object_key s3_key dest_key source_key cache_key
cluster_key translation_key kms_key_id key_id key_ring key key_name private_key_file private_key_path
private_key_file_path private_key_id key_path keyfile_path ssl_key_file ssl_keyfile token_uri token_url token_path
token_file token_endpoint token_type token_expiry token_ttl jwt_role jwt_token_path jwt_algorithm secret_name
secret_path secret_arn secrets_path key_secret_name key_secret_project_id client_secret_id credential_config_file
credentials_file credentials_path credential_source credentials_provider aws_credentials_provider
password_policy password_length authenticator auth_type auth_method auth_mount_point authorization_url
api_key_header api_key_name api_key_id aws_access_key_id access_key_id client_id tenant_id tenantId subscriptionId
subscription_id managed_identity_client_id session_id cookie_domain signature_version use_token disable_password
max_tokens tokenizer secretary compass bypass passenger pass_through passthrough partition keep_alive
sslcert sslkey sslrootcert role_arn external_id account account_id warehouse proxy proxies service_account
no_host_key_check allow_host_key_change look_for_keys disabled_algorithms webhook_id host_key webhook_name
"""

SECRET = [  # (key, value, conn_type)
    # declared by the provider, whatever the name says
    ("keyfile_dict", '{"type": "service_account"}', "google_cloud_platform"),
    ("extra__google_cloud_platform__keyfile_dict", "x1", "google_cloud_platform"),
    ("routing_key", "R0123", "pagerduty"),
    ("kube_config", "apiVersion: v1", "kubernetes"),
    ("keytab", "BQIAAABH", "spark"),
    ("thumbprint", "AB12", "azure_data_explorer"),
    ("certificate", "MIIC", "azure_data_explorer"),
    ("oauth", "y0_AgAAAA", "yandexcloud"),
    ("service_account_json", "{}", "yandexcloud"),
    ("credential", "abc", "azure_service_bus"),
    ("access_key_id", "LTAI5t", "alibaba_cloud"),
    ("security_token", "abc", "salesforce"),
    ("consumer_secret", "abc", "salesforce"),
    ("private_key_content", "LS0t", "snowflake"),
    ("proxy_password", "abc", "snowflake"),
    ("sas_token", "sv=2020", "wasb"),
    ("shared_access_key", "abc", "wasb"),
    ("developer_token", "abc", "google_ads"),
    # by the words of the name
    *((key, "abc123", None) for key in _NAMED.split()),
    # by what the value is
    ("host", "https://hooks.slack.com/services/T0/B0/LEAK2", "http"),
    ("host", "https://hooks.slack.com%2Fservices%2FT0%2FB0%2FLEAK1", "http"),
    ("schema", "services/T024BE7LH/B024BE7LK/x9y8z7w6", "slackwebhook"),
    ("login", "T024BE7LH/B024BE7LK/x9y8z7w6", "slackwebhook"),
    ("host", "https://discord.com/api/webhooks/1/LEAK3", "discord"),
    ("endpoint", "webhooks/108642/abcDEF", "discord"),
    ("host", "https://discordapp.com/api/v10/webhooks/12/abc-DEF_1", "http"),
    ("host", f"https://contoso.webhook.office.com/webhookb2/{UUID}@{UUID}/IncomingWebhook/{HEX}/{UUID}", "http"),
    ("host", f"https://outlook.office.com/webhook/{UUID}", "http"),
    (
        "host",
        "https://prod-1.westeurope.logic.azure.com/workflows/a/triggers/manual/paths/invoke?api-version=1&sig=x_Y",
        "http",
    ),
    ("schema", "workflows/a/triggers/manual/paths/invoke?sp=%2Frun&sig=abc", "http"),
    ("host", f"https://events.pagerduty.com/integration/{HEX}/enqueue", "http"),
    ("endpoint", f"/integration/{HEX}/enqueue", "http"),
    ("host", f"https://http-intake.logs.datadoghq.com/v1/input/{HEX}", "http"),
    ("url", f"https://http-intake.logs.datadoghq.eu/api/v2/logs?dd-api-key={HEX}", "http"),
    (
        "host",
        "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=AIzaSyDdI0hCZtE6vySjMm-WEfRq3CPzqKqqsHI&token=a",
        "http",
    ),
    ("host", "https://chat.googleapis.com/v1/spaces/AAAA/messages?token=abc%3D", "http"),
    ("host", "https://api.telegram.org/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "http"),
    ("schema", "bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage", "telegram"),
    ("host", "https://hooks.zapier.com/hooks/catch/1234567/bcdefg", "http"),
    ("host", "https://maker.ifttt.com/trigger/done/with/key/abcdef", "http"),
    ("host", f"https://hooks.chime.aws/incomingwebhooks/{UUID}?token=abc", "chime"),
    ("host", f"https://open.feishu.cn/open-apis/bot/v2/hook/{UUID}", "http"),
    ("host", "https://oapi.dingtalk.com/robot/send?access_token=abc", "http"),
    ("host", f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={UUID}", "http"),
    ("host", "https://mattermost.example.com/hooks/x1y2z3w4v5u6t7s8r9q0abcdef", "http"),
    ("host", f"https://n8n.example.com/webhook/{UUID}", "http"),
    ("host", f"https://api.example.com/{RANDOM}/events", "http"),
    ("url", "https://user:pass@host", None),
    ("url", "https://token@host", None),
    ("uri", "mongodb+srv://u:p%40x@cluster/db", None),
    ("jdbc_url", "jdbc:oracle:thin:scott/tiger@db:1521/x", None),
    ("jdbc_url", "jdbc:sqlserver://h;user=sa;password=abc", None),
    ("proxies", "http://u:p@proxy:3128", None),
    ("dsn", "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/1", None),
    ("options", "Server=x;Database=d;Uid=u;Pwd=abc;", None),
    ("conn", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==", None),
    (
        "schema",
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=abc=",
        "azure_service_bus",
    ),
    ("url", "https://acct.blob.core.windows.net/c?sv=2020-08-04&sig=abc%3D", None),
    ("config", '{"db": {"password": "x"}}', None),
    ("config", '[{"name": "API_TOKEN", "value": "x"}]', None),
    ("notes", "user: etl\npassword: hunter2\n", None),
    ("x", PEM.format("RSA", "RSA"), None),
    ("x", PEM.format("OPENSSH", "OPENSSH"), None),
    ("x", PEM.format("", ""), None),
    ("header", "Bearer abcdef123456", None),
    ("header", "Basic dXNlcjpwYXNz", None),
    ("header", "Authorization: Bearer abc.def.ghi", None),
    ("schema", "hooks/abc123def456ghi789jkl0", "http"),
    ("client_assertion", "x", None),
    ("fernet", "x9Zk", None),
    ("sasl.jaas.config", 'PlainLoginModule required username="u" password="p1";', "kafka"),
    ("x", "eyJhbGciOiJIUzI1NiJ9abc.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", None),
    ("login", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", None),
    ("login", "xoxb-" + "2147483647-abcDEF123", "slack"),
    ("x", "ghp_" + "a1B2c3D4" * 4, None),
    ("x", "glpat-" + "a1B2c3D4e5F6g7H8i9J0", None),
    ("x", "dapi" + HEX, None),
    ("x", "hvs." + RANDOM, None),
    ("x", "AIza" + "SyDdI0hCZtE6vySjMm-WEfRq3CPzqKqqsHI", None),
    ("x", "SG." + "a1B2c3D4e5F6g7H8i9J0.a1B2c3D4e5F6g7H8i9J0a1B2", None),
    ("x", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
    ("x", RANDOM, None),
    ("x", BASE64, None),
    ("openai_key", "a1b2c3d4e5f6a7b8c9d0", None),
    ("mailgun_key", HEX, None),
    ("PASSWORD_VALUE", "x", None),
    ("password", "none", "postgres"),
    ("password", "true", "postgres"),
]

PLAIN = [
    # names that only tell of a secret
    *((key, "some-value", None) for key in _UNNAMED.split()),
    # values of plain fields
    ("host", "postgres", "postgres"),
    ("host", "https://example.com:8080/api/v2", "http"),
    ("host", "https://hooks.slack.com", "slackwebhook"),
    ("host", "https://hooks.slack.com/services/", "slackwebhook"),
    ("host", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "slackwebhook"),
    ("host", "https://discord.com/api", "http"),
    ("host", "https://events.pagerduty.com/v2/enqueue", "http"),
    ("host", "https://api.telegram.org", "http"),
    ("host", "https://chat.googleapis.com/v1/spaces", "http"),
    ("host", "https://webhooks.example.com/airflow", "http"),
    ("host", "https://outlook.office.com", "http"),
    ("host", "ec2-203-0-113-25.compute-1.amazonaws.com", "ssh"),
    ("host", "my-cluster.abc123xyz789.eu-west-1.redshift.amazonaws.com", "redshift"),
    ("host", "adb-1234567890123456.7.azuredatabricks.net", "databricks"),
    ("host", "xy12345.eu-central-1.privatelink.snowflakecomputing.com", "snowflake"),
    ("host", "abfss://container@account.dfs.core.windows.net/path", None),
    ("host", "/cloudsql/my-project:europe-west1:my-instance", "postgres"),
    ("login", "someone@example.com", None),
    ("login", "airflow@my-project.iam.gserviceaccount.com", None),
    ("login", "AKIAIOSFODNN7EXAMPLE", "aws"),
    ("login", UUID, "azure"),
    ("login", "CORP\\svc_airflow", "mssql"),
    ("description", "The password is in the team's vault; ask Bob for a token.", None),
    ("description", "Rotated 2024-11-05 by DataPlatformTeam, ticket ABC-1234", None),
    ("project", "my-project-123456", None),
    ("client_id", "1234567890-abc123def456ghi789jkl012mno345pq.apps.googleusercontent.com", None),
    ("client_id", "3MVG9lKcPoNINVBIPJjdw1J9LLM82HnFVVX19KY1uA5mu0QqEWhqKpoW3svG3XHrXDiCQjK1mdgAvhCscA9GE", "salesforce"),
    ("spreadsheet_id", "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms", None),
    ("http_path", "/sql/1.0/warehouses/abc123def4567890", "databricks"),
    ("role_arn", "arn:aws:iam::123456789012:role/My-Role2", "aws"),
    ("role", "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1a2B3c4D5e6F7a8b", "aws"),
    ("path", "s3://my-bucket/Team/Data2024/Year/ABC/file_Name2.parquet", None),
    ("path", "/opt/airflow/dags/MyProject2/SubFolder3/LongFileNameWithVersion2.py", None),
    ("url", "https://my-account.blob.core.windows.net/container/Folder2024/MyFile.csv", None),
    ("image", f"registry.example.com/team/app@sha256:{HEX}{HEX}", None),
    ("path", "/var/lib/airflow/2024-11-30T12-00-00Z_report-final-v2.csv", None),
    ("url", "https://docs.google.com/spreadsheets/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit", None),
    ("token_bucket", "my-bucket", None),
    ("description", "Basic authentication with read-only access", None),
    ("git_sha", f"{HEX}9f86d081", None),
    ("commit", f"{HEX}9f86d081", None),
    ("integrity", "sha256-jZAewTbtcaQO8fZqcLL38Zr4LJnPeyhZAcKJ4zHy1p4=", None),
    ("host_key", SSH_PUBLIC, "ssh"),
    ("x", f"ssh-rsa {SSH_PUBLIC} me@host", None),
    ("x", "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQ\n-----END CERTIFICATE-----", None),
    ("x", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLP\n-----END PUBLIC KEY-----", None),
    ("ssh_key", "/opt/keys/id_ed25519", None),
    ("encryption_key", "arn:aws:kms:eu-west-1:123456789012:key/" + UUID, None),
    ("encryption_key", "projects/p/locations/eu/keyRings/r/cryptoKeys/k", None),
    ("key", "path/to/Object2024/part-00000-6a1b2c3d.snappy.parquet", None),
    ("cluster_id", "0123-456789-abcdefgh", None),
    ("version", "2024.11.05-RC2", None),
    ("class_name", "com.example.airflow.MyVeryLongClassNameFactoryBean2", None),
    ("driver", "{ODBC Driver 18 for SQL Server}", "mssql"),
    ("scope", "https://www.googleapis.com/auth/cloud-platform,https://www.googleapis.com/auth/drive", None),
    ("query", "SELECT token, password FROM t WHERE id = 3", None),
    ("token_uri", "https://oauth2.googleapis.com/token", None),
    ("url", "https://github.com/apache/airflow.git", None),
    ("repo", "git@github.com:apache/airflow.git", None),
    ("repo", "ssh://git@github.com/apache/airflow.git", None),
    ("endpoint_url", "http://127.0.0.1:9000", "aws"),
    ("proxy", "http://proxy.example.com:3128", None),
    ("dsn", "dbhost.example.com:1521/ORCLPDB1", "oracle"),
    ("timezone", "America/Argentina/Buenos_Aires", None),
    ("cron", "0 3 * * 1-5", None),
    ("json", '{"region": "x", "key_path": "/x", "max_tokens": 4096}', None),
    ("token", "false", None),
    ("password", "", None),
    # gaps of templates
    *((key, gap, None) for key in ("password", "api_key") for gap in (
        "<YOUR PASSWORD HERE>", "<password>", "${PASSWORD}", "$DB_PASSWORD", "{{ var.value.x }}", "{{ secrets.PW }}", "xxx",
        "XXXXXXXX", "*****", "changeme", "change-me", "CHANGE_ME!", "your-password", "YOUR_API_KEY", "your api key here",
        "%(password)s", "REPLACE_ME", "TODO", "...", "insert your token here", "[YOUR TOKEN]", "__PASSWORD__",
    )),
    ("host", "https://user:${PASSWORD}@host/x", None),
    ("host", "postgres://u:<password>@h/db", None),
    ("url", "https://host/x?token={{ var.value.token }}", None),
]  # fmt: skip


def test_the_table_is_large_enough() -> None:
    assert len(SECRET) > 150
    assert len(PLAIN) > 150


@pytest.mark.parametrize(("key", "value", "conn_type"), SECRET)
def test_a_secret_is_told(key: str, value: str, conn_type: str | None) -> None:
    assert why_secret(key, value, conn_type)


@pytest.mark.parametrize(("key", "value", "conn_type"), PLAIN)
def test_what_is_no_secret_stays_plain(key: str, value: str, conn_type: str | None) -> None:
    assert why_secret(key, value, conn_type) == ""


# What providers declare


def test_the_shipped_table_says_what_the_installed_providers_declare() -> None:
    assert {"keyfile_dict", "client_secret"} <= installed.declared("google_cloud_platform")
    assert (ROOT / "templates" / installed.SECRET_EXTRAS).read_text() == generated_secret_extras(), "make schema"


PROVIDER = """
def get_provider_info():
    return {"connection-types": [
        {"connection-type": "acme", "hook-class-name": "acme_provider.hook.AcmeHook",
         "conn-fields": {"entry": {"schema": {"type": "string", "format": "password"}}, "place": {"schema": {"type": "string"}}}},
    ]}
"""
HOOK = """
class AcmeHook:
    @classmethod
    def get_connection_form_widgets(cls):
        return {
            "extra__acme__vault_word": PasswordField(lazy_gettext("Word"), widget=BS3PasswordFieldWidget()),
            "shelf": StringField(lazy_gettext("Shelf")),
        }
"""


def test_a_provider_of_somebody_elses_is_read_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "acme_provider/__init__.py": PROVIDER,
        "acme_provider/hook.py": f"raise SystemExit\n{HOOK}",
        "airflow_acme-1.dist-info/entry_points.txt": "[apache_airflow_provider]\nx = acme_provider:get_provider_info\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    installed.declared.cache_clear()
    try:
        assert installed.declared("acme") == {"entry", "vault_word"}
        assert why_secret("vault_word", "x", "acme") == "is a secret"
        assert why_secret("shelf", "x", "acme") == ""
    finally:
        installed.declared.cache_clear()


def test_the_words_of_airflows_own_masker_are_among_ours() -> None:
    places = importlib.util.find_spec("airflow")
    if places is None or not places.submodule_search_locations:
        pytest.skip("Airflow is not installed here: make test")
    folder = Path(next(iter(places.submodule_search_locations)))
    files = (folder / "_shared/secrets_masker/secrets_masker.py", folder / "utils/log/secrets_masker.py")
    text = next(file for file in files if file.is_file()).read_text()
    words = set(re.findall(r'"(\w+)"', text.partition("DEFAULT_SENSITIVE_FIELDS = frozenset(")[2].partition(")")[0]))
    assert words
    by_value = {"dsn", "proxy", "proxies", "service_account"}
    assert not [word for word in words - by_value if not names_secret(word)]


# Inside data


def test_texts_in_data() -> None:
    data = {
        "env": [{"name": "API_TOKEN", "value": "one"}, {"name": "REGION", "value": "eu"}],
        "headers": {"X-Custom": "Bearer two-2222222", "Authorization": {"scheme": "three"}},
        "pin": 123456,
        "max_tokens": 4096,
        "tokens_per_minute": 100000,
        "password": True,
    }
    assert list(secret_texts(data)) == ["one", "Bearer two-2222222", "three", "123456"]


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("postgres", ("postgres",), False),
        ("my-snowflake.example.com", ("snowflake",), False),
        ("airflow", ("airflow",), False),
        ("etl12", ("etl12",), False),
        ("note: it is hunter-2x", ("hunter-2x",), True),
        ("u=s3cr3t-V4lue", ("s3cr3t-V4lue",), True),
        ("a1b2", ("a1b2",), False),
    ],
)
def test_what_repeats_a_secret(text: str, secrets: tuple[str, ...], *, expected: bool) -> None:
    assert repeats(text, secrets) is expected


# Hostile texts


@pytest.mark.parametrize(
    "text",
    ["a" * 300_000, "a-" * 150_000, "://@" * 80_000, "x=" * 150_000, "hook" * 80_000, "-----BEGIN PUBLIC KEY-----" * 9_000,
     "https://" + "a:" * 150_000, ("password: " * 30_000), "/services/T" * 30_000, "eyJ-" * 60_000, "your_" * 60_000, "{" * 100_000],
)  # fmt: skip
def test_a_long_text_takes_no_longer_than_reading_it(text: str) -> None:
    started = time.process_time()
    why_secret("x", text)
    assert time.process_time() - started < 2
