"""AB204: a fixed name for what every run creates.

Whether a second run fails is what the operator's source and its service's API say (official providers, 2022 to 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bootstrap.domain.secret import foreign
from bootstrap.scan.code.values import Call
from bootstrap.scan.operators.table import Operator
from bootstrap.scan.risks.base import DagFile, Found, at, title
from bootstrap.scan.risks.settings import given

# The argument with the name, where a second creation fails
_FAILS = {
    "AzureServiceBusCreateQueueOperator": "queue_name",
    "AzureServiceBusTopicCreateOperator": "topic_name",
    "BatchCreateComputeEnvironmentOperator": "compute_environment_name",
    "BedrockCreateEvaluationJobOperator": "job_name",
    "BedrockCreateProvisionedModelThroughputOperator": "provisioned_model_name",
    "CloudDataFusionCreatePipelineOperator": "pipeline_name",
    "CloudFormationCreateStackOperator": "stack_name",
    "CloudRunCreateJobOperator": "job_name",
    "CloudTasksTaskCreateOperator": "task_name",
    "CreateExperimentOperator": "experiment_name",
    "CreateExperimentRunOperator": "experiment_run_name",
    "CreateFeatureOnlineStoreOperator": "feature_online_store_id",
    "CreatePodIndexOperator": "index_name",
    "CreateServerlessIndexOperator": "index_name",
    "DataformCreateRepositoryOperator": "repository_id",
    "DataformCreateWorkspaceOperator": "workspace_id",
    "DataprocMetastoreCreateMetadataImportOperator": "metadata_import_id",
    "DmsCreateReplicationConfigOperator": "replication_config_id",
    "DmsCreateTaskOperator": "replication_task_id",
    "EcrCreateRepositoryOperator": "repository_name",
    "EksCreateClusterOperator": "cluster_name",
    "EksCreateFargateProfileOperator": "fargate_profile_name",
    "EksCreateNodegroupOperator": "nodegroup_name",
    "LambdaCreateFunctionOperator": "function_name",
    "NeptuneCreateGraphOperator": "graph_name",
    "NeptuneCreateGraphWithImportOperator": "graph_name",
    "OpenSearchCreateIndexOperator": "index_name",
    "QuickSightCreateIngestionOperator": "ingestion_id",
    "RdsCreateDbInstanceOperator": "db_instance_identifier",
    "RdsCreateDbSnapshotOperator": "db_snapshot_identifier",
    "RdsCreateEventSubscriptionOperator": "subscription_name",
    "RdsStartExportTaskOperator": "export_task_identifier",
    "RedshiftCreateClusterOperator": "cluster_identifier",
    "RedshiftCreateClusterSnapshotOperator": "snapshot_identifier",
    "S3TablesCreateTableOperator": "table_name",
    "SageMakerAutoMLOperator": "job_name",
    "SageMakerCreateExperimentOperator": "name",
    "SageMakerCreateNotebookOperator": "instance_name",
}
# … and where it succeeds, with what the first run made
_REUSES = {
    "AlloyDBCreateBackupOperator": "backup_id",
    "DataprocCreateBatchOperator": "batch_id",
    "DataprocMetastoreCreateBackupOperator": "backup_id",
    "CloudDLPCreateDLPJobOperator": "job_id",
    "DatabricksRunNowOperator": "idempotency_token",
    "DatabricksSubmitRunOperator": "idempotency_token",
}
# What is found and used if it is there: a risk only for a run whose DAG deletes it in the end
_SHARES = {
    "BigQueryCreateEmptyDatasetOperator": "dataset_id",
    "DataprocCreateClusterOperator": "cluster_name",
    "GCSCreateBucketOperator": "bucket_name",
    "S3CreateBucketOperator": "bucket_name",
}
_DELETES = re.compile(r"Delete|Terminate")
_TEMPLATE = re.compile(r"\{\{|\{%")


def fixed_name(file: DagFile) -> Iterator[Found]:
    """Operators whose name for what they create is the same in every run."""
    for call, operator in file.known:
        name = title(operator.name)
        argument = _FAILS.get(name) or _REUSES.get(name) or _SHARES.get(name)
        value = given(call, argument, operator) if argument else None
        fixed = value.literal() if value is not None else None
        if argument is None or not isinstance(fixed, str) or not fixed or _TEMPLATE.search(fixed):
            continue
        if _deleted(file, operator, fixed):
            if not _one_at_a_time(file):
                said = f"every run creates and deletes {foreign(fixed)}: two runs at a time take it from each other"
                yield at(call, said, argument)
        elif name in _FAILS:
            yield at(
                call,
                f"{title(call.name)} creates {foreign(fixed)} in the first run; every later one fails, as it exists",
                argument,
            )
        elif name in _REUSES:
            said = (
                f"{title(call.name)} creates {foreign(fixed)} in the first run; every later one gets that one's result"
            )
            yield at(call, said, argument)


def _deleted(file: DagFile, creates: Operator, fixed: str) -> bool:
    """True if an operator of the same module's deletes it."""
    module = creates.name.rpartition(".")[0]
    return any(
        _DELETES.search(title(operator.name)) and operator.name.startswith(f"{module}.") and fixed in _texts(call)
        for call, operator in file.known
    )


def _texts(call: Call) -> list[str]:
    return [text for value in (*call.arguments, *call.keywords.values()) for text in value.texts()]


def _one_at_a_time(file: DagFile) -> bool:
    """True if each DAG of the file says `max_active_runs=1`."""
    dags = [
        call
        for call in file.calls
        if call.name.rpartition(".")[2] in {"DAG", "dag"} and call.name.startswith("airflow")
    ]
    return bool(dags) and all(_runs(call) == 1 for call in dags)


def _runs(dag: Call) -> object:
    value = given(dag, "max_active_runs")
    return value.literal() if value is not None else None
