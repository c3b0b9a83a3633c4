from __future__ import annotations

import pytest

from bootstrap.scan.model import Place
from bootstrap.scan.resources.of_call import resources
from bootstrap.scan.resources.systems import amazon, databases, google, others
from bootstrap.scan.resources.systems.table import entries
from tests.scan.literal_calls import call, found

BOTH = {"gcp_conn_id": ["g"], "aws_conn_id": ["a"]}


def test_a_transfer_reads_its_source_and_writes_its_destination_each_on_its_own_connection() -> None:
    source = "S3ToGCSOperator(bucket='in', prefix='day/', dest_gcs='gs://out/copy/')"
    assert found(source, BOTH) == [
        ("a read", "object", "in/day/", False),
        ("g write", "object", "out/copy/", False),
    ]


def test_a_load_into_bigquery_reads_objects_and_writes_a_table() -> None:
    source = (
        "GCSToBigQueryOperator(bucket='b', source_objects=['x/{{ ds }}.csv', 'y.csv'], "
        "destination_project_dataset_table='p:d.t${{ ds_nodash }}')"
    )
    assert found(source, {"gcp_conn_id": ["g"]}) == [
        ("read", "object", "b/x/{{ ds }}.csv", True),
        ("read", "object", "b/y.csv", False),
        ("write", "table", "p.d.t", False),
    ]


def test_a_place_says_which_line_of_which_call() -> None:
    (only,) = resources(call("S3ListOperator(bucket='b')", line=7), {"aws_conn_id": ["a"]})
    assert only.place == Place("dag.py", 7, "S3ListOperator")
    assert (only.conn_id, only.kind, only.name, only.verb) == ("a", "bucket", "b", "read")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("S3KeySensor(bucket_key='s3://b/k')", ("read", "object", "b/k", False)),
        ("S3KeySensor(bucket_key='k', bucket_name='b')", ("read", "object", "b/k", False)),
        ("S3Hook('a').load_file('/tmp/f', 'k/x', 'b')", ("write", "object", "b/k/x", False)),
        ("S3Hook('a').load_file(filename='/tmp/f', key='k', bucket_name='b')", ("write", "object", "b/k", False)),
        ("GCSHook().upload('b', 'o')", ("write", "object", "b/o", False)),
        ("GCSHook().exists('b', f'x/{day}/y')", ("read", "object", "b/x/{day}/y", True)),
        ("GCSToLocalFilesystemOperator(bucket='b', object_name=f'{x}://y')", ("read", "object", "b/{x}://y", True)),
        ("S3ListOperator(bucket=f\"{'gs://' + b}\", prefix='p')", ("read", "object", "{b}/p", True)),
        ("S3ListOperator(bucket='b', prefix='x/' + day + '/y')", ("read", "object", "b/x/{day}/y", True)),
        ("S3ListOperator(bucket='b', prefix=names['x'])", ("read", "object", "b/{names['x']}", True)),
        ("BigQueryDeleteTableOperator(deletion_dataset_table=f'{p}:d.t')", ("delete", "table", "{p}.d.t", True)),
        ("GCSDeleteBucketOperator(bucket_name='b')", ("delete", "bucket", "b", False)),
        ("LambdaInvokeFunctionOperator(function_name='f')", ("run", "function", "f", False)),
        ("SageMakerModelOperator(config={'ModelName': 'm'})", ("create", "model", "m", False)),
        ("SageMakerEndpointSensor(endpoint_name='e')", ("read", "endpoint", "e", False)),
        (
            "SnsPublishOperator(target_arn='arn:aws:sns:eu-west-1:1:t')",
            ("write", "topic", "arn:aws:sns:eu-west-1:1:t", False),
        ),
        ("SimpleHttpOperator(endpoint='api/x')", ("write", "endpoint", "api/x", False)),
        ("HttpOperator(endpoint='api/x', method='GET')", ("read", "endpoint", "api/x", False)),
        ("HttpSensor(endpoint='api/x')", ("read", "endpoint", "api/x", False)),
        ("HttpHook('GET', 'x').run('api/x')", ("read", "endpoint", "api/x", False)),
        ("HttpHook(http_conn_id='x').run('api/x')", ("write", "endpoint", "api/x", False)),
        ("SFTPOperator(remote_filepath='/in/a', operation='get')", ("read", "path", "/in/a", False)),
        ("SFTPOperator(remote_filepath='/in/a')", ("write", "path", "/in/a", False)),
        ("SSHOperator(command='ls /')", ("run", "command", "ls /", False)),
        ("SlackAPIPostOperator(channel='#ops')", ("write", "channel", "#ops", False)),
        ("DockerOperator(image='org/app:1.2')", ("read", "image", "org/app:1.2", False)),
        ("SparkSubmitOperator(application='/jobs/a.py')", ("run", "application", "/jobs/a.py", False)),
        ("RedisKeySensor(key='k')", ("read", "key", "k", False)),
        ("ProduceToTopicOperator(topic='orders')", ("write", "topic", "orders", False)),
        ("MongoHook(mongo_conn_id='m').find('c', {}, mongo_db='d')", ("read", "collection", "d.c", False)),
        ("VaultHook(vault_conn_id='v').get_secret('team/db')", ("read", "secret", "team/db", False)),
        ("WasbHook(wasb_conn_id='w').load_file('f', 'c', 'b')", ("write", "object", "c/b", False)),
        ("BigQueryCreateEmptyDatasetOperator(dataset_id='d')", ("create", "dataset", "d", False)),
        ("MySqlHook().insert_rows('orders', rows)", ("INSERT", "table", "orders", False)),
        ("PostgresHook('x').bulk_dump('s.Orders', '/tmp/f')", ("SELECT", "table", "s.orders", False)),
        ("PostgresHook('x').get_conn().cursor().execute('DELETE FROM t')", ("DELETE", "table", "t", False)),
        ("BaseHook.get_hook('x').get_first('SELECT 1 FROM t')", ("SELECT", "table", "t", False)),
    ],
)
def test_a_call_names_what_it_touches(source: str, expected: tuple[str, str, str, bool]) -> None:
    assert found(source) == [expected]


@pytest.mark.parametrize(
    ("name", "verb", "kind"),
    [
        ("google.cloud.operators.dataproc.DataprocDeleteClusterOperator", "delete", "dataproc_cluster"),
        ("google.cloud.operators.dataproc.DataprocStartClusterOperator", "run", "dataproc_cluster"),
        ("google.cloud.operators.kubernetes_engine.GKEDeleteClusterOperator", "delete", "gke_cluster"),
    ],
)
def test_an_operator_without_a_row_is_told_by_its_module_and_its_name(name: str, verb: str, kind: str) -> None:
    from dataclasses import replace

    made = replace(call("X(cluster_name='c')"), name=f"airflow.providers.{name}")
    assert [(each.verb, each.kind, each.name) for each in resources(made, {"gcp_conn_id": ["g"]})] == [
        (verb, kind, "c")
    ]


def test_moving_deletes_at_the_source() -> None:
    source = "GCSToGCSOperator(source_bucket='a', source_object='x', destination_bucket='b', move_object=True)"
    assert ("delete", "object", "a/x", False) in found(source)
    assert all(verb != "delete" for verb, *_ in found(source.replace("True", "False")))


def test_sql_gives_tables_in_the_dialect_of_the_connection() -> None:
    source = "SQLExecuteQueryOperator(sql='INSERT INTO `d-1.out` SELECT * FROM d.Orders')"
    assert found(source, conn_types={"x": "google_cloud_platform"}) == [
        ("INSERT", "table", "d-1.out", False),
        ("SELECT", "table", "d.Orders", False),
    ]


def test_sql_is_read_from_the_file_that_the_argument_names() -> None:
    source = "PostgresOperator(sql=['load.sql', 'SELECT 1 FROM a'])"
    texts = {"load.sql": "UPDATE orders SET x = {{ params.x }}"}
    assert found(source, read_text=texts.get) == [
        ("UPDATE", "table", "orders", False),
        ("SELECT", "table", "a", False),
    ]
    assert found(source) == [("run", "query", "load.sql", False), ("SELECT", "table", "a", False)]


def test_what_is_only_known_at_run_time_is_a_hole_and_a_name_of_nothing_else_is_none() -> None:
    assert found("GCSHook().upload(bucket, f'{day}/x.csv')") == [("write", "object", "{bucket}/{day}/x.csv", True)]
    assert found("GCSHook().upload(bucket, name)") == []
    assert found("GCSHook().upload('', 'x')") == []
    assert found("GCSHook().upload('b', 'None/x')") == []
    assert found("PostgresHook('x').run('TRUNCATE None')") == []
    assert found("PostgresHook('x').run(sql)") == []
    assert found("PostgresHook('x').insert_rows(f'{schema}.{table}', rows)") == []


def test_a_jobs_configuration_is_looked_into() -> None:
    source = """BigQueryInsertJobOperator(configuration={'query': {'query': 'SELECT * FROM d.orders', 'destinationTable':
        {'projectId': 'p', 'datasetId': 'd', 'tableId': 't_{{ ds_nodash }}'}}})"""
    assert found(source) == [("SELECT", "table", "d.orders", False), ("write", "table", "p.d.t_{{ ds_nodash }}", True)]


def test_default_args_count_and_a_connection_is_needed() -> None:
    from dataclasses import replace

    made = replace(call("S3ListOperator()"), defaults=call("X(bucket='b')").keywords)
    assert [each.name for each in resources(made, {"aws_conn_id": ["a"]})] == ["b"]
    assert list(resources(made, {})) == []


def test_every_row_of_the_tables_can_be_read() -> None:
    verbs = {"read", "write", "create", "delete", "run", "sql", "select", "insert", "upsert"}
    for system in (google.SYSTEM, amazon.SYSTEM, databases.SYSTEM, others.SYSTEM):
        for name, entry in entries(system).items():
            assert entry.rows, name
            assert {row.verb for row in entry.rows} <= verbs, name
