"""Deleting in Google Secret Manager: killed, slow and foreign writers, and answers that get lost."""

from __future__ import annotations

import time

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, NotFound
from bootstrap.stores.google.writing import MARK
from tests.stores.contract import whole
from tests.stores.google.bench import NAME, PATH, Opened, failure, opened, server
from tests.systems.secret_manager import SecretManager

__all__ = ["opened", "server"]  # fixtures


def test_it_takes_few_requests_and_leaves_nothing(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    opened().delete(PATH, expect="1")
    assert [method for _, method, _ in server.requests] == [
        *("AccessSecretVersion", "GetSecret", "GetSecretVersion", "DeleteSecret"),
    ]
    assert server.secrets.known == {}


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
        store.delete(PATH, expect="1")
    assert whole(store, PATH) == "theirs"


def test_a_killed_writer_holds_it_up_for_a_while(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.secrets.known[NAME].message.annotations[MARK] = "2 of-the-dead"
    store = opened()
    store.lease = 2
    start = time.monotonic()
    store.delete(PATH, expect="1")
    assert time.monotonic() - start > 2
    assert NAME not in server.secrets.known


def test_a_writer_that_begins_right_then_wins(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    theirs = opened("theirs@proj.iam.gserviceaccount.com")
    begun = False

    def fault(method: str, _name: str) -> None:
        nonlocal begun
        if method == "DeleteSecret" and not begun:
            begun = True
            theirs.write(PATH, Secret("theirs"), expect="1")

    server.faults.append(fault)
    store = opened()
    with pytest.raises(Conflict):
        store.delete(PATH, expect="1")
    assert whole(store, PATH) == "theirs"


def test_a_change_of_something_else_meanwhile_is_no_conflict(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    changed = False

    def fault(method: str, _name: str) -> None:
        nonlocal changed
        if method == "DeleteSecret" and not changed:
            changed = True
            server.secrets.known[NAME].message.etag = '"another"'

    server.faults.append(fault)
    opened().delete(PATH, expect="1")
    assert NAME not in server.secrets.known


@pytest.mark.parametrize("method", ["AccessSecretVersion", "GetSecret", "GetSecretVersion", "DeleteSecret"])
def test_a_lost_answer_is_no_failure(method: str, opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.lost = [method]
    opened().delete(PATH, expect="1")
    assert server.lost == []
    assert server.secrets.known == {}


def test_who_may_not_delete_leaves_no_trace(opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    server.deny("secretmanager.secrets.delete")
    store = opened()
    before = server.secrets.known[NAME].message.etag
    error = failure(Denied, lambda: store.delete(PATH, expect="1"))
    assert error.hint == f"grant secretmanager.secrets.delete on {NAME}"
    assert (server.secrets.known[NAME].message.etag, whole(store, PATH)) == (before, "one")


@pytest.mark.parametrize("state", ["disable", "destroy"])
def test_what_can_not_be_read_is_not_there(state: str, opened: Opened, server: SecretManager) -> None:
    server.put("proj", PATH, "one")
    store = opened()
    getattr(store, state)(PATH, "1")
    failure(NotFound, lambda: store.delete(PATH, expect="1"))
    assert NAME in server.secrets.known
