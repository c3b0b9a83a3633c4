"""An IAM policy for what the code names at Amazon, as JSON and as Terraform.

Actions and how ARNs are written: docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bootstrap.scan.model import Resource
from bootstrap.scan.policies.hcl import Expression, literal
from bootstrap.scan.policies.needed import Needed, shown, unnamed
from bootstrap.scan.resources.names import constant_start, is_template
from bootstrap.scan.resources.sql_names import parts

TYPES = ("aws", "emr")
VERSION = "2012-10-17"  # of the policies' language


@dataclass(frozen=True)
class Service:
    """A kind of resource: `arn` after `arn:aws:SERVICE:REGION:ACCOUNT:`, and the actions by verb; `*` for those of every verb."""

    service: str
    arn: str
    actions: Mapping[str, tuple[str, ...]]


def _service(service: str, arn: str, **actions: str) -> Service:
    return Service(
        service, arn, {verb: tuple(f"{service}:{name}" for name in names.split()) for verb, names in actions.items()}
    )


_BY_KIND = {
    "function": _service(
        "lambda",
        "function:{}",
        read="GetFunction GetFunctionConfiguration",
        run="InvokeFunction GetFunctionConfiguration",
        create="CreateFunction GetFunction",
        write="UpdateFunctionCode UpdateFunctionConfiguration GetFunctionConfiguration",
        delete="DeleteFunction",
    ),
    "endpoint": _service(
        "sagemaker",
        "endpoint/{}",
        read="DescribeEndpoint",
        run="InvokeEndpoint DescribeEndpoint",
        create="CreateEndpoint CreateEndpointConfig UpdateEndpoint DescribeEndpoint",
        delete="DeleteEndpoint",
    ),
    "endpoint_config": _service("sagemaker", "endpoint-config/{}", create="CreateEndpointConfig"),
    "model": _service(
        "sagemaker", "model/{}", read="DescribeModel", create="CreateModel DescribeModel", delete="DeleteModel"
    ),
    "training_job": _service(
        "sagemaker", "training-job/{}", read="DescribeTrainingJob", create="CreateTrainingJob DescribeTrainingJob"
    ),
    "transform_job": _service(
        "sagemaker", "transform-job/{}", read="DescribeTransformJob", create="CreateTransformJob DescribeTransformJob"
    ),
    "tuning_job": _service(
        "sagemaker",
        "hyper-parameter-tuning-job/{}",
        read="DescribeHyperParameterTuningJob",
        create="CreateHyperParameterTuningJob DescribeHyperParameterTuningJob",
    ),
    "processing_job": _service(
        "sagemaker",
        "processing-job/{}",
        read="DescribeProcessingJob",
        create="CreateProcessingJob DescribeProcessingJob",
    ),
    "sagemaker_pipeline": _service("sagemaker", "pipeline/{}", run="StartPipelineExecution DescribePipelineExecution"),
    "glue_job": _service(
        "glue", "job/{}", read="GetJob GetJobRun", run="GetJob StartJobRun GetJobRun", create="CreateJob"
    ),
    "glue_crawler": _service("glue", "crawler/{}", run="GetCrawler StartCrawler UpdateCrawler", create="CreateCrawler"),
    "queue": _service(
        "sqs", "{}", read="ReceiveMessage DeleteMessage", write="SendMessage GetQueueUrl", create="CreateQueue"
    ),
    "topic": _service("sns", "{}", write="Publish", create="CreateTopic"),
    "state_machine": _service("states", "stateMachine:{}", run="StartExecution"),
    "dynamodb_table": _service(
        "dynamodb",
        "table/{}",
        read="GetItem Query Scan DescribeTable",
        write="PutItem UpdateItem BatchWriteItem DescribeTable",
        delete="DeleteItem",
    ),
    "secret": _service("secretsmanager", "secret:{}-??????", read="GetSecretValue"),
    "ecs_task": _service("ecs", "task-definition/{}", run="RunTask", read="DescribeTaskDefinition"),
    "ecs_cluster": _service(
        "ecs", "cluster/{}", read="DescribeClusters", create="CreateCluster", delete="DeleteCluster"
    ),
    "batch_job": _service("batch", "job-definition/{}", run="SubmitJob"),
    "batch_queue": _service("batch", "job-queue/{}", run="SubmitJob", read="DescribeJobQueues"),
    "emr_cluster": _service(
        "elasticmapreduce",
        "cluster/{}",
        read="DescribeCluster DescribeStep ListSteps",
        write="AddJobFlowSteps DescribeStep",
        delete="TerminateJobFlows DescribeCluster",
    ),
    "db_instance": _service(
        "rds",
        "db:{}",
        read="DescribeDBInstances",
        run="StartDBInstance StopDBInstance DescribeDBInstances",
        create="CreateDBInstance",
        delete="DeleteDBInstance",
    ),
    "stack": _service(
        "cloudformation",
        "stack/{}/*",
        read="DescribeStacks",
        create="CreateStack DescribeStacks",
        delete="DeleteStack DescribeStacks",
    ),
    "athena_workgroup": _service(
        "athena",
        "workgroup/{}",
        run="StartQueryExecution GetQueryExecution GetQueryResults StopQueryExecution",
    ),
    "redshift_cluster": _service(
        "redshift", "cluster:{}", run="DescribeClusters ResumeCluster PauseCluster", read="DescribeClusters"
    ),
}
_GLUE = {
    "read": "GetTable GetPartitions",
    "create": "CreateTable GetTable",
    "delete": "DeleteTable",
    "write": "UpdateTable GetTable",
}
_OBJECTS = {
    "read": ("s3:GetObject",),
    # As the check does: what is written is read back and removed.
    "write": ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"),
    "create": ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"),
    "delete": ("s3:DeleteObject",),
}
_BUCKETS = {
    "read": (),
    "write": ("s3:PutBucketTagging",),
    "create": ("s3:CreateBucket",),
    "delete": ("s3:DeleteBucket",),
}


def statements(needed: Needed) -> list[dict[str, object]]:
    """The statements of one connection's policy, those of one ARN together."""
    found: dict[str, set[str]] = {}
    for arn, actions in _allowed(needed):
        found.setdefault(arn, set()).update(actions)
    together: dict[tuple[str, ...], list[str]] = {}
    for arn, wanted in sorted(found.items()):
        if wanted:
            together.setdefault(tuple(sorted(wanted)), []).append(arn)
    return [{"Effect": "Allow", "Action": list(actions), "Resource": arns} for actions, arns in together.items()]


def _allowed(needed: Needed) -> Iterator[tuple[str, Iterable[str]]]:
    place = f"{needed.region or '*'}:{needed.account or '*'}"
    for each in needed.resources:
        if each.kind in ("bucket", "object"):
            yield from _s3(each)
        elif each.kind == "table":
            yield from _glue(each, place)
        elif (service := _BY_KIND.get(each.kind)) and (arn := _arn(service, each, place)):
            yield arn, service.actions.get(each.verb, ())


def _s3(resource: Resource) -> Iterator[tuple[str, Iterable[str]]]:
    bucket, _, key = resource.name.partition("/")
    if is_template(bucket):
        return
    if resource.kind == "bucket":
        yield f"arn:aws:s3:::{_exact(bucket)}", ("s3:ListBucket", *_BUCKETS.get(resource.verb, ()))
        yield f"arn:aws:s3:::{_exact(bucket)}/*", _OBJECTS["read"] if resource.verb == "read" else ()
        return
    constant = constant_start(key)
    ending = "*" if constant != key or key.endswith("/") else ""
    yield f"arn:aws:s3:::{_exact(bucket)}", ("s3:ListBucket",)
    yield f"arn:aws:s3:::{_exact(bucket)}/{_exact(constant)}{ending}", _OBJECTS.get(resource.verb, ())


def _glue(resource: Resource, place: str) -> Iterator[tuple[str, Iterable[str]]]:
    """Tables of Athena are those of Glue's catalog; of Redshift, only the database knows rights on tables."""
    names = parts(resource.name)[-2:]
    if "Redshift" in resource.place.by:
        yield (
            "*",
            ("redshift-data:ExecuteStatement", "redshift-data:DescribeStatement", "redshift-data:GetStatementResult"),
        )
        return
    database, table = (names[0], names[1]) if len(names) > 1 else ("*", names[0])
    if any(is_template(name) for name in (database, table)):
        database, table = (database, "*") if not is_template(database) else ("*", "*")
    actions = [f"glue:{name}" for name in _GLUE.get(resource.verb, "").split()]
    yield f"arn:aws:glue:{place}:catalog", ("glue:GetDatabase", *actions)
    shown_database = database if database == "*" else _exact(database)
    yield f"arn:aws:glue:{place}:database/{shown_database}", ("glue:GetDatabase", *actions)
    yield f"arn:aws:glue:{place}:table/{shown_database}/{table if table == '*' else _exact(table)}", actions


def _arn(service: Service, resource: Resource, place: str) -> str:
    """Of a name that differs from run to run, those that begin as it does; "" where nothing of it is known."""
    name = resource.name.rpartition("/")[2] if resource.kind == "queue" else resource.name  # a queue's URL
    known = constant_start(name) if is_template(name) else name
    exact = _exact(known) + "*" * (known != name)
    if not known or name.startswith("arn:"):
        return exact if known.count(":") > 4 else ""  # noqa: PLR2004  an ARN's own parts
    return f"arn:aws:{service.service}:{place}:{service.arn.format(exact)}"


def _exact(text: str) -> str:
    """A name in an ARN, whose * and ? and variables would mean others, too."""
    return text.replace("$", "${$}").replace("*", "${*}").replace("?", "${?}") if text else ""


def document(needed: Needed) -> dict[str, object]:
    """The whole policy."""
    return {"Version": VERSION, "Statement": statements(needed)}


def policies(connections: Iterable[Needed], others: Mapping[str, object]) -> str:
    """JSON: the policy by conn_id, and those of the stores by name; or the policy alone where there is one."""
    found = {**{each.conn_id: document(each) for each in connections}, **others}
    return json.dumps(next(iter(found.values())) if len(found) == 1 else found, indent=2, ensure_ascii=True) + "\n"


def terraform(needed: Needed, label: str) -> Iterator[str]:
    """A policy of the provider hashicorp/aws."""
    found = document(needed)
    if found["Statement"]:
        rows = {"name": f"airflow-{label.replace('_', '-')}", "policy": Expression(f"jsonencode({literal(found, 1)})")}
        body = "".join(f"  {name} = {literal(value, 1)}\n" for name, value in rows.items())
        yield f'resource "aws_iam_policy" "{label}" {{\n{body}}}\n'
    for each in unnamed(needed.resources):
        yield f"# {each.verb} {each.kind} {shown(each)}: its name differs from run to run"
