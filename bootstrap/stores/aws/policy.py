"""The least policy for the AWS stores, as IAM JSON and Terraform.

Facts: docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html,
/systems-manager/latest/userguide/sysman-paramstore-access.html, and for keys
/kms/latest/developerguide/alias-authorization.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.stores.aws.options import AwsOptions
from bootstrap.stores.base import Context, Needs

_ACCOUNT = "${data.aws_caller_identity.this.account_id}"


@dataclass(frozen=True)
class Service:
    """The actions of a service by what they are for, and how its ARNs name a secret: `kind`, path, and one of `ends`."""

    name: str
    kind: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    prunes: tuple[str, ...]
    ends: tuple[str, ...] = ("",)


SECRETS_MANAGER = Service(
    "secretsmanager",
    "secret:",
    reads=("GetSecretValue",),
    writes=(
        "CreateSecret",
        "DescribeSecret",
        "GetSecretValue",
        "PutSecretValue",
        "RestoreSecret",
        "UpdateSecretVersionStage",
    ),
    prunes=("DeleteSecret", "DescribeSecret", "GetSecretValue", "RestoreSecret"),
    # Each ARN ends in six characters of AWS's own. Without them it means a secret that isn't there: missing, and not denied.
    ends=("", "-??????"),
)
PARAMETER_STORE = Service(
    "ssm",
    "parameter/",
    reads=("GetParameter",),
    writes=("GetParameter", "PutParameter"),
    prunes=("DeleteParameter", "GetParameter"),
)


def least(
    service: Service, options: AwsOptions, needs: Needs, context: Context, *, encrypts: tuple[str, ...]
) -> Mapping[str, str]:
    """The policy by format: `iam`, `terraform`. `encrypts`: what writing needs of a KMS key of one's own.

    The account is that of the role in the options; else any: a policy gives nothing in an account that is not its own.
    """

    def statement(sid: str, actions: Sequence[str], paths: Sequence[str], ends: tuple[str, ...]) -> dict[str, Any]:
        arns = [_arn(options, service.name, f"{service.kind}{path}{end}") for path in paths for end in ends]
        named = [f"{service.name}:{action}" for action in actions]
        return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": arns}

    statements = [
        statement("Read", service.reads, needs.read, service.ends),
        statement("Write", service.writes, needs.write, service.ends),
        statement("ReadBelow", service.reads, needs.below, ("/*",)),
        statement("Delete", service.prunes, needs.delete, service.ends),
        statement("PruneBelow", service.prunes, needs.prune, ("/*",)),
    ]
    if options.key_id is not None:
        actions = ("Decrypt", *encrypts) if needs.write else ("Decrypt",)
        statements.append(_use_of_key(options, options.key_id, service, actions))
    document = {"Version": "2012-10-17", "Statement": [it for it in statements if it["Resource"]]}
    text = json.dumps(document, indent=2)
    purpose = "airflow" if needs.below else "airflow-bootstrap"
    iam = text.replace(_ACCOUNT, options.account or "*")
    return {"iam": f"{iam}\n", "terraform": _terraform(text, purpose, context)}


def _use_of_key(options: AwsOptions, key: str, service: Service, actions: Sequence[str]) -> dict[str, Any]:
    """To use a KMS key of one's own. AWS's own keys let in whoever may use the service."""
    host = f"{service.name}.{options.region}.amazonaws.com{'.cn' if options.partition == 'aws-cn' else ''}"
    only: dict[str, Any] = {"StringEquals": {"kms:ViaService": host}}
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):  # a policy can't name a key by its alias
        only["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": alias}
        key = _arn(options, "kms", "key/*")
    elif not key.startswith("arn:"):
        key = _arn(options, "kms", f"key/{key}")
    named = [f"kms:{action}" for action in actions]
    return {"Sid": "Key", "Effect": "Allow", "Action": named, "Resource": [key], "Condition": only}


def _arn(options: AwsOptions, service: str, resource: str) -> str:
    return f"arn:{options.partition}:{service}:{options.region}:{options.account or _ACCOUNT}:{resource}"


def _terraform(document: str, purpose: str, context: Context) -> str:
    data = 'data "aws_caller_identity" "this" {}\n\n' if _ACCOUNT in document else ""
    label = purpose.replace("-", "_")
    indented = document.replace("\n", "\n  ")
    return (
        f"# What {purpose} needs of the store {context.name}.\n{data}"
        f'resource "aws_iam_policy" "{label}" {{\n  name   = "{purpose}-{context.name}"\n'
        f"  policy = jsonencode({indented})\n}}\n"
    )
