"""What the methods of Google's hooks touch. Names of arguments are those of the provider's source."""

from __future__ import annotations

from bootstrap.scan.resources.systems.table import Rows

TO = "{destination_bucket|source_bucket}[/{destination_object}]"
TABLE = "[{project_id}.]{dataset_id}.{table_id}"
LOADED = "configuration.load.destinationTable"
QUERIED = "configuration.query.destinationTable"


def of(place: str) -> str:
    """A table as BigQuery's API writes it."""
    return f"[{{{place}.projectId}}.]{{{place}.datasetId}}.{{{place}.tableId}}"


ROWS: Rows = {
    "GCSHook.upload(bucket_name, object_name)": ("write object {bucket_name|bucket}/{object_name|object}",),
    "GCSHook.download(bucket_name, object_name)": ("read object {bucket_name|bucket}/{object_name|object}",),
    "GCSHook.download_as_byte_array(bucket_name, object_name)": ("read object {bucket_name}/{object_name}",),
    "GCSHook.provide_file(bucket_name, object_name, object_url)": (
        "read object {bucket_name}/{object_name}",
        "read object {object_url}",
    ),
    "GCSHook.provide_file_and_upload(bucket_name, object_name, object_url)": (
        "write object {bucket_name}/{object_name}",
        "write object {object_url}",
    ),
    "GCSHook.exists(bucket_name, object_name)": ("read object {bucket_name|bucket}/{object_name|object}",),
    "GCSHook.get_size(bucket_name, object_name)": ("read object {bucket_name|bucket}/{object_name|object}",),
    "GCSHook.get_blob_update_time(bucket_name, object_name)": ("read object {bucket_name}/{object_name}",),
    "GCSHook.get_metadata(bucket_name, object_name)": ("read object {bucket_name}/{object_name}",),
    "GCSHook.is_updated_after(bucket_name, object_name)": ("read object {bucket_name}/{object_name}",),
    "GCSHook.delete(bucket_name, object_name)": ("delete object {bucket_name|bucket}/{object_name|object}",),
    "GCSHook.list(bucket_name)": ("read object {bucket_name|bucket}[/{prefix}]",),
    "GCSHook.list_by_timespan(bucket_name)": ("read object {bucket_name|bucket}[/{prefix}]",),
    "GCSHook.get_bucket(bucket_name)": ("read bucket {bucket_name}",),
    "GCSHook.create_bucket(bucket_name)": ("create bucket {bucket_name}",),
    "GCSHook.delete_bucket(bucket_name)": ("delete bucket {bucket_name}",),
    "GCSHook.copy(source_bucket, source_object, destination_bucket, destination_object)": (
        "read object {source_bucket}/{source_object}",
        f"write object {TO}",
    ),
    "GCSHook.rewrite(source_bucket, source_object, destination_bucket, destination_object)": (
        "read object {source_bucket}/{source_object}",
        f"write object {TO}",
    ),
    "GCSHook.sync(source_bucket, destination_bucket)": (
        "read object {source_bucket}[/{source_object}]",
        "write object {destination_bucket}[/{destination_object}]",
    ),
    "GCSHook.compose(bucket_name, source_objects, destination_object)": (
        "read object {bucket_name}/{source_objects}",
        "write object {bucket_name}/{destination_object}",
    ),
    "GCSHook.sync_to_local_dir(bucket_name)": ("read object {bucket_name}[/{prefix}]",),
    "BigQueryHook.table_exists(dataset_id, table_id, project_id)": (f"read table {TABLE}",),
    "BigQueryHook.get_schema(dataset_id, table_id, project_id)": (f"read table {TABLE}",),
    "BigQueryHook.list_rows(dataset_id, table_id)": (f"read table {TABLE}",),
    "BigQueryHook.insert_all(project_id, dataset_id, table_id)": (f"write table {TABLE}",),
    "BigQueryHook.create_table(dataset_id, table_id)": (f"create table {TABLE}",),
    "BigQueryHook.create_empty_table(project_id, dataset_id, table_id)": (f"create table {TABLE}",),
    "BigQueryHook.update_table": (f"write table {TABLE}",),
    "BigQueryHook.delete_table(table_id)": ("delete table {table_id}",),
    "BigQueryHook.run_table_delete(deletion_dataset_table)": ("delete table {deletion_dataset_table}",),
    "BigQueryHook.create_empty_dataset(dataset_id, project_id)": ("create dataset [{project_id}.]{dataset_id}",),
    "BigQueryHook.delete_dataset(dataset_id, project_id)": ("delete dataset [{project_id}.]{dataset_id}",),
    "BigQueryHook.get_dataset(dataset_id, project_id)": ("read dataset [{project_id}.]{dataset_id}",),
    "BigQueryHook.get_dataset_tables(dataset_id, project_id)": ("read dataset [{project_id}.]{dataset_id}",),
    "BigQueryHook.insert_job": (
        "sql bigquery {configuration.query.query}",
        f"write table {of(QUERIED)}",
        f"write table {of(LOADED)}",
        "read object {configuration.load.sourceUris}",
    ),
    "BigQueryHook.run_query(sql)": ("sql bigquery {sql}", "write table {destination_dataset_table}"),
    "BigQueryHook.run_load(destination_project_dataset_table, source_uris)": (
        "write table {destination_project_dataset_table}",
        "read object {source_uris}",
    ),
    "PubSubHook.publish(topic)": ("write topic {topic}",),
    "PubSubHook.pull(subscription)": ("read subscription {subscription}",),
    "PubSubHook.create_topic(topic)": ("create topic {topic}",),
    "PubSubHook.create_subscription(topic)": ("read topic {topic}", "create subscription {subscription}"),
    "GoogleCloudSecretManagerHook.access_secret(project_id, secret_id)": ("read secret {secret_id}",),
    "GoogleCloudSecretManagerHook.create_secret(project_id, secret_id)": ("create secret {secret_id}",),
    "GoogleCloudSecretManagerHook.add_secret_version(project_id, secret_id)": ("write secret {secret_id}",),
    "SecretsManagerHook.get_secret(secret_id)": ("read secret {secret_id|secret_name}",),
    "GSheetsHook.get_values(spreadsheet_id)": ("read spreadsheet {spreadsheet_id}",),
    "GSheetsHook.update_values(spreadsheet_id)": ("write spreadsheet {spreadsheet_id}",),
    "GSheetsHook.append_values(spreadsheet_id)": ("write spreadsheet {spreadsheet_id}",),
}
