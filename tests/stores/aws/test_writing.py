"""Check-and-set: killed, foreign and simultaneous writers, and answers that get lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, Empty, Malformed, Unavailable
from bootstrap.stores.aws import secrets_manager
from bootstrap.stores.aws.secret_writing import CANDIDATE
from bootstrap.util import retrying
from tests.stores.aws.bench import BOTH, PATH, Front, Opened, api, failure, front, key, opened, refusal, region, server
from tests.stores.contract import CANARY, whole
from tests.systems import moto

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

SECRETS, PARAMETERS = BOTH
WRITES = {
    SECRETS: ["CreateSecret", "DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"],
    PARAMETERS: ["PutParameter", "GetParameter"],
}
both = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture
def secrets(server: moto.Moto, region: str) -> Any:
    return api(server, SECRETS, region)


@pytest.fixture
def parameters(server: moto.Moto, region: str) -> Any:
    return api(server, PARAMETERS, region)


def labels(secrets: Any) -> dict[str, list[str]]:
    """The labels of each version that has any."""
    stages = secrets.describe_secret(SecretId=PATH)["VersionIdsToStages"]
    return {version: sorted(names) for version, names in stages.items() if names}


def history(parameters: Any) -> list[str]:
    return [it["Value"] for it in parameters.get_parameter_history(Name=f"/{PATH}", WithDecryption=True)["Parameters"]]


def test_a_read_is_one_request_and_a_write_is_few(opened: Opened, front: Front) -> None:
    for kind, replaces in (
        (SECRETS, ["DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"]),
        (PARAMETERS, ["GetParameter", "PutParameter"]),
    ):
        store = opened(kind, endpoint_url=front.url)
        front.requests.clear()
        first = store.write(PATH, Secret("one"), expect=None)
        assert front.requests == [WRITES[kind][0]]
        store.read(PATH)
        assert len(front.requests) == 2
        front.requests.clear()
        store.write(PATH, Secret("two"), expect=first)
        assert front.requests == replaces


# Secrets Manager


def test_what_is_replaced_is_the_previous_version(opened: Opened, secrets: Any) -> None:
    store = opened(SECRETS)
    first = store.write(PATH, Secret("one"), expect=None)
    second = store.write(PATH, Secret("two"), expect=first)
    assert labels(secrets) == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    assert whole(store, PATH, "AWSPREVIOUS") == "one"


def test_a_killed_writer_leaves_the_old_value_and_holds_nobody_up(opened: Opened, secrets: Any) -> None:
    store = opened(SECRETS)
    first = store.write(PATH, Secret("one"), expect=None)
    secrets.put_secret_value(SecretId=PATH, SecretString="of the dead", VersionStages=[CANDIDATE])
    assert whole(store, PATH) == "one"
    assert store.read(PATH).version == first
    assert [entry.version for entry in store.entries("")] == [first]
    second = store.write(PATH, Secret("two"), expect=first)
    assert labels(secrets) == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_another_writer_that_comes_between_wins(operation: str, opened: Opened, secrets: Any, front: Front) -> None:
    first = opened(SECRETS).write(PATH, Secret("one"), expect=None)
    theirs: list[str] = []

    def write(asked: str) -> None:
        if asked == operation and not theirs:
            theirs.append(secrets.put_secret_value(SecretId=PATH, SecretString="theirs")["VersionId"])

    front.before.append(write)
    store = opened(SECRETS, endpoint_url=front.url)
    with pytest.raises(Conflict):
        store.write(PATH, Secret("mine"), expect=first)
    assert whole(store, PATH) == "theirs"
    assert labels(secrets) == {first: ["AWSPREVIOUS"], theirs[0]: ["AWSCURRENT"]}


@pytest.mark.parametrize(
    ("operation", "how"),
    [
        ("DescribeSecret", {}),
        ("DescribeSecret", {"ForceDeleteWithoutRecovery": True}),
        ("PutSecretValue", {"ForceDeleteWithoutRecovery": True}),
        ("UpdateSecretVersionStage", {"ForceDeleteWithoutRecovery": True}),
    ],
)
def test_a_secret_that_is_deleted_meanwhile_is_a_conflict(
    operation: str, how: dict[str, bool], opened: Opened, secrets: Any, front: Front
) -> None:
    first = opened(SECRETS).write(PATH, Secret("one"), expect=None)
    front.before.append(lambda asked: asked == operation and secrets.delete_secret(SecretId=PATH, **how))
    with pytest.raises(Conflict):
        opened(SECRETS, endpoint_url=front.url).write(PATH, Secret("two"), expect=first)


def test_a_refusal_to_write_into_a_deleted_secret_is_a_conflict(opened: Opened, front: Front) -> None:
    first = opened(SECRETS).write(PATH, Secret("one"), expect=None)
    said = "You can't perform this operation on the secret because it was marked for deletion."
    front.faults.append(lambda asked: refusal("InvalidRequestException", said) if asked == "PutSecretValue" else None)
    with pytest.raises(Conflict):
        opened(SECRETS, endpoint_url=front.url).write(PATH, Secret("two"), expect=first)


def test_a_deleted_secret_is_restored_for_a_new_value(opened: Opened, secrets: Any, front: Front) -> None:
    store = opened(SECRETS, endpoint_url=front.url)
    first = store.write(PATH, Secret("one"), expect=None)
    secrets.delete_secret(SecretId=PATH)
    said = "You can't create this secret because a secret with this name is already scheduled for deletion."
    front.faults.append(lambda asked: refusal("InvalidRequestException", said) if asked == "CreateSecret" else None)
    with pytest.raises(Conflict):
        store.write(PATH, Secret("two"), expect=first)
    second = store.write(PATH, Secret("two"), expect=None)
    assert whole(store, PATH) == "two"
    assert labels(secrets) == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}


def test_a_refusal_to_move_the_label_is_no_conflict_while_nobody_wrote(opened: Opened, front: Front) -> None:
    first = opened(SECRETS).write(PATH, Secret("one"), expect=None)
    front.faults.append(
        lambda asked: refusal("InvalidParameterException", "no") if asked == "UpdateSecretVersionStage" else None
    )
    store = opened(SECRETS, endpoint_url=front.url)
    assert "can't do this" in failure(Unavailable, lambda: store.write(PATH, Secret("two"), expect=first)).message
    assert whole(store, PATH) == "one"


@pytest.mark.parametrize("operation", ["CreateSecret", "DescribeSecret", "PutSecretValue"])
def test_a_right_that_is_missing_changes_nothing(operation: str, opened: Opened, secrets: Any) -> None:
    exists = operation != "CreateSecret"
    first = opened(SECRETS).write(PATH, Secret("one"), expect=None) if exists else None
    rights = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": f"secretsmanager:{operation}", "Resource": "*"},
    ]
    error = failure(Denied, lambda: opened(SECRETS, policy=rights).write(PATH, Secret("two"), expect=first))
    assert f"secretsmanager:{operation}" in error.hint
    assert not exists or labels(secrets) == {first: ["AWSCURRENT"]}


@pytest.mark.parametrize("operation", WRITES[SECRETS])
@pytest.mark.parametrize("exists", [True, False])
def test_a_lost_answer_of_secrets_manager_is_no_second_version(
    operation: str,
    opened: Opened,
    secrets: Any,
    front: Front,
    *,
    exists: bool,
) -> None:
    expect = opened(SECRETS).write(PATH, Secret("old"), expect=None) if exists else None
    front.lost = [operation]
    store = opened(SECRETS, endpoint_url=front.url)
    written = store.write(PATH, Secret("new"), expect=expect)
    assert store.read(PATH).version == written
    assert whole(store, PATH) == "new"
    versions = secrets.list_secret_version_ids(SecretId=PATH, IncludeDeprecated=True)["Versions"]
    assert len(versions) == (2 if exists else 1)


def test_a_key_of_ones_own_encrypts_new_secrets(opened: Opened, secrets: Any, parameters: Any) -> None:
    for kind in BOTH:
        opened(kind, key_id="alias/airflow").write(PATH, Secret("one"), expect=None)
    assert secrets.describe_secret(SecretId=PATH)["KmsKeyId"] == "alias/airflow"
    (found,) = parameters.describe_parameters()["Parameters"]
    assert (found["KeyId"], found["Type"], found["Tier"]) == ("alias/airflow", "SecureString", "Standard")


# Parameter Store


def test_a_parameter_that_is_written_at_the_same_moment_is_told_of(
    opened: Opened, parameters: Any, front: Front
) -> None:
    first = opened(PARAMETERS).write(PATH, Secret("one"), expect=None)
    front.before.append(
        lambda asked: (
            asked == "PutParameter"
            and parameters.put_parameter(Name=f"/{PATH}", Value="theirs", Type="SecureString", Overwrite=True)
        )
    )
    store = opened(PARAMETERS, endpoint_url=front.url)
    with pytest.raises(Conflict, match=r"somebody else wrote version 2 .* this one became version 3") as caught:
        store.write(PATH, Secret("mine"), expect=first)
    assert f"team:{PATH}@2" in caught.value.hint
    assert history(parameters) == ["one", "theirs", "mine"]  # nothing is lost


def test_a_parameter_that_is_deleted_meanwhile_is_a_conflict(opened: Opened, parameters: Any, front: Front) -> None:
    store = opened(PARAMETERS, endpoint_url=front.url)
    first = store.write(PATH, Secret("one"), expect=None)
    second = store.write(PATH, Secret("two"), expect=first)
    front.before.append(lambda asked: asked == "PutParameter" and parameters.delete_parameter(Name=f"/{PATH}"))
    with pytest.raises(Conflict):
        store.write(PATH, Secret("three"), expect=second)


def test_a_parameter_that_others_write_right_now_is_a_conflict(opened: Opened, front: Front) -> None:
    front.faults.append(lambda asked: refusal("TooManyUpdates") if asked == "PutParameter" else None)
    with pytest.raises(Conflict):
        opened(PARAMETERS, endpoint_url=front.url).write(PATH, Secret("one"), expect=None)
    assert front.requests == ["PutParameter"]


@pytest.mark.parametrize("operation", WRITES[PARAMETERS])
@pytest.mark.parametrize("exists", [True, False])
def test_a_lost_answer_of_parameter_store_is_no_second_version(
    operation: str,
    opened: Opened,
    parameters: Any,
    front: Front,
    *,
    exists: bool,
) -> None:
    expect = opened(PARAMETERS).write(PATH, Secret("old"), expect=None) if exists else None
    front.lost = [operation]
    store = opened(PARAMETERS, endpoint_url=front.url)
    assert store.write(PATH, Secret("new"), expect=expect) == ("2" if exists else "1")
    assert history(parameters) == (["old", "new"] if exists else ["new"])


def test_a_value_that_was_there_before_is_no_proof_of_a_write(opened: Opened, front: Front) -> None:
    first = opened(PARAMETERS).write(PATH, Secret("same"), expect=None)
    front.faults.append(lambda asked: refusal("InternalServerError", "", 500) if asked == "PutParameter" else None)
    store = opened(PARAMETERS, endpoint_url=front.url)
    failure(Unavailable, lambda: store.write(PATH, Secret("same"), expect=first))


def test_to_compare_versions_nothing_is_decrypted(opened: Opened, front: Front) -> None:
    store = opened(PARAMETERS, endpoint_url=front.url)
    first = store.write(PATH, Secret("one"), expect=None)
    front.bodies.clear()
    store.write(PATH, Secret("two"), expect=first)
    store.read(PATH)
    asked = [json.loads(body).get("WithDecryption") for body in front.bodies]
    assert asked == [False, None, True]


@pytest.mark.parametrize("readable", [True, False])
def test_a_parameter_that_did_not_arrive_was_not_written(
    opened: Opened,
    front: Front,
    monkeypatch: pytest.MonkeyPatch,
    *,
    readable: bool,
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.3)
    front.faults.append(
        lambda asked: refusal("InternalServerError", "", 500) if asked == "PutParameter" or not readable else None
    )
    store = opened(PARAMETERS, endpoint_url=front.url)
    error = failure(Unavailable, lambda: store.write(PATH, Secret(CANARY), expect=None))
    assert ("whether it was written is not known" in error.message) != readable


# Limits and lists


@both
def test_what_the_service_would_refuse_is_not_sent(kind: str, opened: Opened, front: Front) -> None:
    store = opened(kind, endpoint_url=front.url)
    largest = 65536 if kind == SECRETS else 4096
    with pytest.raises(Empty):
        store.write(PATH, Secret(""), expect=None)
    with pytest.raises(Malformed, match=f"more than {largest} bytes"):
        store.write(PATH, Secret("ü" * (largest // 2) + "x"), expect=None)
    assert front.requests == []
    store.write(PATH, Secret("ü" * (largest // 2)), expect=None)


@both
def test_a_long_list_comes_page_by_page(
    kind: str, opened: Opened, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_manager, "_PAGE", 10)  # moto has ten parameters on a page
    names = [f"many/{number:02}" for number in range(23)]
    store = opened(kind, endpoint_url=front.url)
    for name in (*names, "other"):
        store.write(name, Secret("x"), expect=None)
    front.requests.clear()
    assert list(store.names("many")) == names
    assert len(front.requests) == 3
    assert "GetParameter" not in front.requests
    assert len(list(store.names(""))) == 24


def test_the_listing_tells_of_parameters(opened: Opened) -> None:
    store = opened(PARAMETERS)
    first = store.write(PATH, Secret("one"), expect=None)
    store.write(PATH, Secret("two"), expect=first)
    (entry,) = store.entries("databases")
    assert (entry.path, entry.version, entry.versions, entry.state) == (PATH, "2", 2, "")
    assert entry.created == store.read(PATH).created
