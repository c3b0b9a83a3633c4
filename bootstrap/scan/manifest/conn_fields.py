"""Which fields of a connection somebody has to fill in, by conn_type, as the providers' documentation of each connection says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Field = tuple[str, ...]  # ("password",) or ("extra", "keyfile_dict")


@dataclass(frozen=True)
class Fields:
    """`needed`: what hardly any connection of the type is without. `more`: a comment for what some have, on one line each."""

    needed: tuple[Field, ...]
    more: tuple[str, ...] = ()


def fields_of(conn_type: str) -> Fields:
    """Of a conn_type; a host, a login and a password of one that isn't listed."""
    return _KNOWN.get(conn_type, _fields("host login password", "port, schema, extra: what its hook takes"))


def _fields(needed: str, *more: str) -> Fields:
    return Fields(tuple(tuple(each.split("/")) for each in needed.split()), more)


def _database(port: int, *more: str) -> Fields:
    return _fields("host schema login password", f"port: {port}  # if it is another one", *more)


_TOKEN = _fields("password")
_SERVICE = _fields("host login password")
_GOOGLE = _fields(
    "extra/keyfile_dict", "without extra, Application Default Credentials are used", "in extra, too: project: PROJECT"
)
_AZURE = _fields("login password extra/tenantId", "without any of them, the machine's identity is used")
_AWS = _fields(
    "login password", "without login and password, the machine's role is used", "extra: {region_name: REGION}"
)
_SHELL = _fields("host login password", "port: 22", 'extra: {private_key: {secret: "STORE:PATH#FIELD"}}')
_KNOWN: Mapping[str, Fields] = {
    "postgres": _database(5432),
    "redshift": _database(5439),
    "mysql": _database(3306),
    "mssql": _database(1433),
    "oracle": _fields("host login password", "port: 1521", "schema: LOGIN", "extra: {service_name: SERVICE}"),
    "vertica": _database(5433),
    "exasol": _database(8563),
    "teradata": _fields("host login password", "schema: DATABASE"),
    "clickhouse": _database(9000),
    "snowflake": _fields("login password extra/account", "schema: SCHEMA", "in extra, too: warehouse, database, role"),
    "databricks": _fields("host password", "extra: {http_path: PATH}"),
    "trino": _fields("host login", "port: 8080", "schema, password: where the server wants them"),
    "presto": _fields("host login", "port: 8080", "schema, password: where the server wants them"),
    "hiveserver2": _fields("host login", "port: 10000", "schema, password: where the server wants them"),
    "hive_cli": _fields("host", "port: 10000", "schema, login, password: where the server wants them"),
    "hive_metastore": _fields("host", "port: 9083"),
    "impala": _fields("host", "port: 21050"),
    "druid": _fields("host", "port: 8082", "schema: http or https", "extra: {endpoint: PATH}"),
    "drill": _fields("host login password", "port: 8047"),
    "pinot": _fields("host", "port: 8000"),
    "cassandra": _fields("host", "port: 9042", "schema, login, password: where the cluster wants them"),
    "mongo": _fields("host login password", "port: 27017"),
    "elasticsearch": _fields("host", "port: 9200", "login, password: where the server wants them"),
    "opensearch": _fields("host login password", "port: 9200"),
    "redis": _fields("host", "port: 6379", "password: where the server wants one"),
    "sqlite": _fields("host", "host is the path of the database's file"),
    "odbc": _fields("host schema login password", "extra: {driver: DRIVER}"),
    "jdbc": _fields("host login password", "host is the JDBC URL", "extra: {driver_class: CLASS, driver_path: PATH}"),
    "neo4j": _fields("host login password", "port: 7687"),
    "influxdb": _fields("host extra/token", "in extra, too: org_name"),
    "http": _fields("host", "host is the URL, as https://HOST/PATH", "login, password: where the server wants them"),
    "livy": _fields("host", "port: 8998", "login, password: where the server wants them"),
    "spark": _fields("host", "host is the master: spark://HOST, yarn, k8s://…", "port: 7077"),
    "spark_connect": _fields("host", "port: 15002"),
    "spark_sql": _fields("host"),
    "ssh": _SHELL,
    "sftp": _SHELL,
    "ftp": _fields("host login password", "port: 21"),
    "smtp": _fields("host login password", "port: 465", "extra: {from_email: ADDRESS}"),
    "imap": _fields("host login password", "port: 993"),
    "samba": _fields("host schema login password", "schema is the share"),
    "docker": _fields("host login password", "host is the registry"),
    "kubernetes": _fields("extra/kube_config", "inside of the cluster: extra: {in_cluster: true}"),
    "vault": _fields("host password", "host is the address, password a token", "port: 8200"),
    "kafka": _fields("extra/bootstrap.servers", "extra: the consumer's and producer's options"),
    "fs": _fields("", "extra: {path: FOLDER}"),
    "package_index": _fields("host"),
    "git": _fields("host", "login, password: where the repository wants them"),
    "github": _TOKEN,
    "slack": _TOKEN,
    "slackwebhook": _TOKEN,
    "openai": _TOKEN,
    "cohere": _TOKEN,
    "asana": _TOKEN,
    "pinecone": _fields("login password"),
    "opsgenie": _TOKEN,
    "pagerduty": _fields("password", 'extra: {routing_key: {secret: "STORE:PATH#FIELD"}}'),
    "pagerduty_events": _TOKEN,
    "dbt_cloud": _fields("login password", "login is the account's id", "host: where the account is"),
    "fivetran": _fields("login password"),
    "airbyte": _fields("host", "login, password: the client's id and secret"),
    "discord": _fields("extra/webhook_endpoint", "host: https://discord.com/api/"),
    "telegram": _fields("password", "host: the chat's id"),
    "tableau": _SERVICE,
    "jenkins": _SERVICE,
    "jira": _SERVICE,
    "salesforce": _fields("login password extra/security_token"),
    "google_cloud_platform": _GOOGLE,
    "gcpbigquery": _GOOGLE,
    "gcpspanner": _GOOGLE,
    "gcpcloudsql": _GOOGLE,
    "dataprep": _TOKEN,
    "aws": _AWS,
    "athena": _AWS,
    "emr": _fields("", "extra: what create_job_flow takes"),
    "azure": _AZURE,
    "azure_data_factory": _AZURE,
    "azure_synapse": _AZURE,
    "azure_batch": _fields("login password extra/account_url"),
    "azure_container_registry": _SERVICE,
    "azure_cosmos": _fields("login password", "login is the account's URL"),
    "wasb": _fields(
        "login password", "login is the account's name", 'or extra: {connection_string: {secret: "STORE:PATH#FIELD"}}'
    ),
    "adls": _fields("login password extra/tenant_id", "host: the account's name"),
    "yandexcloud": _fields("extra/service_account_json"),
}
