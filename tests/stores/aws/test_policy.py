"""The printed policy is enough, and none of it is too much: seen by a user who may do nothing else.

The server's IAM compares ARNs as AWS does (see moto_launcher.py); it knows no KMS, so what is said of keys is compared
with AWS's documents only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, NotFound, StoreError
from bootstrap.plugins import STORES
from bootstrap.stores.base import Context, Needs, Store
from bootstrap.stores.kind import StoreKind, WritesPolicy
from tests.stores.aws.bench import ACCOUNT, BOTH, Front, Opened, api, front, key, opened, region, server
from tests.stores.contract import whole
from tests.systems import moto

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

SECRETS, PARAMETERS = BOTH
NEEDS = Needs(
    read=("databases/read",),
    write=("connections/new", "connections/old"),
    below=("airflow/variables",),
    prune=("connections",),
)
both = pytest.mark.parametrize("kind", BOTH)


def policy(kind: str, region: str, needs: Needs = NEEDS, **options: Any) -> dict[str, str]:
    given = STORES.get(kind, StoreKind).Options.model_validate({"kind": kind, "region": region, **options})
    return dict(STORES.get(kind, WritesPolicy).policy(given, needs, Context("team", Path())))


def statements(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = document["Statement"]
    return found


def fill(store: Store) -> None:
    for path in (
        "databases/read",
        "databases/read-other",
        "connections/old",
        "connections/other",
        "airflow/variables/a",
    ):
        store.write(path, Secret("old"), expect=None)


WORK: dict[str, Callable[[Any], object]] = {
    "Read": lambda store: store.read("databases/read"),
    "Write": lambda store: store.write("connections/new", Secret("new"), expect=None),
    "ReadBelow": lambda store: store.read("airflow/variables/a"),
    "PruneBelow": lambda store: store.delete("connections/other", expect=store.read("connections/other").version),
}


@both
def test_who_has_the_policy_can_read_and_write(kind: str, opened: Opened, region: str) -> None:
    fill(opened(kind))
    store = opened(kind, policy=statements(policy(kind, region)["iam"]))
    for work in WORK.values():
        work(store)
    old = store.read("connections/old").version
    newer = store.write("connections/old", Secret("newer"), expect=old)
    with pytest.raises(Conflict):
        store.write("connections/old", Secret("newest"), expect=old)
    assert (whole(store, "connections/old"), store.read("connections/old").version) == ("newer", newer)
    with pytest.raises(Conflict):
        store.write("connections/old", Secret("newest"), expect=None)


@both
def test_who_has_the_policy_can_do_nothing_else(kind: str, opened: Opened, region: str) -> None:
    fill(opened(kind))
    store: Any = opened(kind, policy=statements(policy(kind, region)["iam"]))
    for path in ("databases/read-other", "databases/other"):
        with pytest.raises(Denied):
            store.read(path)
    with pytest.raises(Denied):
        store.delete("databases/read", expect=store.read("databases/read").version)
    for path in ("databases/read", "databases/other", "airflow/variables/a", "connections/another"):
        with pytest.raises(Denied):
            store.write(path, Secret("new"), expect=None)
    with pytest.raises(Denied):
        list(store.names(""))


@both
def test_what_is_missing_is_not_denied(kind: str, opened: Opened, region: str) -> None:
    store = opened(kind, policy=statements(policy(kind, region)["iam"]))
    for path in ("databases/read", "connections/new", "airflow/variables/none"):
        with pytest.raises(NotFound):
            store.read(path)


@both
@pytest.mark.parametrize("left_out", WORK)
def test_each_statement_is_needed(left_out: str, kind: str, opened: Opened, region: str) -> None:
    fill(opened(kind))
    every = statements(policy(kind, region)["iam"])
    assert [it["Sid"] for it in every] == list(WORK)
    store = opened(kind, policy=[it for it in every if it["Sid"] != left_out])
    for name, work in WORK.items():
        if name == left_out:
            with pytest.raises(Denied) as caught:
                work(store)
            assert "grant " in caught.value.hint
        else:
            work(store)


def every_write(store: Store, server: moto.Moto, region: str, kind: str) -> None:
    """Creates, reads, replaces, and writes what is scheduled for deletion."""
    first = store.write("connections/new", Secret("one"), expect=None)
    store.read("connections/new")
    store.write("connections/new", Secret("two"), expect=first)
    if kind == SECRETS:
        api(server, kind, region).delete_secret(SecretId="connections/new")
        store.write("connections/new", Secret("three"), expect=None)


ACTIONS = [
    *((SECRETS, action) for action in ("CreateSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue")),
    *((SECRETS, action) for action in ("RestoreSecret", "UpdateSecretVersionStage")),
    *((PARAMETERS, action) for action in ("GetParameter", "PutParameter")),
]


def first_of_each_kind(pairs: Sequence[tuple[str, str]]) -> list[Any]:
    """The others are slow: which actions there are, each tells."""
    first = dict(reversed(pairs))
    return [pytest.param(*pair, marks=[] if first[pair[0]] == pair[1] else [pytest.mark.slow]) for pair in pairs]


@pytest.mark.parametrize(("kind", "left_out"), first_of_each_kind(ACTIONS))
def test_each_action_of_a_write_is_needed(
    kind: str, left_out: str, opened: Opened, region: str, server: moto.Moto
) -> None:
    (write,) = statements(policy(kind, region, Needs(write=("connections/new",)))["iam"])
    every_write(opened(kind, policy=[write]), server, region, kind)
    named = {action.partition(":")[2] for action in write["Action"]}
    assert named == {action for it, action in ACTIONS if it == kind}
    client = api(server, kind, region)
    if kind == SECRETS:
        client.delete_secret(SecretId="connections/new", ForceDeleteWithoutRecovery=True)
    else:
        client.delete_parameter(Name="/connections/new")
    less = {**write, "Action": [action for action in write["Action"] if not action.endswith(f":{left_out}")]}
    with pytest.raises(StoreError) as caught:
        every_write(opened(kind, policy=[less]), server, region, kind)
    assert type(caught.value) is Denied
    assert f":{left_out}" in caught.value.hint


@both
def test_without_pruning_nothing_below_is_read_or_deleted(kind: str, opened: Opened, region: str) -> None:
    fill(opened(kind))
    may = statements(policy(kind, region, Needs(write=NEEDS.write))["iam"])
    store: Any = opened(kind, policy=may)
    with pytest.raises(Denied):
        store.read("connections/other")
    with pytest.raises(Denied):
        store.delete("connections/old", expect=store.read("connections/old").version)


@both
def test_what_is_deleted_by_its_name_is_that_alone(kind: str, opened: Opened, region: str) -> None:
    fill(opened(kind))
    may = statements(policy(kind, region, Needs(write=NEEDS.write, delete=("connections/old",)))["iam"])
    assert [statement["Sid"] for statement in may] == ["Write", "Delete"]
    store: Any = opened(kind, policy=may)
    store.delete("connections/old", expect=store.read("connections/old").version)
    made = store.write("connections/new", Secret("x"), expect=None)
    with pytest.raises(Denied):
        store.delete("connections/new", expect=made)


PRUNES = [
    *((SECRETS, action) for action in ("DeleteSecret", "DescribeSecret", "GetSecretValue", "RestoreSecret")),
    *((PARAMETERS, action) for action in ("DeleteParameter", "GetParameter")),
]


@pytest.mark.parametrize(("kind", "left_out"), first_of_each_kind(PRUNES))
def test_each_action_to_prune_is_needed(
    kind: str, left_out: str, opened: Opened, region: str, server: moto.Moto, front: Front
) -> None:
    (prune,) = statements(policy(kind, region, Needs(prune=("connections",)))["iam"])
    assert {action.partition(":")[2] for action in prune["Action"]} == {action for it, action in PRUNES if it == kind}
    client = api(server, kind, region)
    admin = opened(kind)

    def prune_all(may: dict[str, Any]) -> None:
        store = opened(kind, policy=[may], endpoint_url=front.url)
        store.delete("connections/a", expect=admin.write("connections/a", Secret("one"), expect=None))
        if kind == SECRETS:
            version = admin.write("connections/a", Secret("one"), expect=None)
            write = {"SecretId": "connections/a", "SecretString": "theirs"}
            front.before.append(lambda asked: asked == "DeleteSecret" and client.put_secret_value(**write))
            with pytest.raises(Conflict):
                store.delete("connections/a", expect=version)
            front.before.clear()
            client.delete_secret(SecretId="connections/a", ForceDeleteWithoutRecovery=True)

    prune_all(prune)
    less = {**prune, "Action": [action for action in prune["Action"] if not action.endswith(f":{left_out}")]}
    with pytest.raises(StoreError) as caught:
        prune_all(less)
    assert type(caught.value) is Denied
    assert f":{left_out}" in caught.value.hint


def test_arns_are_exact() -> None:
    role = {"method": "assume_role", "role_arn": f"arn:aws-cn:iam::{ACCOUNT}:role/airflow"}
    (read,) = statements(policy(SECRETS, "cn-north-1", Needs(read=("a/b",)), auth=role)["iam"])
    arn = f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:a/b"
    assert read["Resource"] == [arn, f"{arn}-??????"]
    (read,) = statements(policy(PARAMETERS, "eu-west-1", Needs(read=("a/b",)))["iam"])
    assert read["Resource"] == ["arn:aws:ssm:eu-west-1:*:parameter/a/b"]


KMS = {
    "id": ("1234abcd-12ab", "arn:aws:kms:eu-west-1:*:key/1234abcd-12ab", None),
    "ARN": ("arn:aws:kms:eu-west-1:1:key/1234", "arn:aws:kms:eu-west-1:1:key/1234", None),
    "alias": ("alias/airflow", "arn:aws:kms:eu-west-1:*:key/*", "alias/airflow"),
    "ARN of an alias": ("arn:aws:kms:eu-west-1:1:alias/airflow", "arn:aws:kms:eu-west-1:*:key/*", "alias/airflow"),
}


@pytest.mark.parametrize(("key_id", "arn", "alias"), KMS.values(), ids=KMS)
def test_a_key_of_ones_own_may_be_used_through_the_store_only(key_id: str, arn: str, alias: str | None) -> None:
    use = statements(policy(SECRETS, "eu-west-1", key_id=key_id)["iam"])[-1]
    assert use["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert use["Resource"] == [arn]
    via = use["Condition"]["StringEquals"]
    assert via == {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}
    named = use["Condition"].get("ForAnyValue:StringEquals", {}).get("kms:ResourceAliases")
    assert named == alias


@pytest.mark.parametrize(
    ("options", "needs", "actions"),
    [
        ({}, NEEDS, ["kms:Decrypt", "kms:Encrypt"]),
        ({"tier": "advanced"}, NEEDS, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]),
        ({}, Needs(read=("a",)), ["kms:Decrypt"]),
    ],
)
def test_the_tier_says_how_a_value_is_encrypted(options: dict[str, Any], needs: Needs, actions: list[str]) -> None:
    use = statements(policy(PARAMETERS, "eu-west-1", needs, key_id="1234", **options)["iam"])[-1]
    assert use["Action"] == actions


@both
def test_terraform_has_the_same_policy(kind: str) -> None:
    texts = policy(kind, "eu-west-1")
    head, _, rest = texts["terraform"].partition("jsonencode(")
    document, _, tail = rest.rpartition(")")
    account = "${data.aws_caller_identity.this.account_id}"
    assert json.loads(document.replace(account, "*")) == json.loads(texts["iam"])
    assert 'data "aws_caller_identity" "this" {}' in head
    assert 'resource "aws_iam_policy" "airflow"' in head
    assert tail == "\n}\n"
    role = {"method": "assume_role", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/airflow"}
    known = policy(kind, "eu-west-1", Needs(read=("a",)), auth=role)["terraform"]
    assert account not in known
    assert "data " not in known
