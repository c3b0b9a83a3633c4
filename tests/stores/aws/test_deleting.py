"""Deleting in AWS's stores: foreign and simultaneous writers, and answers that get lost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, Unavailable
from bootstrap.stores.aws.secret_writing import RECOVERY
from bootstrap.util import retrying
from tests.stores.aws.bench import BOTH, PATH, Front, Opened, api, failure, front, key, opened, refusal, region, server
from tests.stores.contract import whole
from tests.systems import moto

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

SECRETS, PARAMETERS = BOTH
DELETES = {
    SECRETS: ["GetSecretValue", "DeleteSecret", "DescribeSecret"],
    PARAMETERS: ["GetParameter", "DeleteParameter"],
}
both = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture
def secrets(server: moto.Moto, region: str) -> Any:
    return api(server, SECRETS, region)


@both
def test_it_takes_few_requests(kind: str, opened: Opened, front: Front) -> None:
    store = opened(kind, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    front.requests.clear()
    store.delete(PATH, expect=version)
    assert front.requests == DELETES[kind]


def test_a_secret_can_be_brought_back_for_a_week(opened: Opened, secrets: Any) -> None:
    store = opened(SECRETS)
    version = store.write(PATH, Secret("one"), expect=None)
    store.delete(PATH, expect=version)
    left = secrets.describe_secret(SecretId=PATH)["DeletedDate"] - datetime.now(timezone.utc)
    assert timedelta(days=RECOVERY - 1) < left <= timedelta(days=RECOVERY)
    secrets.restore_secret(SecretId=PATH)
    assert (store.read(PATH).version, whole(store, PATH)) == (version, "one")


def test_what_was_written_right_before_is_restored(opened: Opened, secrets: Any, front: Front) -> None:
    store = opened(SECRETS, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    write = {"SecretId": PATH, "SecretString": "theirs"}
    front.before.append(lambda asked: asked == "DeleteSecret" and secrets.put_secret_value(**write))
    with pytest.raises(Conflict):
        store.delete(PATH, expect=version)
    assert whole(store, PATH) == "theirs"


def test_what_was_written_right_afterwards_stays(opened: Opened, front: Front) -> None:
    store = opened(SECRETS, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    others = opened(SECRETS)
    front.before.append(lambda asked: asked == "DescribeSecret" and others.write(PATH, Secret("theirs"), expect=None))
    with pytest.raises(Conflict):
        store.delete(PATH, expect=version)
    assert whole(store, PATH) == "theirs"


def test_what_somebody_restored_is_not_called_deleted(opened: Opened, secrets: Any, front: Front) -> None:
    store = opened(SECRETS, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    front.before.append(lambda asked: asked == "DescribeSecret" and secrets.restore_secret(SecretId=PATH))
    with pytest.raises(Conflict):
        store.delete(PATH, expect=version)
    assert whole(store, PATH) == "one"


@pytest.mark.parametrize("how", [{}, {"ForceDeleteWithoutRecovery": True}])
def test_somebody_who_was_first_is_no_failure(how: dict[str, bool], opened: Opened, secrets: Any, front: Front) -> None:
    store = opened(SECRETS, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    front.before.append(lambda asked: asked == "DeleteSecret" and secrets.delete_secret(SecretId=PATH, **how))
    store.delete(PATH, expect=version)
    assert list(store.names("")) == []


def test_a_writer_whose_secret_is_deleted_right_then_is_told_so(opened: Opened, secrets: Any, front: Front) -> None:
    version = opened(SECRETS).write(PATH, Secret("one"), expect=None)
    front.before.append(lambda asked: asked == "UpdateSecretVersionStage" and secrets.delete_secret(SecretId=PATH))
    with pytest.raises(Conflict):
        opened(SECRETS, endpoint_url=front.url).write(PATH, Secret("two"), expect=version)


@pytest.mark.parametrize(("kind", "operation"), [(kind, operation) for kind in BOTH for operation in DELETES[kind]])
def test_a_lost_answer_is_no_failure(kind: str, operation: str, opened: Opened, front: Front) -> None:
    store = opened(kind, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    front.lost = [operation]
    store.delete(PATH, expect=version)
    assert front.lost == []
    assert list(store.names("")) == []


def test_a_parameter_is_not_deleted_twice(opened: Opened, front: Front) -> None:
    store = opened(PARAMETERS, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    front.lost = ["DeleteParameter"]
    store.delete(PATH, expect=version)  # whoever made it anew before a second request would lose it
    assert front.requests.count("DeleteParameter") == 1


@both
def test_a_server_that_fails_deleted_nothing(
    kind: str, opened: Opened, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.3)
    store = opened(kind, endpoint_url=front.url)
    version = store.write(PATH, Secret("one"), expect=None)
    ends = DELETES[kind][1]
    front.faults.append(lambda asked: refusal("InternalServerError", "no", 500) if asked == ends else None)
    failure(Unavailable, lambda: store.delete(PATH, expect=version))
    assert whole(store, PATH) == "one"


@both
def test_who_may_not_delete_is_told_so(kind: str, opened: Opened) -> None:
    version = opened(kind).write(PATH, Secret("one"), expect=None)
    action = f"{'secretsmanager' if kind == SECRETS else 'ssm'}:{DELETES[kind][1]}"
    rights = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]
    store = opened(kind, policy=rights)
    assert action in failure(Denied, lambda: store.delete(PATH, expect=version)).hint
    assert whole(store, PATH) == "one"
