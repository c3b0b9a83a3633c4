"""The table of operators: which arguments are connection ids, what they default to, and for which hook they are."""

from __future__ import annotations

import pytest

from bootstrap.scan.operators.table import ConnArgument, Operator, Operators, shipped
from tests.project import ROOT
from tools.operators_table import generated

PROVIDERS = "airflow.providers"


@pytest.fixture(scope="module")
def table() -> Operators:
    return Operators(shipped())


def found(table: Operators, name: str) -> Operator:
    operator = table.find(name)
    assert operator is not None, name
    return operator


def connections(table: Operators, name: str) -> dict[str, tuple[str | None, str | None]]:
    return {each.name: (each.default, each.conn_type) for each in found(table, name).connections}


@pytest.mark.parametrize(
    ("name", "argument", "default", "conn_type"),
    [
        # a constant of its own
        ("google.cloud.operators.bigquery.BigQueryInsertJobOperator", "gcp_conn_id", "google_cloud_default", None),
        # over two modules and a mixin
        ("amazon.aws.operators.s3.S3CreateBucketOperator", "aws_conn_id", "aws_default", "aws"),
        ("amazon.aws.sensors.s3.S3KeySensor", "aws_conn_id", "aws_default", "aws"),
        # a hook's class attribute
        (
            "cncf.kubernetes.operators.pod.KubernetesPodOperator",
            "kubernetes_conn_id",
            "kubernetes_default",
            "kubernetes",
        ),
        ("slack.operators.slack.SlackAPIPostOperator", "slack_conn_id", "slack_api_default", "slack"),
        # another provider's base
        ("apache.spark.operators.spark_submit.SparkSubmitOperator", "conn_id", "spark_default", "spark"),
        # no `…_conn_id`
        ("apache.kafka.operators.produce.ProduceToTopicOperator", "kafka_config_id", "kafka_default", "kafka"),
        ("jenkins.operators.jenkins_job_trigger.JenkinsJobTriggerOperator", "jenkins_connection_id", None, "jenkins"),
        # its own type, and not that of the other hook that takes the same argument
        (
            "amazon.aws.transfers.s3_to_redshift.S3ToRedshiftOperator",
            "redshift_conn_id",
            "redshift_default",
            "redshift",
        ),
        (
            "google.ads.transfers.ads_to_gcs.GoogleAdsToGcsOperator",
            "google_ads_conn_id",
            "google_ads_default",
            "google_ads",
        ),
        # ArgNotSet, for which a method takes this one
        ("amazon.aws.transfers.s3_to_redshift.S3ToRedshiftOperator", "aws_conn_id", "aws_default", "aws"),
        # None, which the hook takes for its own default
        ("yandex.operators.yq.YQExecuteQueryOperator", "yandex_conn_id", "yandexcloud_default", "yandexcloud"),
        # None, for which `self.default_conn_name` is taken: a subclass's own
        (
            "common.ai.hooks.pydantic_ai.PydanticAIAzureHook",
            "llm_conn_id",
            "pydanticai_azure_default",
            "pydanticai_azure",
        ),
        # gone from the provider
        ("snowflake.operators.snowflake.SnowflakeOperator", "snowflake_conn_id", "snowflake_default", "snowflake"),
        ("mysql.operators.mysql.MySqlOperator", "mysql_conn_id", "mysql_default", "mysql"),
        # only the connection says what it is, and none is needed without one
        ("common.sql.operators.sql.SQLExecuteQueryOperator", "conn_id", None, "-"),
        ("docker.operators.docker.DockerOperator", "docker_conn_id", None, "docker"),
        ("ssh.operators.ssh.SSHOperator", "ssh_conn_id", None, "ssh"),
    ],
)
def test_an_operators_connection(
    table: Operators, name: str, argument: str, default: str | None, conn_type: str | None
) -> None:
    wanted = {None: "google_cloud_platform", "-": None}.get(conn_type, conn_type)
    assert connections(table, f"{PROVIDERS}.{name}")[argument] == (default, wanted)


def test_each_end_of_a_transfer_has_its_own(table: Operators) -> None:
    assert connections(table, f"{PROVIDERS}.google.cloud.transfers.s3_to_gcs.S3ToGCSOperator") == {
        "aws_conn_id": ("aws_default", "aws"),
        "gcp_conn_id": ("google_cloud_default", "google_cloud_platform"),
    }
    assert connections(table, f"{PROVIDERS}.amazon.aws.transfers.sftp_to_s3.SFTPToS3Operator")["sftp_conn_id"] == (
        "ssh_default",
        "ssh",
    )


def test_ids_of_another_systems_own_are_none(table: Operators) -> None:
    assert connections(table, f"{PROVIDERS}.airbyte.operators.airbyte.AirbyteTriggerSyncOperator") == {
        "airbyte_conn_id": ("airbyte_default", "airbyte")
    }


def test_an_argument_that_a_base_fills_in_is_none_of_the_operators(table: Operators) -> None:
    operator = found(table, f"{PROVIDERS}.postgres.operators.postgres.PostgresOperator")
    assert operator.connections == (ConnArgument("postgres_conn_id", "postgres_default", "postgres"),)
    assert "conn_id" not in operator.parameters
    assert {"sql", "autocommit", "task_id", "retries"} <= operator.parameters


def test_a_default_that_another_hook_makes_useless_is_not_needed(table: Operators) -> None:
    gke = connections(table, f"{PROVIDERS}.google.cloud.operators.kubernetes_engine.GKEStartPodOperator")
    assert gke["gcp_conn_id"] == ("google_cloud_default", "google_cloud_platform")
    assert gke["kubernetes_conn_id"][0] is None


def test_a_database_hooks_first_argument_is_its_connection(table: Operators) -> None:
    hook = found(table, f"{PROVIDERS}.postgres.hooks.postgres.PostgresHook")
    assert hook.kind == "hook"
    assert hook.positional == ("postgres_conn_id",)
    assert hook.connections == (ConnArgument("postgres_conn_id", "postgres_default", "postgres"),)
    assert found(table, f"{PROVIDERS}.amazon.aws.hooks.s3.S3Hook").positional[0] == "aws_conn_id"
    assert found(table, f"{PROVIDERS}.apache.druid.hooks.druid.DruidDbApiHook").positional[1] == "druid_broker_conn_id"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("airflow.operators.postgres_operator.PostgresOperator", "postgres.operators.postgres.PostgresOperator"),
        ("airflow.operators.python_operator.PythonOperator", "standard.operators.python.PythonOperator"),
        ("airflow.operators.bash.BashOperator", "standard.operators.bash.BashOperator"),
        ("airflow.operators.http_operator.SimpleHttpOperator", "http.operators.http.SimpleHttpOperator"),
        ("airflow.hooks.S3_hook.S3Hook", "amazon.aws.hooks.s3.S3Hook"),
        ("airflow.hooks.postgres_hook.PostgresHook", "postgres.hooks.postgres.PostgresHook"),
        ("airflow.sensors.http_sensor.HttpSensor", "http.sensors.http.HttpSensor"),
        ("airflow.contrib.operators.bigquery_operator.BigQueryOperator", "google.cloud.operators.bigquery.BigQueryExecuteQueryOperator"),
        ("airflow.contrib.sensors.gcs_sensor.GoogleCloudStorageObjectSensor", "google.cloud.sensors.gcs.GCSObjectExistenceSensor"),
        (f"{PROVIDERS}.cncf.kubernetes.operators.kubernetes_pod.KubernetesPodOperator", "cncf.kubernetes.operators.pod.KubernetesPodOperator"),
        (f"{PROVIDERS}.slack.notifications.slack.send_slack_notification", "slack.notifications.slack.SlackNotifier"),
        ("airflow.operators.DummyOperator", "standard.operators.empty.EmptyOperator"),
        ("airflow.contrib.hooks.GoogleCloudStorageHook", "google.cloud.hooks.gcs.GCSHook"),
        (f"{PROVIDERS}.postgres.operators.PostgresOperator", "postgres.operators.postgres.PostgresOperator"),
    ],
)  # fmt: skip
def test_old_and_other_names_lead_to_the_class(table: Operators, old: str, new: str) -> None:
    assert found(table, old).name == f"{PROVIDERS}.{new}"


def test_airflows_own_classes_are_found_by_what_they_were_and_are_called(table: Operators) -> None:
    operator = found(table, "airflow.models.BaseOperator")
    assert (
        operator == found(table, "airflow.sdk.BaseOperator") == found(table, "airflow.models.baseoperator.BaseOperator")
    )
    assert operator.package == "apache-airflow"
    sensor = found(table, "airflow.sdk.BaseSensorOperator")
    assert (sensor.kind, sensor.defaults["poke_interval"], sensor.defaults["mode"]) == ("sensor", 60, "poke")


def test_an_unknown_name_is_none(table: Operators) -> None:
    assert table.find("acme.operators.PostgresOperator") is None
    assert table.find("airflow.providers.acme.operators.acme.AcmeOperator") is None
    assert table.find("PostgresOperator") is None


def test_an_older_name_of_an_argument_says_which_one_it_replaces(table: Operators) -> None:
    operator = found(table, f"{PROVIDERS}.amazon.aws.transfers.gcs_to_s3.GCSToS3Operator")
    old = ConnArgument("google_cloud_storage_conn_id", None, "google_cloud_platform", "gcp_conn_id")
    assert old in operator.connections


def test_defaults_are_those_of_the_nearest_class(table: Operators) -> None:
    glacier = found(table, f"{PROVIDERS}.amazon.aws.sensors.glacier.GlacierJobOperationSensor").defaults
    assert (glacier["poke_interval"], glacier["mode"]) == (1200, "reschedule")
    job = found(table, f"{PROVIDERS}.google.cloud.operators.bigquery.BigQueryInsertJobOperator").defaults
    assert job["deferrable"] is False


def test_a_task_decorator_is_the_operator_behind_it(table: Operators) -> None:
    for name, operator in {
        "docker": "DockerOperator",
        "kubernetes": "KubernetesPodOperator",
        "pyspark": "PySparkOperator",
        "snowpark": "SnowparkOperator",
        "sql": "SQLExecuteQueryOperator",
        "bash": "BashOperator",
    }.items():
        behind = table.decorator(name)
        assert behind is not None
        assert behind.name.endswith(f".{operator}")
    assert table.decorator("nothing") is None


def test_a_conn_types_hook_and_package(table: Operators) -> None:
    hook = table.hook_of("gcpbigquery")
    assert hook is not None
    assert hook.name == f"{PROVIDERS}.google.cloud.hooks.bigquery.BigQueryHook"
    assert table.hook_of("acme") is None
    assert table.package_of("snowflake") == "apache-airflow-providers-snowflake"
    assert (
        found(table, f"{PROVIDERS}.microsoft.mssql.hooks.mssql.MsSqlHook").package
        == "apache-airflow-providers-microsoft-mssql"
    )


def test_the_whole_table_can_be_read(table: Operators) -> None:
    operators = list(table.all())
    with_connection = [each for each in operators if each.connections and each.kind in {"operator", "sensor"}]
    assert len(with_connection) > 1_300
    for each in operators:
        assert each.package.startswith("apache-airflow"), each
        assert set(each.positional) <= each.parameters, each
        assert set(each.defaults) <= each.parameters, each
        assert len({argument.name for argument in each.connections}) == len(each.connections), each


def test_the_table_is_current() -> None:
    assert (ROOT / "templates" / "operators.json").read_text() == generated(), "make schema"
