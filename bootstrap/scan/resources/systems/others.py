"""Servers, queues, messengers and containers. Names of arguments are those of the providers' source."""

from __future__ import annotations

from bootstrap.scan.resources.systems.table import System

_READS = "GET|HEAD|OPTIONS"
_WRITES = "POST|PUT|PATCH|DELETE"
_BLOB = "{container_name}[/{blob_name}]"

SYSTEM = System(
    via="conn_id",
    rows={
        # HTTP
        "HttpOperator": (
            f"read endpoint {{endpoint}} via http_conn_id if method={_READS}",
            f"write endpoint {{endpoint}} via http_conn_id if method={_WRITES}|-",
        ),
        "HttpSensor": (
            f"read endpoint {{endpoint}} via http_conn_id if method={_READS}|-",
            f"write endpoint {{endpoint}} via http_conn_id if method={_WRITES}",
        ),
        "HttpHook.run(endpoint)": (
            f"read endpoint {{endpoint}} via http_conn_id if method={_READS}",
            f"write endpoint {{endpoint}} via http_conn_id if method={_WRITES}|-",
        ),
        "DiscordWebhookOperator": ("write endpoint {webhook_endpoint} via http_conn_id",),
        # Files elsewhere
        "SFTPOperator": (
            "read path {remote_filepath} via ssh_conn_id,sftp_conn_id if operation=get",
            "write path {remote_filepath} via ssh_conn_id,sftp_conn_id if operation=put|-",
            "delete path {remote_filepath} via ssh_conn_id,sftp_conn_id if operation=delete",
        ),
        "SFTPSensor": ("read path {path} via sftp_conn_id,ssh_conn_id",),
        "SFTPHook.retrieve_file(remote_full_path)": ("read path {remote_full_path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.store_file(remote_full_path)": ("write path {remote_full_path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.list_directory(path)": ("read path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.describe_directory(path)": ("read path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.path_exists(path)": ("read path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.get_mod_time(path)": ("read path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.get_tree_map(path)": ("read path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.get_files_by_pattern(path)": ("read path {path} via ssh_conn_id",),
        "SFTPHook.retrieve_directory(remote_full_path)": ("read path {remote_full_path} via ssh_conn_id",),
        "SFTPHook.store_directory(remote_full_path)": ("write path {remote_full_path} via ssh_conn_id",),
        "SFTPHook.create_directory(path)": ("write path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.mkdir(path)": ("write path {path} via ssh_conn_id",),
        "SFTPHook.delete_file(path)": ("delete path {path} via ssh_conn_id,ftp_conn_id",),
        "SFTPHook.delete_directory(path)": ("delete path {path} via ssh_conn_id,ftp_conn_id",),
        "FTPFileTransmitOperator": (
            "read path {remote_filepath} via ftp_conn_id if operation=get",
            "write path {remote_filepath} via ftp_conn_id if operation=put|-",
        ),
        "FTPSensor": ("read path {path} via ftp_conn_id",),
        "FTPHook.retrieve_file(remote_full_path)": ("read path {remote_full_path} via ftp_conn_id",),
        "FTPHook.store_file(remote_full_path)": ("write path {remote_full_path} via ftp_conn_id",),
        "FTPHook.list_directory(path)": ("read path {path} via ftp_conn_id",),
        "FTPHook.describe_directory(path)": ("read path {path} via ftp_conn_id",),
        "FTPHook.create_directory(path)": ("write path {path} via ftp_conn_id",),
        "FTPHook.delete_file(path)": ("delete path {path} via ftp_conn_id",),
        "FTPHook.delete_directory(path)": ("delete path {path} via ftp_conn_id",),
        "SambaHook.listdir(path)": ("read path {path} via samba_conn_id",),
        "SambaHook.open_file(path)": ("read path {path} via samba_conn_id",),
        "SambaHook.remove(path)": ("delete path {path} via samba_conn_id",),
        "SambaHook.push_from_local(destination_filepath)": ("write path {destination_filepath} via samba_conn_id",),
        "FileSensor": ("read path {filepath} via fs_conn_id",),
        "FileTransferOperator": ("read path {src} via source_conn_id", "write path {dst} via dest_conn_id"),
        "WebHdfsSensor": ("read path {filepath} via webhdfs_conn_id",),
        "WebHDFSHook.check_for_path(hdfs_path)": ("read path {hdfs_path} via webhdfs_conn_id",),
        "WebHDFSHook.load_file(source, destination)": ("write path {destination} via webhdfs_conn_id",),
        "WebHDFSHook.read_file(filename)": ("read path {filename} via webhdfs_conn_id",),
        # Commands
        "SSHOperator": ("run command {command} via ssh_conn_id",),
        "SSHRemoteJobOperator": ("run command {command} via ssh_conn_id",),
        "SSHHook.exec_ssh_client_command(ssh_client, command)": ("run command {command} via ssh_conn_id",),
        "SSHHook.get_conn.exec_command(command)": ("run command {command} via ssh_conn_id",),
        "WinRMOperator": ("run command {command} via ssh_conn_id",),
        "PsrpOperator": ("run command {command|cmdlet|powershell} via psrp_conn_id",),
        # Messages
        "SlackAPIPostOperator": ("write channel {channel} via slack_conn_id",),
        "SlackAPIFileOperator": ("write channel {channels|channel} via slack_conn_id",),
        "SlackAPIOperator": ("write channel {api_params.channel} via slack_conn_id",),
        "SlackAPIConversationsHistoryOperator": ("read channel {channel} via slack_conn_id",),
        "SlackWebhookOperator": ("write channel {channel} via slack_webhook_conn_id,http_conn_id",),
        "SlackHook.call(api_method)": ("write channel {json.channel|data.channel|params.channel} via slack_conn_id",),
        "SlackHook.send_file_v2": ("write channel {channel_id} via slack_conn_id",),
        "SlackHook.send_file_v1_to_v2(channels)": ("write channel {channels} via slack_conn_id",),
        "SlackNotifier": ("write channel {channel} via slack_conn_id",),
        "TelegramOperator": ("write chat {chat_id} via telegram_conn_id",),
        "EmailOperator": ("write recipient {to} via conn_id,smtp_conn_id", "write sender {from_email} via conn_id"),
        "SmtpHook.send_email_smtp(to)": (
            "write recipient {to} via smtp_conn_id",
            "write sender {from_email} via smtp_conn_id",
        ),
        "SmtpNotifier": ("write recipient {to} via smtp_conn_id", "write sender {from_email} via smtp_conn_id"),
        "ImapAttachmentSensor": ("read mail_folder {mail_folder} via conn_id,imap_conn_id",),
        # Queues and keys
        "RedisKeySensor": ("read key {key} via redis_conn_id",),
        "RedisPublishOperator": ("write channel {channel} via redis_conn_id",),
        "RedisPubSubSensor": ("read channel {channels} via redis_conn_id",),
        "RedisHook.get_conn.get(name)": ("read key {name} via redis_conn_id",),
        "RedisHook.get_conn.hget(name)": ("read key {name} via redis_conn_id",),
        "RedisHook.get_conn.hgetall(name)": ("read key {name} via redis_conn_id",),
        "RedisHook.get_conn.exists(name)": ("read key {name} via redis_conn_id",),
        "RedisHook.get_conn.set(name)": ("write key {name} via redis_conn_id",),
        "RedisHook.get_conn.setex(name)": ("write key {name} via redis_conn_id",),
        "RedisHook.get_conn.hset(name)": ("write key {name} via redis_conn_id",),
        "RedisHook.get_conn.rpush(name)": ("write key {name} via redis_conn_id",),
        "RedisHook.get_conn.lpush(name)": ("write key {name} via redis_conn_id",),
        "RedisHook.get_conn.delete(name)": ("delete key {name} via redis_conn_id",),
        "ProduceToTopicOperator": ("write topic {topic} via kafka_config_id",),
        "ConsumeFromTopicOperator": ("read topic {topics} via kafka_config_id",),
        "AwaitMessageSensor": ("read topic {topics} via kafka_config_id",),
        "AwaitMessageTriggerFunctionSensor": ("read topic {topics} via kafka_config_id",),
        "KafkaConsumerHook": ("read topic {topics} via kafka_config_id",),
        "KafkaAdminClientHook.create_topic(topics)": ("create topic {topics} via kafka_config_id",),
        "KafkaAdminClientHook.delete_topic(topics)": ("delete topic {topics} via kafka_config_id",),
        # Documents
        "MongoSensor": ("read collection [{mongo_db}.]{collection} via mongo_conn_id",),
        **{
            f"MongoHook.{method}(mongo_collection)": (
                f"{verb} collection [{{mongo_db}}.]{{mongo_collection}} via mongo_conn_id,conn_id",
            )
            for verb, methods in {
                "read": ("get_collection", "find", "aggregate", "distinct"),
                "write": ("insert_one", "insert_many", "update_one", "update_many", "replace_one", "replace_many"),
                "create": ("create_collection",),
                "delete": ("delete_one", "delete_many"),
            }.items()
            for method in methods
        },
        "ElasticsearchPythonHook.search(query, index)": ("read index {index} via elasticsearch_conn_id",),
        "OpenSearchQueryOperator": ("read index {index_name} via opensearch_conn_id",),
        "OpenSearchCreateIndexOperator": ("create index {index_name} via opensearch_conn_id",),
        "OpenSearchAddDocumentOperator": ("write index {index_name} via opensearch_conn_id",),
        "CassandraTableSensor": ("read table {table} via cassandra_conn_id",),
        "CassandraRecordSensor": ("read table {table} via cassandra_conn_id",),
        "ArangoDBCollectionOperator": ("write collection {collection_name} via arangodb_conn_id",),
        "PineconeIngestOperator": ("write index {index_name}",),
        "QdrantIngestOperator": ("write collection {collection_name}",),
        "WeaviateIngestOperator": ("write collection {collection_name}",),
        "WeaviateDocumentIngestOperator": ("write collection {collection_name}",),
        # Secrets
        "VaultHook.get_secret(secret_path)": ("read secret {secret_path} via vault_conn_id",),
        "VaultHook.get_secret_metadata(secret_path)": ("read secret {secret_path} via vault_conn_id",),
        "VaultHook.get_secret_including_metadata(secret_path)": ("read secret {secret_path} via vault_conn_id",),
        "VaultHook.create_or_update_secret(secret_path)": ("write secret {secret_path} via vault_conn_id",),
        # Containers and clusters
        "DockerOperator": ("read image {image} via docker_conn_id",),
        "task.docker": ("read image {image} via docker_conn_id",),
        "task.kubernetes": (
            "run namespace {namespace} via kubernetes_conn_id",
            "read image {image} via kubernetes_conn_id",
        ),
        "DockerSwarmOperator": ("read image {image} via docker_conn_id",),
        "KubernetesPodOperator": (
            "run namespace {namespace} via kubernetes_conn_id",
            "read image {image} via kubernetes_conn_id",
        ),
        "KubernetesJobOperator": (
            "run namespace {namespace} via kubernetes_conn_id",
            "read image {image} via kubernetes_conn_id",
        ),
        "SparkKubernetesOperator": ("run namespace {namespace} via kubernetes_conn_id",),
        "SparkKubernetesSensor": ("read namespace {namespace} via kubernetes_conn_id",),
        "KubernetesCreateResourceOperator": ("create namespace {namespace} via kubernetes_conn_id",),
        "KubernetesDeleteResourceOperator": ("delete namespace {namespace} via kubernetes_conn_id",),
        "KubernetesDeleteJobOperator": ("delete namespace {namespace} via kubernetes_conn_id",),
        "FlinkKubernetesOperator": ("run namespace {namespace} via kubernetes_conn_id",),
        "SparkSubmitOperator": ("run application {application} via conn_id,spark_conn_id",),
        "LivyOperator": ("run application {file} via livy_conn_id",),
        "DruidOperator": ("run application {json_index_file} via druid_ingest_conn_id",),
        # Services that run jobs
        "DatabricksSubmitRunOperator": (
            "run notebook {notebook_task.notebook_path|json.notebook_task.notebook_path} via databricks_conn_id",
            "run application {spark_python_task.python_file|json.spark_python_task.python_file} via databricks_conn_id",
            "run cluster {existing_cluster_id|json.existing_cluster_id} via databricks_conn_id",
        ),
        "DatabricksRunNowOperator": ("run job {job_id|job_name|json.job_id} via databricks_conn_id",),
        "DatabricksNotebookOperator": (
            "run notebook {notebook_path} via databricks_conn_id",
            "run cluster {existing_cluster_id} via databricks_conn_id",
        ),
        "DatabricksCreateJobsOperator": ("create job {name|json.name} via databricks_conn_id",),
        "DatabricksReposUpdateOperator": ("write repository {repo_path|repo_id} via databricks_conn_id",),
        "DatabricksReposCreateOperator": ("create repository {repo_path|git_url} via databricks_conn_id",),
        "DatabricksReposDeleteOperator": ("delete repository {repo_path|repo_id} via databricks_conn_id",),
        "DbtCloudRunJobOperator": ("run job {job_id|job_name} via dbt_cloud_conn_id",),
        "DbtCloudListJobsOperator": ("read project {project_id} via dbt_cloud_conn_id",),
        "DbtCloudHook.trigger_job_run(job_id)": ("run job {job_id} via dbt_cloud_conn_id",),
        "AirbyteTriggerSyncOperator": ("run sync {connection_id} via airbyte_conn_id",),
        "AirbyteHook.submit_sync_connection(connection_id)": ("run sync {connection_id} via airbyte_conn_id",),
        "JenkinsJobTriggerOperator": ("run job {job_name} via jenkins_connection_id",),
        "JenkinsBuildSensor": ("read job {job_name} via jenkins_connection_id",),
        "TableauOperator": ("run tableau_item {resource}:{find} via tableau_conn_id",),
        "GithubTagSensor": ("read repository {repository_name} via github_conn_id",),
        # Azure
        "LocalFilesystemToWasbOperator": (f"write object {_BLOB} via wasb_conn_id",),
        "FileToWasbOperator": (f"write object {_BLOB} via wasb_conn_id",),
        "WasbDeleteBlobOperator": (f"delete object {_BLOB} via wasb_conn_id",),
        "WasbBlobSensor": (f"read object {_BLOB} via wasb_conn_id",),
        "WasbPrefixSensor": ("read object {container_name}/{prefix} via wasb_conn_id",),
        "SFTPToWasbOperator": (
            "read path {sftp_source_path} via sftp_conn_id",
            "write object {container_name}[/{blob_prefix}] via wasb_conn_id",
        ),
        "GCSToAzureBlobStorageOperator": (
            "read object {gcs_bucket}[/{prefix}] via gcp_conn_id",
            "write object {container_name}[/{blob_prefix}] via wasb_conn_id",
        ),
        **{
            f"WasbHook.{method}": (f"{verb} object {_BLOB} via wasb_conn_id",)
            for verb, methods in {
                "read": (
                    "check_for_blob(container_name, blob_name)",
                    "get_file(file_path, container_name, blob_name)",
                    "read_file(container_name, blob_name)",
                    "download(container_name, blob_name)",
                    "get_blobs_list(container_name, blob_name)",
                ),
                "write": (
                    "load_file(file_path, container_name, blob_name)",
                    "load_string(string_data, container_name, blob_name)",
                    "upload(container_name, blob_name)",
                ),
                "delete": ("delete_file(container_name, blob_name)",),
            }.items()
            for method in methods
        },
        "WasbHook.create_container(container_name)": ("create container {container_name} via wasb_conn_id",),
        "WasbHook.delete_container(container_name)": ("delete container {container_name} via wasb_conn_id",),
        "LocalFilesystemToADLSOperator": ("write path {remote_path} via azure_data_lake_conn_id",),
        "ADLSCreateObjectOperator": ("write path {file_system_name}/{file_name} via azure_data_lake_conn_id",),
        "ADLSDeleteOperator": ("delete path {path} via azure_data_lake_conn_id",),
        "ADLSListOperator": ("read path [{file_system_name}/]{path} via azure_data_lake_conn_id",),
        "AzureDataFactoryRunPipelineOperator": ("run pipeline {pipeline_name} via azure_data_factory_conn_id",),
        "AzureSynapseRunPipelineOperator": ("run pipeline {pipeline_name} via azure_synapse_conn_id",),
        "AzureCosmosInsertDocumentOperator": (
            "write collection {database_name}.{collection_name} via azure_cosmos_conn_id",
        ),
        "AzureCosmosDocumentSensor": ("read collection {database_name}.{collection_name} via azure_cosmos_conn_id",),
        "AzureDataExplorerQueryOperator": ("run database {database} via azure_data_explorer_conn_id",),
        "AzureContainerInstancesOperator": ("read image {image} via registry_conn_id",),
        "AzureServiceBusSendMessageOperator": ("write queue {queue_name} via azure_service_bus_conn_id",),
        "AzureServiceBusReceiveMessageOperator": ("read queue {queue_name} via azure_service_bus_conn_id",),
        "AzureServiceBusCreateQueueOperator": ("create queue {queue_name} via azure_service_bus_conn_id",),
        "AzureServiceBusDeleteQueueOperator": ("delete queue {queue_name} via azure_service_bus_conn_id",),
        # Alibaba's
        "OSSCreateBucketOperator": ("create bucket {bucket_name} via oss_conn_id",),
        "OSSDeleteBucketOperator": ("delete bucket {bucket_name} via oss_conn_id",),
        "OSSUploadObjectOperator": ("write object {bucket_name}/{key} via oss_conn_id",),
        "OSSDownloadObjectOperator": ("read object {bucket_name}/{key} via oss_conn_id",),
        "OSSDeleteObjectOperator": ("delete object {bucket_name}/{key} via oss_conn_id",),
        "OSSKeySensor": ("read object [{bucket_name}/]{bucket_key} via oss_conn_id",),
    },
    aliases={
        "SimpleHttpOperator": "HttpOperator",
        "FTPSFileTransmitOperator": "FTPFileTransmitOperator",
        "FTPSSensor": "FTPSensor",
        "FTPSHook": "FTPHook",
        "HttpAsyncHook": "HttpHook",
        "HttpSensorAsync": "HttpSensor",
        "SFTPSensorAsync": "SFTPSensor",
    },
)
