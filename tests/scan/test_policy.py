from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import sqlglot
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import UsageError
from bootstrap.manifest.loader import load
from bootstrap.scan.model import Place, Resource, Verb
from bootstrap.scan.policies import aws, sql
from bootstrap.scan.policies.hcl import quoted
from bootstrap.scan.policies.needed import Needed
from bootstrap.scan.policies.policy import policy, store_policies
from bootstrap.scan.resources.names import is_template
from bootstrap.scan.resources.sql import DIALECTS
from bootstrap.scan.resources.sql_names import joined, parts

PLACE = Place("dag.py", 1, "Operator")


def touched(kind: str, name: str, verb: Verb = "read", right: str = "", by: str = "Operator") -> Resource:
    return Resource("x", kind, name, verb, Place("dag.py", 1, by), is_template(name), right)


def needed(conn_type: str, *resources: Resource, **more: str) -> Needed:
    return Needed("warehouse", conn_type, resources, **more)


ORDERS = (
    touched("table", "s.orders", "read", "SELECT"),
    touched("table", "s.orders", "write", "INSERT"),
    touched("table", "s.report", "create", "CREATE"),
    touched("table", "old", "delete", "DROP"),
    touched("table", "events_{{ ds_nodash }}", "write", "INSERT"),
    touched("routine", "s.refresh", "run", "EXECUTE"),
)


def test_postgres_grants_name_tables_schemas_and_what_only_the_owner_may() -> None:
    assert policy([needed("postgres", *ORDERS, login="etl")], "sql").splitlines() == [
        "-- warehouse (postgres)",
        'GRANT USAGE ON SCHEMA "s" TO "etl";',
        'GRANT SELECT, INSERT ON TABLE "s"."orders" TO "etl";',
        'GRANT CREATE ON SCHEMA "s" TO "etl";',
        '-- DROP on "old" is its owner\'s: make the login the owner',
        'GRANT EXECUTE ON PROCEDURE "s"."refresh" TO "etl";',
        '-- INSERT on "events_{{ ds_nodash }}": the name differs from run to run, so grant it on the schema',
    ]


def test_mysql_grants_creating_and_dropping_on_the_table_itself() -> None:
    lines = policy([needed("mysql", *ORDERS, login="etl")], "sql").splitlines()
    assert "GRANT SELECT, INSERT ON `s`.`orders` TO `etl`@'%';" in lines
    assert "GRANT CREATE ON `s`.`report` TO `etl`@'%';" in lines
    assert "GRANT DROP ON `old` TO `etl`@'%';" in lines


def test_snowflake_needs_usage_on_the_way_to_the_table() -> None:
    lines = policy([needed("snowflake", touched("table", "DB.S.T", "read", "SELECT"))], "sql").splitlines()
    assert lines[1:] == [
        'GRANT USAGE ON DATABASE "DB" TO ROLE "LOGIN";',
        'GRANT USAGE ON SCHEMA "DB"."S" TO ROLE "LOGIN";',
        'GRANT SELECT ON TABLE "DB"."S"."T" TO ROLE "LOGIN";',
    ]


GOOGLE = (
    touched("object", "in/{{ ds }}.csv"),
    touched("object", "out/x.csv", "write"),
    touched("table", "p.d.t", "write"),
    touched("table", "e.t", "read", "SELECT"),
    touched("topic", "orders", "write"),
    touched("dataproc_cluster", "c", "run"),
)


def test_google_gives_roles_on_buckets_and_datasets_and_not_on_the_project() -> None:
    lines = policy(
        [needed("google_cloud_platform", *GOOGLE, project="proj", login="a@proj.iam")], "gcloud"
    ).splitlines()
    assert lines[1] == "MEMBER=serviceAccount:a@proj.iam"
    found = [shlex.split(line) for line in lines[2:] if not line.startswith("#")]
    roles = {words[-1] for words in found}
    assert ["gcloud", "storage", "buckets", "add-iam-policy-binding", "gs://in", "--member=$MEMBER"] in [
        w[:6] for w in found
    ]
    assert "--role=roles/storage.objectViewer" in roles
    assert 'GRANT `roles/bigquery.dataEditor` ON SCHEMA `p`.`d` TO "$MEMBER"' in roles
    assert 'GRANT `roles/bigquery.dataViewer` ON SCHEMA `proj`.`e` TO "$MEMBER"' in roles
    project = [words for words in found if words[1] == "projects"]
    assert sorted(words[5] for words in project) == ["--role=roles/bigquery.jobUser", "--role=roles/dataproc.editor"]


def test_terraform_has_a_resource_for_each_binding() -> None:
    text = policy([needed("google_cloud_platform", *GOOGLE)], "terraform")
    assert re.findall(r'resource "(\w+)"', text).count("google_storage_bucket_iam_member") == 2
    assert 'bucket = "in"\n  role = "roles/storage.objectViewer"\n  member = local.warehouse_member' in text


def test_an_iam_policy_names_arns() -> None:
    resources = (
        touched("object", "b/in/{{ ds }}/x.csv"),
        touched("object", "b/out.csv", "write"),
        touched("function", "f", "run"),
        touched("endpoint", "e", "run"),
        touched("table", "db.t", "read", "SELECT", by="AthenaOperator"),
    )
    document = json.loads(policy([needed("aws", *resources, region="eu-west-1", account="123456789012")], "aws"))
    allowed = {arn: set(each["Action"]) for each in document["Statement"] for arn in each["Resource"]}
    assert allowed["arn:aws:s3:::b"] == {"s3:ListBucket"}
    assert allowed["arn:aws:s3:::b/in/*"] == {"s3:GetObject"}
    assert allowed["arn:aws:s3:::b/out.csv"] == {"s3:PutObject", "s3:GetObject", "s3:DeleteObject"}
    assert "lambda:InvokeFunction" in allowed["arn:aws:lambda:eu-west-1:123456789012:function:f"]
    assert "sagemaker:InvokeEndpoint" in allowed["arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e"]
    assert "glue:GetTable" in allowed["arn:aws:glue:eu-west-1:123456789012:table/db/t"]


def test_vaults_policy_names_the_paths_of_the_secrets() -> None:
    resources = (touched("secret", "team/db"), touched("secret", "team/out", "write"), touched("secret", "a/+"))
    text = policy([needed("vault", *resources)], "terraform")
    (written,) = re.findall(r"^  policy = (.*)$", text, re.MULTILINE)
    hcl = json.loads(written)
    assert 'path "secret/data/team/db" {\n  capabilities = ["read"]\n}' in hcl
    assert 'path "secret/data/team/out" {\n  capabilities = ["create", "read", "update"]\n}' in hcl
    assert '# read "a/+"' in text
    assert "a/+" not in hcl


STORES = """
version: 1
stores:
  team: {kind: vault, url: "https://vault", mount: secret, auth: {method: token, token: {env: TOKEN}}}
  more: {kind: vault, url: "https://vault", mount: other, auth: {method: token, token: {env: TOKEN}}}
  cloud: {kind: google_secret_manager, project: proj}
  amazon: {kind: aws_secrets_manager, region: eu-west-1}
connections:
  a: {conn_type: http, password: {secret: "team:a#password"}}
  b: {conn_type: http, password: {secret: "cloud:b"}}
  c: {conn_type: http, password: {secret: "amazon:c"}}
  d: {conn_type: http, password: {secret: "more:d#password"}}
"""


def test_the_stores_policies_are_those_that_the_manifests_references_need(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text(STORES)
    manifest = load(tmp_path / "bootstrap.yaml")
    secrets = SecretReader(manifest)
    assert "gcloud secrets add-iam-policy-binding b" in policy(
        [], "gcloud", store_policies(manifest, secrets, "gcloud")
    )
    text = policy([], "terraform", store_policies(manifest, secrets, "terraform"))
    labels = re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE)
    assert ("vault_policy", "airflow_bootstrap") in labels
    assert len(labels) == len(set(labels))
    assert "store policy more --for read --format terraform" in text
    aws_policy = json.loads(
        policy([needed("aws", touched("bucket", "b"))], "aws", store_policies(manifest, secrets, "aws"))
    )
    assert set(aws_policy) == {"warehouse", "store amazon"}


def test_stars_in_a_name_mean_no_others_in_an_arn() -> None:
    document = json.loads(policy([needed("aws", touched("function", "a$b?", "run"))], "aws"))
    assert document["Statement"][0]["Resource"] == ["arn:aws:lambda:*:*:function:a${$}b${?}"]


def test_a_format_that_can_say_nothing_is_an_error_that_says_so() -> None:
    with pytest.raises(UsageError, match="conn_types: postgres"):
        policy([needed("postgres", *ORDERS)], "aws")


EVIL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    [
        '"',
        "'",
        "`",
        "]",
        '";DROP TABLE x;--',
        "a'b",
        "$(id)",
        "`id`",
        "${x}",
        "%{x}",
        "a\nb",
        "a b",
        "*/",
        "--",
        "\\",
        '\\"',
        "$$",
    ]
)
EVIL_TABLES = st.lists(EVIL, min_size=1, max_size=3).map(joined)
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "DROP", "ALTER")


@settings(deadline=None)
@given(st.sampled_from(sorted(set(sql.TYPES) - {"sqlite"})), EVIL_TABLES, st.sampled_from(RIGHTS), EVIL, EVIL)
def test_no_name_breaks_out_of_sql(conn_type: str, name: str, right: str, login: str, conn_id: str) -> None:
    one = Resource(conn_id, "table", name, "write", PLACE, template=False, right=right)
    text = policy([Needed(conn_id, conn_type, (one,), login=login)], "sql")
    dialect = DIALECTS[conn_type]
    statements = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
    plain = Resource("x", "table", ".".join("a" for _ in parts(name)), "write", PLACE, right=right)
    usual = policy([Needed("x", conn_type, (plain,), login="b")], "sql")
    assert [each.key for each in statements] == [
        each.key for each in sqlglot.parse(usual, read=dialect) if each is not None
    ]
    assert all(each.key in ("grant", "command", "semicolon") for each in statements)


SHELL = (
    'gcloud() { printf "%s\\0" $# gcloud "$@"; }; bq() { printf "%s\\0" $# bq "$@"; }\n'  # how many words, and these
)


@settings(deadline=None)
@given(st.sampled_from(["bucket", "dataset", "topic", "subscription", "secret"]), EVIL, EVIL, EVIL)
def test_a_shell_runs_what_is_meant_and_nothing_else(kind: str, name: str, project: str, conn_id: str) -> None:
    assume(not is_template(name))  # no policy names one
    found = commands(kind, joined([name]) if kind == "dataset" else name, project, conn_id)
    assert [(words[0], len(words)) for words in found] == [
        (words[0], len(words)) for words in commands(kind, "plain/x", "plain", "plain")
    ]


def commands(kind: str, name: str, project: str, conn_id: str) -> list[list[bytes]]:
    """The words of each command that a shell runs of the policy."""
    one = Needed(conn_id, "google_cloud_platform", (Resource(conn_id, kind, name, "write", PLACE),), project=project)
    run = subprocess.run(["sh", "-c", SHELL + policy([one], "gcloud")], capture_output=True, check=True)
    assert run.stderr == b""
    words, found = run.stdout.split(b"\0")[:-1], []
    while words:
        count = int(words.pop(0)) + 1
        found.append(words[:count])
        words = words[count:]
    return found


@given(st.text(max_size=30) | EVIL)
def test_no_text_ends_a_string_of_terraform(text: str) -> None:
    written = quoted(text)
    assert re.fullmatch(r'"(?:[^"\\\n\r]|\\(?:["\\nrt]|u[0-9a-f]{4}))*"', written), written
    assert "${" not in written
    assert "%{" not in written
    assert json.loads(written, strict=False) == text


@given(
    st.sampled_from(["bucket", "object", "function", "endpoint", "queue", "topic", "table"]),
    EVIL,
    st.sampled_from(get_args(Verb)),
)
def test_whatever_is_named_an_iam_policy_is_json_and_terraform_holds_the_same(kind: str, name: str, verb: Verb) -> None:
    only = needed("aws", touched(kind, name, verb))
    document = json.loads(policy([only], "aws"))
    assert document["Version"] == aws.VERSION
    assert policy([only], "terraform").count('resource "aws_iam_policy"') == bool(document["Statement"])
