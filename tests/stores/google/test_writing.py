"""Check-and-set where the store has none: killed, slow and foreign writers, and answers that get lost."""

from __future__ import annotations

import time

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, NotFound, Unavailable
from bootstrap.stores.google.writing import LEASE, MARK
from tests.stores.contract import whole
from tests.stores.google.bench import NAME, PATH, Opened, failure, opened, server
from tests.systems.secret_manager import SecretManager

__all__ = ["opened", "server"]  # fixtures


def methods(server: SecretManager) -> list[str]:
    return [method for _, method, _ in server.requests]


def values(server: SecretManager) -> list[bytes]:
    return [version.data for version in server.secrets.known[NAME].versions]


def test_a_read_is_one_request_and_a_write_is_few(opened: Opened, server: SecretManager) -> None:
    store = opened()
    store.write(PATH, Secret("one"), expect=None)
    assert methods(server) == ["CreateSecret", "AddSecretVersion"]
    server.requests.clear()
    assert store.read(PATH).version == "1"
    assert methods(server) == ["AccessSecretVersion"]
    server.requests.clear()
    store.write(PATH, Secret("two"), expect="1")
    assert methods(server) == ["GetSecret", "GetSecretVersion", "UpdateSecret", "AddSecretVersion"]


def test_a_new_secret_is_made_as_the_store_says(opened: Opened, server: SecretManager) -> None:
    labels, annotations = {"team": "data", "größe": "5"}, {"owner": "data@example.com"}
    replication = {"locations": ["europe-west1", "europe-west4"]}
    store = opened(labels=labels, annotations=annotations, replication=replication)
    store.write(PATH, Secret("one"), expect=None)
    made = server.secrets.known[NAME].message
    assert dict(made.labels) == labels
    assert {**made.annotations, MARK: ""} == {**annotations, MARK: ""}
    assert [replica.location for replica in made.replication.user_managed.replicas] == replication["locations"]
    opened().write("automatic", Secret("one"), expect=None)
    assert "automatic" in server.secrets.known["projects/proj/secrets/automatic"].message.replication


def test_what_others_wrote_into_the_annotations_stays(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.secrets.known[NAME].message.annotations["owner"] = "somebody"
    opened().write(PATH, Secret("two"), expect="1")
    assert server.secrets.known[NAME].message.annotations["owner"] == "somebody"


def test_a_secret_that_was_left_without_a_version_is_completed(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "x")
    server.secrets.known[NAME].versions.clear()
    store = opened()
    assert store.write(PATH, Secret("one"), expect=None) == "1"
    assert whole(store, PATH) == "one"


@pytest.mark.parametrize("newest", [0, 1])
def test_a_killed_writer_holds_the_next_one_up_for_a_while(newest: int, opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    secret = server.secrets.known[NAME]
    del secret.versions[newest:]
    secret.message.annotations[MARK] = f"{newest + 1} of-the-dead"
    store = opened()
    store.lease = 3
    start = time.monotonic()
    store.write(PATH, Secret("two"), expect=str(newest) if newest else None)
    assert time.monotonic() - start > 3
    assert whole(store, PATH) == "two"
    store.lease = 60
    start = time.monotonic()
    store.write(PATH, Secret("three"), expect=str(newest + 1))  # that mark is spent
    assert time.monotonic() - start < 60


def test_a_writer_that_is_about_to_write_is_waited_for(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.secrets.known[NAME].message.annotations[MARK] = "2 somebody-else"
    store = opened()
    looked = 0

    def fault(method: str, _name: str) -> None:
        nonlocal looked
        looked += method == "GetSecretVersion"
        if method == "GetSecretVersion" and looked == 2:
            server.put("proj", PATH, "theirs")

    server.faults.append(fault)
    with pytest.raises(Conflict):
        store.write(PATH, Secret("two"), expect="1")
    assert values(server) == [b"one", b"theirs"]


def test_a_change_of_something_else_meanwhile_is_no_conflict(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    changed = False

    def fault(method: str, _name: str) -> None:
        nonlocal changed
        if method == "UpdateSecret" and not changed:
            changed = True
            server.secrets.known[NAME].message.etag = '"another"'

    server.faults.append(fault)
    assert opened().write(PATH, Secret("two"), expect="1") == "2"


@pytest.mark.parametrize(
    "method", ["CreateSecret", "GetSecret", "GetSecretVersion", "UpdateSecret", "AddSecretVersion"]
)
@pytest.mark.parametrize("expect", [None, "1"])
def test_a_lost_answer_is_no_second_version(
    method: str, expect: str | None, opened: Opened, server: SecretManager
) -> None:
    if expect:
        server.put("proj", PATH, "old")
    server.lost = [method]
    store = opened()
    start = time.monotonic()
    written = store.write(PATH, Secret("new"), expect=expect)
    assert time.monotonic() - start < LEASE / 2  # it knows its own mark
    assert written == ("2" if expect else "1")
    assert values(server) == ([b"old", b"new"] if expect else [b"new"])


@pytest.mark.parametrize("method", ["GetSecret", "GetSecretVersion", "UpdateSecret", "AddSecretVersion"])
def test_a_secret_that_is_deleted_meanwhile_is_a_conflict(method: str, opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")

    def fault(asked: str, _name: str) -> None:
        if asked == method:
            server.secrets.known.pop(NAME, None)

    server.faults.append(fault)
    with pytest.raises(Conflict):
        opened().write(PATH, Secret("mine"), expect="1")
    assert NAME not in server.secrets.known


def test_a_writer_that_knows_no_marks_is_told_of(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.faults.append(lambda method, _name: server.put("proj", PATH, "gcloud") if method.startswith("Add") else None)
    with pytest.raises(Conflict, match=r"somebody else wrote version 2 .* this one became version 3") as caught:
        opened().write(PATH, Secret("mine"), expect="1")
    assert f"team:{PATH}@2" in caught.value.hint
    assert values(server) == [b"one", b"gcloud", b"mine"]  # nothing is lost


def test_a_writer_that_is_too_slow_does_not_write(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    store = opened()
    store.lease = 1.0
    server.faults.append(lambda method, _name: time.sleep(0.6) if method == "UpdateSecret" else None)
    error = failure(Unavailable, lambda: store.write(PATH, Secret("two"), expect="1"))
    assert "nothing was written" in error.message
    assert values(server) == [b"one"]


@pytest.mark.parametrize("method", ["DisableSecretVersion", "DestroySecretVersion"])
def test_a_lost_answer_to_a_change_of_state_is_no_failure(method: str, opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.lost = [method]
    store = opened()
    {"DisableSecretVersion": store.disable, "DestroySecretVersion": store.destroy}[method](PATH, "1")
    with pytest.raises(NotFound):
        store.read(PATH)


def test_a_state_that_others_change_all_the_time_is_left_alone(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")

    def fault(method: str, _name: str) -> None:
        if method == "DestroySecretVersion":
            server.secrets.known[NAME].versions[0].etag = f'"{len(server.requests)}"'

    server.faults.append(fault)
    store = opened()
    with pytest.raises(Conflict):
        store.destroy(PATH, "1")
    assert whole(store, PATH) == "one"


def test_an_alias_is_a_version(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.put("proj", PATH, "two")
    server.secrets.known[NAME].message.version_aliases["stable"] = 1
    store = opened()
    assert (store.read(PATH, "stable").version, store.read(PATH, "latest").version) == ("1", "2")


def test_the_listing_tells_states_and_times(opened: Opened, server: SecretManager) -> None:
    for name in ("a-disabled", "a-fine", "a-gone", "a-empty", "b", "b-a-c", "a_b"):  # the filter finds a- anywhere
        server.put("proj", name, "x")
    server.put("proj", "a-fine", "y")
    server.secrets.known["projects/proj/secrets/a-empty"].versions.clear()
    store = opened()
    store.disable("a-disabled", "1")
    store.destroy("a-gone", "1")
    found = {entry.path: entry for entry in store.entries("a")}
    assert list(found) == ["a-disabled", "a-empty", "a-fine", "a-gone"]
    assert [entry.state for entry in found.values()] == ["disabled", "no version yet", "", "deleted"]
    assert (found["a-fine"].version, found["a-fine"].versions) == ("2", 2)
    assert found["a-fine"].created is not None
    assert found["a-empty"].created is None
