"""The least policy for the AWS stores, as IAM JSON and Terraform.

Facts: docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html,
/systems-manager/latest/userguide/sysman-paramstore-access.html, and for keys
/kms/latest/developerguide/alias-authorization.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bootstrap.stores.aws.options import AwsOptions
from bootstrap.stores.base import Context
from bootstrap.stores.needs import Needs

Statement: TypeAlias = Mapping[str, Any]

_ANY_SUFFIX = "-??????"  # Secrets Manager ends each ARN in six characters of its own
_ACCOUNT = "${data.aws_caller_identity.this.account_id}"
SECRET_READS = ("GetSecretValue",)
SECRET_WRITES = (
    "CreateSecret",
    "DescribeSecret",
    "GetSecretValue",
    "PutSecretValue",
    "RestoreSecret",
    "UpdateSecretVersionStage",
)
SECRET_PRUNES = ("DeleteSecret", "DescribeSecret", "GetSecretValue", "RestoreSecret")
PARAMETER_READS = ("GetParameter",)
PARAMETER_WRITES = ("GetParameter", "PutParameter")
PARAMETER_PRUNES = ("DeleteParameter", "GetParameter")


def secrets_manager(options: AwsOptions, needs: Needs, context: Context) -> Mapping[str, str]:
    """For AWS Secrets Manager. Without the six characters an ARN means a secret that isn't there: it is missing then, and
    not denied.
    """

    def exact(path: str) -> Sequence[str]:
        return f"secret:{path}", f"secret:{path}{_ANY_SUFFIX}"

    rules = _Rules(options, "secretsmanager")
    statements = [
        rules.statement("Read", SECRET_READS, [it for path in needs.read for it in exact(path)]),
        rules.statement("Write", SECRET_WRITES, [it for path in needs.write for it in exact(path)]),
        rules.statement("ReadBelow", SECRET_READS, [f"secret:{prefix}/*" for prefix in needs.below]),
        rules.statement("Delete", SECRET_PRUNES, [it for path in needs.delete for it in exact(path)]),
        rules.statement("PruneBelow", SECRET_PRUNES, [f"secret:{prefix}/*" for prefix in needs.prune]),
        *rules.key(("Decrypt", "GenerateDataKey") if needs.write else ("Decrypt",)),
    ]
    return rules.texts(statements, needs, context)


def parameter_store(options: AwsOptions, needs: Needs, context: Context, *, advanced: bool) -> Mapping[str, str]:
    """For Parameter Store, whose `advanced` values are encrypted in another way."""
    rules = _Rules(options, "ssm")
    encrypts = ("Encrypt", "GenerateDataKey") if advanced else ("Encrypt",)
    statements = [
        rules.statement("Read", PARAMETER_READS, [f"parameter/{path}" for path in needs.read]),
        rules.statement("Write", PARAMETER_WRITES, [f"parameter/{path}" for path in needs.write]),
        rules.statement("ReadBelow", PARAMETER_READS, [f"parameter/{prefix}/*" for prefix in needs.below]),
        rules.statement("Delete", PARAMETER_PRUNES, [f"parameter/{path}" for path in needs.delete]),
        rules.statement("PruneBelow", PARAMETER_PRUNES, [f"parameter/{prefix}/*" for prefix in needs.prune]),
        *rules.key(("Decrypt", *encrypts) if needs.write else ("Decrypt",)),
    ]
    return rules.texts(statements, needs, context)


class _Rules:
    """The account is that of the role in the options; else any: a policy gives nothing in an account that is not its own."""

    def __init__(self, options: AwsOptions, service: str) -> None:
        self.options = options
        self.service = service

    def statement(self, sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
        """What is allowed; without resources nothing is."""
        arns = [self._arn(self.service, resource) for resource in resources]
        named = [f"{self.service}:{action}" for action in actions]
        return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": arns}

    def key(self, actions: Sequence[str]) -> Sequence[Statement]:
        """To use a KMS key of one's own. AWS's own keys let in whoever may use the service."""
        key = self.options.key_id
        if key is None:
            return ()
        host = (
            f"{self.service}.{self.options.region}.amazonaws.com{'.cn' if self.options.partition == 'aws-cn' else ''}"
        )
        only: dict[str, Any] = {"StringEquals": {"kms:ViaService": host}}
        alias = key.rpartition(":")[2]
        if alias.startswith("alias/"):  # a policy can't name a key by its alias
            only["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": alias}
            key = self._arn("kms", "key/*")
        elif not key.startswith("arn:"):
            key = self._arn("kms", f"key/{key}")
        named = [f"kms:{action}" for action in actions]
        return ({"Sid": "Key", "Effect": "Allow", "Action": named, "Resource": [key], "Condition": only},)

    def texts(self, statements: Sequence[Statement], needs: Needs, context: Context) -> Mapping[str, str]:
        """The policy by format."""
        purpose = "airflow" if needs.below else "airflow-bootstrap"
        document = {"Version": "2012-10-17", "Statement": [it for it in statements if it["Resource"]]}
        text = json.dumps(document, indent=2)
        iam = text.replace(_ACCOUNT, self.options.account or "*")
        return {"iam": f"{iam}\n", "terraform": self._terraform(text, purpose, context)}

    def _arn(self, service: str, resource: str) -> str:
        account = self.options.account or _ACCOUNT
        return f"arn:{self.options.partition}:{service}:{self.options.region}:{account}:{resource}"

    def _terraform(self, document: str, purpose: str, context: Context) -> str:
        data = 'data "aws_caller_identity" "this" {}\n\n' if _ACCOUNT in document else ""
        label = purpose.replace("-", "_")
        indented = document.replace("\n", "\n  ")
        return (
            f"# What {purpose} needs of the store {context.name}.\n{data}"
            f'resource "aws_iam_policy" "{label}" {{\n  name   = "{purpose}-{context.name}"\n'
            f"  policy = jsonencode({indented})\n}}\n"
        )
