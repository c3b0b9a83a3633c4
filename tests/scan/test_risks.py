"""Each rule on DAG files: what it finds, and what looks alike and is none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bootstrap.errors import UsageError
from bootstrap.scan.code.interpreter import Interpreter
from bootstrap.scan.code.project import Project
from bootstrap.scan.model import Risk
from bootstrap.scan.operators.table import Operators, shipped
from bootstrap.scan.risks.find import FINDERS, risks
from bootstrap.scan.risks.rules import RULES, explain
from bootstrap.scan.sources.files import collect

HEAD = """\
from datetime import timedelta
from airflow.sdk import DAG, BaseHook, Connection, Variable, chain, dag, task
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.cloud_formation import CloudFormationCreateStackOperator, CloudFormationDeleteStackOperator
from airflow.providers.amazon.aws.operators.dms import DmsStartTaskOperator
from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator, EmrCreateJobFlowOperator, EmrTerminateJobFlowOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
from airflow.providers.amazon.aws.operators.rds import RdsCreateDbSnapshotOperator
from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator, S3DeleteBucketOperator
from airflow.providers.amazon.aws.sensors.emr import EmrStepSensor
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.providers.amazon.aws.transfers.sftp_to_s3 import SFTPToS3Operator
from airflow.providers.apache.livy.operators.livy import LivyOperator
from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.common.sql.operators.generic_transfer import GenericTransfer
from airflow.providers.google.cloud.hooks.gcs import GCSHook
from airflow.providers.google.cloud.operators.dataproc import DataprocCreateBatchOperator, DataprocSubmitJobOperator
from airflow.providers.google.cloud.transfers.mysql_to_gcs import MySQLToGCSOperator
from airflow.providers.google.cloud.transfers.postgres_to_gcs import PostgresToGCSOperator
from airflow.providers.google.cloud.transfers.s3_to_gcs import S3ToGCSOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.ssh.hooks.ssh import SSHHook
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
"""


def found(folder: Path, source: str) -> list[Risk]:
    """The risks of one DAG file, with line 1 where `source` begins."""
    (folder / "load.py").write_text(HEAD + dedent(source))
    collected = collect(folder)
    interpreter = Interpreter(Project(collected))
    modules = [Project(collected).module(file) for file in collected.files]
    for module in modules:
        interpreter.run(module)
    interpreter.finish()
    return risks(interpreter.calls, Operators(shipped()), {module.path: module.parsed for module in modules})


def codes(folder: Path, source: str) -> list[str]:
    return [risk.code for risk in found(folder, source)]


def test_a_look_up_at_the_top_level_says_what_to_write_instead(tmp_path: Path) -> None:
    (risk,) = found(tmp_path, 'with DAG("d"):\n    host = BaseHook.get_connection("sales").host\n')
    assert (risk.code, risk.place.line - HEAD.count("\n"), risk.place.by) == ("AB101", 2, "BaseHook.get_connection")
    assert risk.message == 'BaseHook.get_connection("sales") runs whenever Airflow parses this file'
    assert risk.fix == "call it in the task, or write {{ conn.sales.host }} in a templated argument"


@pytest.mark.parametrize(
    "source",
    [
        'REGION = Variable.get("region", "eu")',
        'conn = Connection.get("sales")',
        'rows = PostgresHook(postgres_conn_id="sales").get_records("select 1")',
        'conn = PostgresHook.get_connection("sales")',
        "gcs = GCSHook()",
        'ssh = SSHHook(ssh_conn_id="edge")',
        'def build():\n    return Variable.get("region")\nwith DAG("d", tags=[build()]): pass',
    ],
)
def test_what_every_parse_looks_up_is_found(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == ["AB101"]


@pytest.mark.parametrize(
    "source",
    [
        'hook = PostgresHook(postgres_conn_id="sales")',  # connects when it is used
        's3 = S3Hook(aws_conn_id="lake")',
        'ssh = SSHHook(remote_host="edge")',
        '@task\ndef load():\n    return PostgresHook("sales").get_records("select 1"), Variable.get("region")\nload()',
        'def load():\n    BaseHook.get_connection("sales")\nPythonOperator(task_id="t", python_callable=load)',
        'bucket, key = S3Hook.parse_s3_url("s3://lake/x")',
    ],
)
def test_what_only_a_task_looks_up_is_no_risk(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "argument"),
    [
        ('EmrAddStepsOperator(task_id="t", job_flow_id="j")', "EmrAddStepsOperator.wait_for_completion"),
        (
            'GlueJobOperator(task_id="t", job_name="j", wait_for_completion=False)',
            "GlueJobOperator.wait_for_completion",
        ),
        ('DataprocSubmitJobOperator(task_id="t", asynchronous=True)', "DataprocSubmitJobOperator.asynchronous"),
        ('LivyOperator(task_id="t", file="f.jar")', "LivyOperator.polling_interval"),
        ('KubernetesJobOperator(task_id="t", deferrable=True)', "KubernetesJobOperator.wait_until_job_complete"),
        ('DmsStartTaskOperator(task_id="t", replication_task_arn="arn")', "DmsStartTaskOperator"),
        (
            'LambdaInvokeFunctionOperator(task_id="t", function_name="f", invocation_type="Event")',
            "LambdaInvokeFunctionOperator.invocation_type",
        ),
        (
            'with DAG("d", default_args={"wait_for_completion": False}):\n    GlueJobOperator(task_id="t", job_name="j")',
            "GlueJobOperator.wait_for_completion",
        ),
        (
            'EmrCreateJobFlowOperator(task_id="t", job_flow_overrides={"Steps": [{"Name": "sum"}]})',
            "EmrCreateJobFlowOperator.wait_policy",
        ),
    ],
)
def test_fire_and_forget_goes_by_the_operators_own_default(tmp_path: Path, source: str, argument: str) -> None:
    (risk,) = found(tmp_path, source)
    assert (risk.code, risk.place.by) == ("AB201", argument)


@pytest.mark.parametrize(
    "source",
    [
        'GlueJobOperator(task_id="t", job_name="j")',  # waits by default
        'EmrAddStepsOperator(task_id="t", job_flow_id="j", wait_for_completion=True)',
        'EmrAddStepsOperator(task_id="t", job_flow_id="j", deferrable=True)',
        'EmrAddStepsOperator(task_id="t", job_flow_id="j", wait_for_completion=WAIT)',
        'EmrAddStepsOperator(task_id="t", job_flow_id="j", **OPTIONS)',
        'EmrAddStepsOperator(task_id="t", job_flow_id="j")\nEmrStepSensor(task_id="w", job_flow_id="j", step_id="s", timeout=60)',
        'EmrTerminateJobFlowOperator(task_id="t", job_flow_id="j")',
        'EmrCreateJobFlowOperator(task_id="t", job_flow_overrides={"Steps": []})',
        'EmrCreateJobFlowOperator(task_id="t", job_flow_overrides={"Steps": [1], "Instances": {"KeepJobFlowAliveWhenNoSteps": True}})',
        'LivyOperator(task_id="t", file="f.jar", polling_interval=30)',
        'LambdaInvokeFunctionOperator(task_id="t", function_name="f")',
        'class Mine(EmrAddStepsOperator):\n    def execute(self, context): super().execute(context)\nMine(task_id="t", job_flow_id="j")',
    ],
)  # fmt: skip
def test_what_waits_or_may_wait_is_no_fire_and_forget(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == []


def test_a_sensor_on_another_connection_waits_for_something_else(tmp_path: Path) -> None:
    add = 'EmrAddStepsOperator(task_id="t", job_flow_id="j", aws_conn_id="one")\n'
    assert codes(tmp_path, add + 'EmrStepSensor(task_id="w", aws_conn_id="other", timeout=60)') == ["AB201"]
    assert codes(tmp_path, add + 'EmrStepSensor(task_id="w", aws_conn_id="one", timeout=60)') == []


@pytest.mark.parametrize("order", ["t >> e", "a >> t >> e", "t >> [e]", "e << t", "chain(a, t, e)", "t.set_downstream(e)", "e.set_upstream(t)"])  # fmt: skip
def test_another_dags_run_is_forgotten_where_something_comes_after_it(tmp_path: Path, order: str) -> None:
    tasks = 't = TriggerDagRunOperator(task_id="t", trigger_dag_id="other")\ne, a = EmptyOperator(task_id="e"), EmptyOperator(task_id="a")\n'
    assert codes(tmp_path, tasks + order) == ["AB201"]


@pytest.mark.parametrize("order", ["", "e >> t", "a >> e >> t", "t << e", "chain(a, e, t)"])
def test_another_dags_run_in_the_end_shows_its_own_failure(tmp_path: Path, order: str) -> None:
    tasks = 't = TriggerDagRunOperator(task_id="t", trigger_dag_id="other")\ne, a = EmptyOperator(task_id="e"), EmptyOperator(task_id="a")\n'
    assert codes(tmp_path, tasks + order) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("poke_interval=1", "S3KeySensor asks every 1 s"),
        ("poke_interval=0.5", "S3KeySensor asks every 0.5 s"),
        ("poke_interval=timedelta(seconds=2)", "S3KeySensor asks every 2 s"),
        ("poke_interval=timedelta(milliseconds=20)", "S3KeySensor asks every 0.02 s"),
        ("poke_interval=0", "S3KeySensor asks without a pause"),
    ],
)
def test_an_interval_under_5_seconds_is_found(tmp_path: Path, given: str, message: str) -> None:
    (risk,) = found(tmp_path, f'S3KeySensor(task_id="t", bucket_key="k", timeout=60, {given})')
    assert (risk.code, risk.message, risk.place.by) == ("AB202", message, "S3KeySensor.poke_interval")


@pytest.mark.parametrize("given", ["poke_interval=5", "poke_interval=60 * 5", "poke_interval=timedelta(minutes=1)", "poke_interval=WAIT"])  # fmt: skip
def test_a_longer_or_an_unknown_interval_is_no_risk(tmp_path: Path, given: str) -> None:
    assert codes(tmp_path, f'S3KeySensor(task_id="t", bucket_key="k", timeout=60, {given})') == []


def test_an_operators_own_short_interval_is_its_providers_choice(tmp_path: Path) -> None:
    source = 'KubernetesJobOperator(task_id="t", wait_until_job_complete=True{})'
    assert codes(tmp_path, source.format("")) == []
    assert codes(tmp_path, source.format(", poll_interval=1")) == ["AB202"]


@pytest.mark.parametrize(
    ("given", "long"),
    [
        ("", "7 days"),
        ("timeout=7200", "2 hours"),
        ("timeout=60 * 60 * 30", "30 hours"),
        ('timeout=timedelta(days=2), mode="poke"', "2 days"),
        ("execution_timeout=timedelta(hours=3)", "3 hours"),
        ("deferrable=False", "7 days"),
    ],
)
def test_a_sensor_that_pokes_for_over_an_hour_holds_a_slot(tmp_path: Path, given: str, long: str) -> None:
    (risk,) = found(tmp_path, f'S3KeySensor(task_id="t", bucket_key="k", {given})')
    assert (risk.code, risk.message) == ("AB203", f"S3KeySensor holds a worker's slot for up to {long}")


@pytest.mark.parametrize(
    "given",
    ['mode="reschedule"', "deferrable=True", "deferrable=MODE", "mode=MODE", "timeout=3600", "timeout=WAIT", "execution_timeout=timedelta(minutes=5)", "**OPTIONS"],
)  # fmt: skip
def test_a_sensor_that_frees_its_slot_or_may_is_no_risk(tmp_path: Path, given: str) -> None:
    assert codes(tmp_path, f'S3KeySensor(task_id="t", bucket_key="k", {given})') == []


def test_default_args_count_for_a_sensor(tmp_path: Path) -> None:
    source = 'with DAG("d", default_args={"mode": "reschedule"}):\n    HttpSensor(task_id="t", endpoint="x")'
    assert codes(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            'RdsCreateDbSnapshotOperator(task_id="t", db_identifier="db", db_snapshot_identifier="nightly")',
            "RdsCreateDbSnapshotOperator creates nightly in the first run; every later one fails, as it exists",
        ),
        (
            'DataprocCreateBatchOperator(task_id="t", batch_id="sum")',
            "DataprocCreateBatchOperator creates sum in the first run; every later one gets that one's result",
        ),
        (
            'S3CreateBucketOperator(task_id="t", bucket_name="tmp")\nS3DeleteBucketOperator(task_id="u", bucket_name="tmp")',
            "every run creates and deletes tmp: two runs at a time take it from each other",
        ),
    ],
)
def test_a_fixed_name_for_what_each_run_creates_is_found(tmp_path: Path, source: str, message: str) -> None:
    (risk,) = found(tmp_path, source)
    assert (risk.code, risk.message) == ("AB204", message)


@pytest.mark.parametrize(
    "source",
    [
        'RdsCreateDbSnapshotOperator(task_id="t", db_identifier="db", db_snapshot_identifier="nightly-{{ ds }}")',
        'RdsCreateDbSnapshotOperator(task_id="t", db_identifier="db", db_snapshot_identifier=NAME)',
        'S3CreateBucketOperator(task_id="t", bucket_name="lake")',  # where it is there already, it stays
        'with DAG("d", max_active_runs=1):\n    S3CreateBucketOperator(task_id="t", bucket_name="tmp")\n    S3DeleteBucketOperator(task_id="u", bucket_name="tmp")',
        'S3CreateBucketOperator(task_id="t", bucket_name="lake")\nS3DeleteBucketOperator(task_id="u", bucket_name="other")',
    ],
)  # fmt: skip
def test_a_name_of_the_runs_own_or_a_lasting_thing_is_no_risk(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        'S3ToGCSOperator(task_id="t", bucket="b", dest_gcs="gs://x/")',
        'SFTPToS3Operator(task_id="t", sftp_path="/x", s3_bucket="b", s3_key="k")',
        'PostgresToGCSOperator(task_id="t", sql="select 1", bucket="b", filename="f")',
        'GenericTransfer(task_id="t", sql="select 1", destination_table="t", source_conn_id="a", destination_conn_id="b")',
        'def load():\n    GCSHook().upload("b", "o", data=S3Hook().read_key("k"))\nPythonOperator(task_id="t", python_callable=load)',
        '@task\ndef load():\n    rows = PostgresHook("a").get_records("select 1")\n    PostgresHook("b").insert_rows("t", rows)\nload()',
        '@task\ndef load():\n    PostgresHook("a").get_pandas_df("select 1").to_sql("t", engine)\nload()',
    ],
)
def test_data_that_needs_no_worker_is_found(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == ["AB205"]


@pytest.mark.parametrize(
    "source",
    [
        'S3ToGCSOperator(task_id="t", bucket="b", dest_gcs="gs://x/", deferrable=True)',
        'SFTPToS3Operator(task_id="t", sftp_path="/x", s3_bucket="b", s3_key="k", use_temp_file=False)',
        'PostgresToGCSOperator(task_id="t", sql="select 1", bucket="b", filename="f", use_server_side_cursor=True)',
        'MySQLToGCSOperator(task_id="t", sql="select 1", bucket="b", filename="f")',
        'GenericTransfer(task_id="t", sql="select 1", destination_table="t", source_conn_id="a", destination_conn_id="b", page_size=1000)',
        '@task\ndef load():\n    return len(S3Hook().read_key("k"))\nload()',
        '@task\ndef load():\n    GCSHook().upload("b", "o", filename="/tmp/x")\nload()',
    ],
)
def test_data_that_streams_or_is_only_looked_at_is_no_risk(tmp_path: Path, source: str) -> None:
    assert codes(tmp_path, source) == []


def test_a_noqa_silences_the_rule_that_it_names(tmp_path: Path) -> None:
    source = 'EmrAddStepsOperator(  # noqa: {}\n    task_id="t",\n    job_flow_id="j",\n)'
    assert codes(tmp_path, source.format("AB201")) == []
    assert codes(tmp_path, source.format("AB202")) == ["AB201"]


def test_a_line_that_runs_with_many_values_is_one_finding(tmp_path: Path) -> None:
    assert codes(tmp_path, 'for name in ("a", "b", "c"):\n    Variable.get(name)') == ["AB101"]


@pytest.mark.parametrize("code", RULES)
def test_each_rule_explains_itself(code: str) -> None:
    said = explain(code.lower())
    assert said.startswith(f"{code}: {RULES[code].title}\n")
    assert f"Fix: {RULES[code].fix}." in said
    assert (f"# noqa: {code}" in said) == (code in FINDERS)


def test_an_unknown_code_is_no_rule() -> None:
    with pytest.raises(UsageError, match="there is no rule 'AB999'"):
        explain("AB999")
