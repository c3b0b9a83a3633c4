"""Google's cloud: Cloud Storage, BigQuery, Pub/Sub, Dataproc and the rest. Names of arguments are those of the provider's source."""

from __future__ import annotations

from bootstrap.scan.resources.systems import google_hooks
from bootstrap.scan.resources.systems.google_hooks import LOADED, QUERIED, TABLE, TO, of
from bootstrap.scan.resources.systems.table import System

_GCS = "gcp_conn_id,google_cloud_storage_conn_id,google_cloud_conn_id"
_EXTRACTED = "configuration.extract.sourceTable"


SYSTEM = System(
    via="gcp_conn_id,google_cloud_storage_conn_id,bigquery_conn_id,google_cloud_conn_id",
    rows={
        # Cloud Storage
        "GCSCreateBucketOperator": ("create bucket {bucket_name}",),
        "GCSDeleteBucketOperator": ("delete bucket {bucket_name}",),
        "GCSListObjectsOperator": ("read object {bucket}[/{prefix}]",),
        "GCSDeleteObjectsOperator": ("delete object {bucket_name}[/{objects|prefix}]",),
        "GCSBucketCreateAclEntryOperator": ("write bucket {bucket}",),
        "GCSBucketAddIamBindingOperator": ("write bucket {bucket}",),
        "GCSObjectCreateAclEntryOperator": ("write object {bucket}/{object_name}",),
        "GCSFileTransformOperator": (
            "read object {source_bucket}/{source_object}",
            "write object {destination_bucket|source_bucket}/{destination_object|source_object}",
        ),
        "GCSTimeSpanFileTransformOperator": (
            "read object {source_bucket}[/{source_prefix}] via source_gcp_conn_id",
            "write object {destination_bucket}[/{destination_prefix}] via destination_gcp_conn_id",
        ),
        "GCSSynchronizeBucketsOperator": (
            "read object {source_bucket}[/{source_object}]",
            "write object {destination_bucket}[/{destination_object}]",
            "delete object {destination_bucket}[/{destination_object}] if delete_extra_files",
        ),
        "GCSObjectExistenceSensor": ("read object {bucket}/{object}",),
        "GCSObjectUpdateSensor": ("read object {bucket}/{object}",),
        "GCSObjectsWithPrefixExistenceSensor": ("read object {bucket}/{prefix}",),
        "GCSUploadSessionCompleteSensor": ("read object {bucket}/{prefix}",),
        # BigQuery
        "BigQueryInsertJobOperator": (
            "sql bigquery {configuration.query.query}",
            f"write table {of(QUERIED)}",
            f"write table {of(LOADED)}",
            "read object {configuration.load.sourceUris}",
            f"read table {of(_EXTRACTED)}",
            "write object {configuration.extract.destinationUris}",
            f"write table {of('configuration.copy.destinationTable')}",
            f"read table {of('configuration.copy.sourceTable')}",
        ),
        "BigQueryExecuteQueryOperator": (
            "sql bigquery {sql|bql}",
            "write table {destination_dataset_table}",
        ),
        "BigQueryCheckOperator": ("sql bigquery {sql}",),
        "BigQueryValueCheckOperator": ("sql bigquery {sql}",),
        "BigQueryIntervalCheckOperator": ("select bigquery {table}",),
        "BigQueryColumnCheckOperator": ("select bigquery {table}",),
        "BigQueryTableCheckOperator": ("select bigquery {table}",),
        "BigQueryGetDataOperator": (f"read table {TABLE.replace('project_id', 'table_project_id|project_id')}",),
        "BigQueryCreateTableOperator": (f"create table {TABLE}",),
        "BigQueryCreateEmptyTableOperator": (f"create table {TABLE}",),
        "BigQueryCreateExternalTableOperator": (
            "create table {destination_project_dataset_table}",
            f"create table {of('table_resource.tableReference')}",
            "read object {bucket}/{source_objects}",
            "read object {table_resource.externalDataConfiguration.sourceUris}",
        ),
        "BigQueryDeleteTableOperator": ("delete table {deletion_dataset_table}",),
        "BigQueryUpdateTableOperator": (f"write table {TABLE}",),
        "BigQueryUpdateTableSchemaOperator": (f"write table {TABLE}",),
        "BigQueryUpsertTableOperator": ("write table {dataset_id}.{table_resource.tableReference.tableId}",),
        "BigQueryCreateEmptyDatasetOperator": (
            "create dataset [{project_id}.]{dataset_id|dataset_reference.datasetReference.datasetId}",
        ),
        "BigQueryDeleteDatasetOperator": ("delete dataset [{project_id}.]{dataset_id}",),
        "BigQueryGetDatasetOperator": ("read dataset [{project_id}.]{dataset_id}",),
        "BigQueryGetDatasetTablesOperator": ("read dataset [{project_id}.]{dataset_id}",),
        "BigQueryUpdateDatasetOperator": ("write dataset [{project_id}.]{dataset_id}",),
        "BigQueryTableExistenceSensor": (f"read table {TABLE}",),
        "BigQueryTablePartitionExistenceSensor": (f"read table {TABLE}",),
        # Transfers
        "GCSToBigQueryOperator": (
            f"read object {{bucket}}/{{source_objects}} via google_cloud_storage_conn_id,{_GCS}",
            f"read object {{schema_object_bucket|bucket}}/{{schema_object}} via google_cloud_storage_conn_id,{_GCS}",
            "write table {destination_project_dataset_table} via bigquery_conn_id,gcp_conn_id",
        ),
        "BigQueryToGCSOperator": (
            "read table {source_project_dataset_table}",
            "write object {destination_cloud_storage_uris}",
        ),
        "BigQueryToBigQueryOperator": (
            "read table {source_project_dataset_tables}",
            "write table {destination_project_dataset_table}",
        ),
        "BigQueryToPostgresOperator": (
            "read table {dataset_table}",
            "insert postgres {target_table_name} via postgres_conn_id",
        ),
        "BigQueryToMySqlOperator": (
            "read table {dataset_table}",
            "insert mysql {target_table_name|mysql_table} via mysql_conn_id",
        ),
        "BigQueryToMsSqlOperator": (
            "read table {source_project_dataset_table|dataset_table}",
            "insert tsql {target_table_name|mssql_table} via mssql_conn_id",
        ),
        "GCSToGCSOperator": (
            "read object {source_bucket}/{source_object|source_objects}",
            f"write object {TO}",
            "delete object {source_bucket}/{source_object|source_objects} if move_object",
        ),
        "GCSToLocalFilesystemOperator": ("read object {bucket}/{object_name|object}",),
        "LocalFilesystemToGCSOperator": ("write object {bucket}/{dst}",),
        "GCSToSFTPOperator": (
            "read object {source_bucket}/{source_object} via gcp_conn_id",
            "delete object {source_bucket}/{source_object} via gcp_conn_id if move_object",
            "write path {destination_path} via sftp_conn_id",
        ),
        "SFTPToGCSOperator": (
            "read path {source_path} via sftp_conn_id",
            "delete path {source_path} via sftp_conn_id if move_object",
            "write object {destination_bucket}[/{destination_path}] via gcp_conn_id",
        ),
        "GCSToSambaOperator": (
            "read object {source_bucket}/{source_object} via gcp_conn_id",
            "write path {destination_path} via samba_conn_id",
        ),
        "S3ToGCSOperator": (
            "read object {bucket}[/{prefix}] via aws_conn_id",
            "write object {dest_gcs} via gcp_conn_id,dest_gcs_conn_id",
        ),
        "PostgresToGCSOperator": (
            "sql postgres {sql} via postgres_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id,google_cloud_storage_conn_id",
        ),
        "MySQLToGCSOperator": (
            "sql mysql {sql} via mysql_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id,google_cloud_storage_conn_id",
        ),
        "MSSQLToGCSOperator": (
            "sql tsql {sql} via mssql_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id,google_cloud_storage_conn_id",
        ),
        "OracleToGCSOperator": (
            "sql oracle {sql} via oracle_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id",
        ),
        "PrestoToGCSOperator": (
            "sql presto {sql} via presto_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id",
        ),
        "TrinoToGCSOperator": (
            "sql trino {sql} via trino_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id",
        ),
        "CassandraToGCSOperator": ("write object {bucket}/{filename} via gcp_conn_id",),
        "MongoToGCSOperator": (
            "read collection [{mongo_db}.]{mongo_collection} via mongo_conn_id",
            "write object {bucket}/{filename} via gcp_conn_id",
        ),
        "HttpToGCSOperator": (
            "read endpoint {endpoint} via http_conn_id if method=GET|HEAD|-",
            "write endpoint {endpoint} via http_conn_id if method=POST|PUT|PATCH|DELETE",
            "write object {bucket_name}/{object_name} via gcp_conn_id",
        ),
        "AzureBlobStorageToGCSOperator": (
            "read object {container_name}/{blob_name} via wasb_conn_id",
            "write object {bucket_name}/{object_name} via gcp_conn_id",
        ),
        "AzureFileShareToGCSOperator": (
            "read share {share_name}[/{directory_path|directory_name}] via azure_fileshare_conn_id",
            "write object {dest_gcs} via gcp_conn_id",
        ),
        "ADLSToGCSOperator": (
            "read path {src_adls} via azure_data_lake_conn_id",
            "write object {dest_gcs} via gcp_conn_id",
        ),
        "SalesforceToGcsOperator": ("write object {bucket_name}/{object_name} via gcp_conn_id",),
        "FacebookAdsReportToGcsOperator": ("write object {bucket_name}/{object_name} via gcp_conn_id",),
        "GoogleAdsToGcsOperator": ("write object {bucket}/{obj} via gcp_conn_id",),
        "GoogleDriveToGCSOperator": (
            "read drive_folder {folder_id}",
            "write object {bucket_name}/{object_name}",
        ),
        "GCSToGoogleDriveOperator": (
            "read object {source_bucket}/{source_object}",
            "write drive_folder {destination_folder_id}",
        ),
        "GoogleSheetsToGCSOperator": (
            "read spreadsheet {spreadsheet_id}",
            "write object {destination_bucket}[/{destination_path}]",
        ),
        "GCSToGoogleSheetsOperator": (
            "read object {bucket_name}/{object_name}",
            "write spreadsheet {spreadsheet_id}",
        ),
        "SQLToGoogleSheetsOperator": (
            "sql ? {sql} via sql_conn_id",
            "write spreadsheet {spreadsheet_id} via gcp_conn_id",
        ),
        "GoogleCalendarToGCSOperator": ("write object {destination_bucket}[/{destination_path}]",),
        "GCSToPrestoOperator": (
            "read object {source_bucket}/{source_object} via gcp_conn_id",
            "insert presto {presto_table} via presto_conn_id",
        ),
        "GCSToTrinoOperator": (
            "read object {source_bucket}/{source_object} via gcp_conn_id",
            "insert trino {trino_table} via trino_conn_id",
        ),
        "CloudDataTransferServiceS3ToGCSOperator": (
            "read object {s3_bucket}[/{s3_path}] via aws_conn_id",
            "write object {gcs_bucket}[/{gcs_path}] via gcp_conn_id",
        ),
        "CloudDataTransferServiceGCSToGCSOperator": (
            "read object {source_bucket}[/{source_path}]",
            "write object {destination_bucket}[/{destination_path}]",
        ),
        # Others with more than one name, or a verb that their name doesn't tell
        "PubSubCreateSubscriptionOperator": (
            "create subscription {subscription}",
            "read topic {topic}",
        ),
        "PubSubPublishMessageOperator": ("write topic {topic}",),
        "PubSubPullOperator": ("read subscription {subscription}",),
        "PubSubPullSensor": ("read subscription {subscription}",),
        "DataprocSubmitJobOperator": ("run dataproc_cluster {job.placement.cluster_name|job.placement.clusterName}",),
        "DataprocSubmitPySparkJobOperator": ("run dataproc_cluster {cluster_name}", "read object {main}"),
        "DataflowTemplatedJobStartOperator": ("run dataflow_job {job_name}", "read object {template}"),
        "DataflowStartFlexTemplateOperator": (
            "run dataflow_job {body.launchParameter.jobName|body.launch_parameter.jobName}",
            "read object {body.launchParameter.containerSpecGcsPath|body.launch_parameter.containerSpecGcsPath}",
        ),
        "CloudSQLExecuteQueryOperator": ("sql ? {sql} via gcp_cloudsql_conn_id",),
        "CloudFunctionInvokeFunctionOperator": ("run cloud_function {function_id}",),
        "GKEStartPodOperator": (
            "run gke_cluster {cluster_name}",
            "run namespace {namespace}",
            "read image {image}",
        ),
        "SpannerQueryDatabaseInstanceOperator": ("run spanner_database {instance_id}/{database_id}",),
        **google_hooks.ROWS,
    },
    modules={
        "bigquery_dts": ("transfer_config {transfer_config_id}",),
        "bigtable": ("bigtable_table {instance_id}/{table_id}", "bigtable_instance {instance_id}"),
        "cloud_batch": ("batch_job {job_name}",),
        "cloud_build": ("build_trigger {trigger_id}",),
        "cloud_composer": ("composer_environment {environment_id}",),
        "cloud_memorystore": ("redis_instance {instance_id|instance}",),
        "cloud_run": ("cloud_run_job {job_name}", "cloud_run_service {service_name}"),
        "cloud_sql": ("sql_instance {instance}",),
        "cloud_storage_transfer_service": ("transfer_job {job_name}",),
        "compute": ("compute_instance {resource_id}",),
        "dataflow": ("dataflow_job {job_name|job_id}", "dataflow_pipeline {pipeline_name}"),
        "dataform": ("dataform_repository {repository_id}",),
        "datafusion": ("datafusion_pipeline {instance_name}/{pipeline_name}", "datafusion_instance {instance_name}"),
        "dataproc": ("dataproc_cluster {cluster_name}", "dataproc_batch {batch_id}", "dataproc_template {template_id}"),
        "dataproc_metastore": ("metastore_service {service_id}",),
        "datastore": ("bucket {bucket}",),
        "endpoint_service": ("vertex_endpoint {endpoint_id}",),
        "functions": ("cloud_function {function_id|name}",),
        "kubernetes_engine": ("gke_cluster {cluster_name}", "gke_cluster {body.name}"),
        "managed_kafka": ("topic {cluster_id}/{topic_id}", "kafka_cluster {cluster_id}"),
        "model_service": ("vertex_model {model_id}",),
        "pubsub": ("topic {topic}", "subscription {subscription}"),
        "sheets": ("spreadsheet {spreadsheet_id}",),
        "spanner": ("spanner_database {instance_id}/{database_id}", "spanner_instance {instance_id}"),
        "tasks": ("queue {queue_name}",),
        "workflows": ("workflow {workflow_id}",),
    },
    aliases={
        "GoogleCloudStorageToBigQueryOperator": "GCSToBigQueryOperator",
        "GoogleCloudStorageToGoogleCloudStorageOperator": "GCSToGCSOperator",
        "GoogleCloudStorageDownloadOperator": "GCSToLocalFilesystemOperator",
        "GoogleCloudStorageListOperator": "GCSListObjectsOperator",
        "GoogleCloudStorageDeleteOperator": "GCSDeleteObjectsOperator",
        "GoogleCloudStorageCreateBucketOperator": "GCSCreateBucketOperator",
        "GoogleCloudStorageObjectSensor": "GCSObjectExistenceSensor",
        "GoogleCloudStoragePrefixSensor": "GCSObjectsWithPrefixExistenceSensor",
        "GoogleCloudStorageHook": "GCSHook",
        "FileToGoogleCloudStorageOperator": "LocalFilesystemToGCSOperator",
        "GCSObjectExistenceAsyncSensor": "GCSObjectExistenceSensor",
        "GCSObjectExistenceSensorAsync": "GCSObjectExistenceSensor",
        "GCSUploadSessionCompleteAsyncSensor": "GCSUploadSessionCompleteSensor",
        "GCSDeleteOperator": "GCSDeleteObjectsOperator",
        "BigQueryToCloudStorageOperator": "BigQueryToGCSOperator",
        "BigQueryOperator": "BigQueryExecuteQueryOperator",
        "BigQueryTableDeleteOperator": "BigQueryDeleteTableOperator",
        "BigQueryTableSensor": "BigQueryTableExistenceSensor",
        "BigQueryTableExistenceAsyncSensor": "BigQueryTableExistenceSensor",
        "PostgresToGoogleCloudStorageOperator": "PostgresToGCSOperator",
        "MySqlToGoogleCloudStorageOperator": "MySQLToGCSOperator",
        "MySqlToGCSOperator": "MySQLToGCSOperator",
        "S3ToGoogleCloudStorageOperator": "S3ToGCSOperator",
        "PubSubPublishOperator": "PubSubPublishMessageOperator",
        "DataProcPySparkOperator": "DataprocSubmitPySparkJobOperator",
        "GKEPodOperator": "GKEStartPodOperator",
    },
)
