"""IAM roles on Google's resources that the code names, as gcloud commands and as Terraform.

Roles and what is in them: cloud.google.com/iam/docs/understanding-roles.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bootstrap.scan.model import Resource
from bootstrap.scan.policies.hcl import Expression, block, quoted
from bootstrap.scan.policies.needed import Needed, shown, unnamed
from bootstrap.scan.resources.names import is_template
from bootstrap.scan.resources.sql_names import parts

TYPES = ("google_cloud_platform", "gcpbigquery", "gcpssh")
_MEMBER = "serviceAccount:NAME@PROJECT.iam.gserviceaccount.com"
_PROJECT = "PROJECT"
_BY_KIND = {  # roles of the whole project, for who reads and for who does more: these kinds' own bindings need a region, or don't exist
    "bigtable_table": ("roles/bigtable.reader", "roles/bigtable.user"),
    "bigtable_instance": ("roles/bigtable.viewer", "roles/bigtable.admin"),
    "batch_job": ("roles/batch.jobsViewer", "roles/batch.jobsEditor"),
    "build_trigger": ("roles/cloudbuild.builds.viewer", "roles/cloudbuild.builds.editor"),
    "composer_environment": ("roles/composer.user", "roles/composer.admin"),
    "redis_instance": ("roles/redis.viewer", "roles/redis.editor"),
    "cloud_run_job": ("roles/run.viewer", "roles/run.developer"),
    "cloud_run_service": ("roles/run.viewer", "roles/run.developer"),
    "sql_instance": ("roles/cloudsql.viewer", "roles/cloudsql.editor"),
    "transfer_job": ("roles/storagetransfer.viewer", "roles/storagetransfer.user"),
    "transfer_config": ("roles/bigquery.user", "roles/bigquery.admin"),
    "compute_instance": ("roles/compute.viewer", "roles/compute.instanceAdmin.v1"),
    "dataflow_job": ("roles/dataflow.viewer", "roles/dataflow.developer"),
    "dataflow_pipeline": ("roles/datapipelines.viewer", "roles/datapipelines.invoker"),
    "dataform_repository": ("roles/dataform.viewer", "roles/dataform.editor"),
    "datafusion_pipeline": ("roles/datafusion.viewer", "roles/datafusion.runner"),
    "datafusion_instance": ("roles/datafusion.viewer", "roles/datafusion.admin"),
    "dataproc_cluster": ("roles/dataproc.viewer", "roles/dataproc.editor"),
    "dataproc_batch": ("roles/dataproc.viewer", "roles/dataproc.editor"),
    "dataproc_template": ("roles/dataproc.viewer", "roles/dataproc.editor"),
    "metastore_service": ("roles/metastore.viewer", "roles/metastore.editor"),
    "vertex_endpoint": ("roles/aiplatform.viewer", "roles/aiplatform.user"),
    "vertex_model": ("roles/aiplatform.viewer", "roles/aiplatform.user"),
    "cloud_function": ("roles/cloudfunctions.viewer", "roles/cloudfunctions.developer"),
    "gke_cluster": ("roles/container.viewer", "roles/container.developer"),
    "kafka_cluster": ("roles/managedkafka.viewer", "roles/managedkafka.admin"),
    "spanner_database": ("roles/spanner.databaseReader", "roles/spanner.databaseUser"),
    "spanner_instance": ("roles/spanner.viewer", "roles/spanner.admin"),
    "queue": ("roles/cloudtasks.viewer", "roles/cloudtasks.queueAdmin"),
    "workflow": ("roles/workflows.viewer", "roles/workflows.invoker"),
}
_OWN = {  # roles on the thing itself, for who reads and for who does more
    "topic": ("roles/pubsub.subscriber", "roles/pubsub.publisher"),
    "subscription": ("roles/pubsub.subscriber", "roles/pubsub.subscriber"),
    "secret": ("roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionManager"),
}
_MADE = {  # who makes or removes one
    "bucket": "roles/storage.admin",
    "dataset": "roles/bigquery.user",
    "topic": "roles/pubsub.editor",
    "subscription": "roles/pubsub.editor",
    "secret": "roles/secretmanager.admin",
    "gke_cluster": "roles/container.clusterAdmin",
    "sql_instance": "roles/cloudsql.admin",
}


@dataclass(frozen=True, order=True)
class Binding:
    """A role on one thing: `kind` is bucket, dataset, topic, subscription, secret or project. `project` "" is the connection's."""

    kind: str
    name: str
    role: str
    project: str = ""


def bindings(needed: Needed) -> list[Binding]:
    """What one connection needs, each once."""
    return sorted(set(_bindings(needed.resources)))


def _bindings(resources: Sequence[Resource]) -> Iterator[Binding]:
    written = _written(resources)
    for each in resources:
        if each.kind in ("bucket", "object"):
            yield from _of_bucket(each.name.partition("/")[0], written)
        elif each.kind in ("table", "dataset"):
            yield Binding("project", "", "roles/bigquery.jobUser")
            yield from _of_dataset(parts(each.name)[: -1 if each.kind == "table" else None], written)
        elif each.kind in _OWN and not each.template:
            yield Binding(each.kind, each.name, _OWN[each.kind][each.verb != "read"])
        elif each.kind in _BY_KIND:
            yield Binding("project", "", _BY_KIND[each.kind][each.verb != "read"])
        if each.kind in _MADE and each.verb in ("create", "delete"):
            yield Binding("project", "", _MADE[each.kind])


def _of_bucket(bucket: str, written: Collection[str]) -> Iterator[Binding]:
    if not is_template(bucket):
        yield Binding("bucket", bucket, f"roles/storage.object{'User' if bucket in written else 'Viewer'}")


def _of_dataset(names: Sequence[str], written: Collection[str]) -> Iterator[Binding]:
    if names and not any(is_template(name) for name in names):
        role = f"roles/bigquery.data{'Editor' if '.'.join(names[-2:]) in written else 'Viewer'}"
        yield Binding("dataset", names[-1], role, names[-2] if names[1:] else "")


def _written(resources: Iterable[Resource]) -> set[str]:
    """The buckets and datasets in which something is made or changed."""
    found = set()
    for each in resources:
        if each.verb != "read" and each.kind in ("bucket", "object"):
            found.add(each.name.partition("/")[0])
        elif each.verb != "read" and each.kind in ("table", "dataset"):
            found.add(".".join(parts(each.name)[: -1 if each.kind == "table" else None][-2:]))
    return found


def gcloud(needed: Needed) -> Iterator[str]:
    """Commands for a shell, one a line; the account stands in the first."""
    project = needed.project or _PROJECT
    yield f"MEMBER={quote(_member(needed))}"
    for each in bindings(needed):
        yield _command(each, each.project or project)
    yield from _comments(needed)


def _command(binding: Binding, project: str) -> str:
    role, name, place = f"--role={quote(binding.role)}", quote(binding.name), f"--project={quote(project)}"
    match binding.kind:
        case "bucket":
            return f'gcloud storage buckets add-iam-policy-binding {quote(f"gs://{binding.name}")} --member="$MEMBER" {role}'
        case "dataset":
            path = ".".join("`" + part.replace("`", "") + "`" for part in (project, binding.name))
            start = quote(f"GRANT `{binding.role}` ON SCHEMA {path} TO ")
            return f"bq query --use_legacy_sql=false --project_id={quote(project)} {start}'\"'\"$MEMBER\"'\"'"
        case "topic" | "subscription":
            return f'gcloud pubsub {binding.kind}s add-iam-policy-binding {name} {place} --member="$MEMBER" {role}'
        case "secret":
            return f'gcloud secrets add-iam-policy-binding {name} {place} --member="$MEMBER" {role}'
    return f'gcloud projects add-iam-policy-binding {quote(project)} --member="$MEMBER" {role} --condition=None'


def terraform(needed: Needed, label: str) -> Iterator[str]:
    """Resources of the provider hashicorp/google; `label` begins their names, which are Terraform's identifiers."""
    kinds = {
        "bucket": ("google_storage_bucket_iam_member", "bucket"),
        "dataset": ("google_bigquery_dataset_iam_member", "dataset_id"),
        "topic": ("google_pubsub_topic_iam_member", "topic"),
        "subscription": ("google_pubsub_subscription_iam_member", "subscription"),
        "secret": ("google_secret_manager_secret_iam_member", "secret_id"),
        "project": ("google_project_iam_member", ""),
    }
    found = bindings(needed)
    if found:
        yield f"locals {{\n  {label}_member = {quoted(_member(needed))}\n}}\n"
    for number, each in enumerate(found, 1):
        kind, argument = kinds[each.kind]
        named = [] if each.kind == "bucket" else [("project", each.project or needed.project or _PROJECT)]
        target = [(argument, each.name)] if argument else []
        rows = [*named, *target, ("role", each.role), ("member", Expression(f"local.{label}_member"))]
        yield block(kind, f"{label}_{number}", rows)
    yield from _comments(needed)


def quote(text: str) -> str:
    """A word for a shell, which can't have a NUL in one."""
    return shlex.quote(text.replace("\0", ""))


def _member(needed: Needed) -> str:
    return f"serviceAccount:{needed.login}" if re.fullmatch(r"[^@\s]+@[^@\s]+", needed.login) else _MEMBER


def _comments(needed: Needed) -> Iterator[str]:
    for each in unnamed(needed.resources):
        yield f"# {each.verb} {each.kind} {shown(each)}: its name differs from run to run"
