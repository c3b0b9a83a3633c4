"""IAM access keys at a stand-in for AWS that checks them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest

from bootstrap.connection import Connection
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.rotation.issuers import aws_access_key
from bootstrap.rotation.issuers.aws_access_key import AccessKeys, Options
from bootstrap.rotation.issuers.base import Attempt, Issuer
from tests.rotation.databases import ADMIN, Manifest
from tests.systems import moto, require
from tests.systems.process import free_port


@dataclass
class World:
    """A server, and its administrator."""

    server: moto.Moto
    admin: Connection

    def issuer(self, user: str, **changed: object) -> Issuer:
        options = Options.model_validate(
            {"issuer": "aws_access_key", "user": user, "endpoint_url": self.server.url, "admin": ADMIN, **changed}
        )
        return aws_access_key.open_issuer(options, Manifest(self.admin, None))

    def user(self) -> tuple[str, str]:
        """A new user with a key: the user's name, and the key's id."""
        name = f"user-{secrets.token_hex(4)}"
        return name, self.server.mint(name)[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    require("moto", "make test")
    with moto.running(tmp_path_factory.mktemp("moto")) as server:
        key_id, secret = server.mint("admin")
        yield World(server, Connection("aws", login=key_id, password=secret))


def attempt(current: str, *known: str, age: float = 0) -> Attempt:
    return Attempt("run", datetime.now(timezone.utc) - timedelta(seconds=age), current, (current, *known))


def accepted(world: World, fields: dict[str, str]) -> bool:
    return moto.accepts_key(world.server.url, fields["login"], fields["password"])


def test_a_new_key_works_beside_the_old_one_until_it_is_taken_away(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    key = issuer.issue(attempt(old))
    fields = {name: value.as_public() for name, value in key.fields.items()}
    assert accepted(world, fields)
    assert issuer.identify(key.fields) == key.id
    assert [each.id for each in issuer.keys()] == [old, key.id]
    issuer.disable(key.id)
    assert {each.id: each.state for each in issuer.keys()} == {old: "enabled", key.id: "disabled"}
    issuer.enable(key.id)
    assert {each.state for each in issuer.keys()} == {"enabled"}
    issuer.destroy(key.id)
    assert [each.id for each in issuer.keys()] == [old]
    assert not accepted(world, fields)


def test_what_is_gone_stays_so(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    key = issuer.issue(attempt(old))
    issuer.destroy(key.id)
    issuer.destroy(key.id)
    issuer.disable(key.id)
    with pytest.raises(IssuerDenied, match="gone"):
        issuer.enable(key.id)


def test_two_keys_are_all_that_aws_allows(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    other = issuer.issue(attempt(old)).id
    with pytest.raises(IssuerDenied) as caught:
        issuer.issue(attempt(old, other))
    assert old in caught.value.message
    assert other in caught.value.message
    assert "delete-access-key" in caught.value.hint


def test_a_key_whose_secret_was_lost_is_found_and_nobody_elses(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    begun = attempt(old)
    assert issuer.lost(begun) == []
    lost = issuer.issue(begun).id
    assert issuer.lost(begun) == [lost]
    assert issuer.lost(replace(begun, known=(old, lost))) == []
    assert issuer.lost(replace(begun, since=begun.since - timedelta(hours=1))) == []


def test_a_key_is_not_made_too_late(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    with pytest.raises(IssuerUnavailable, match="too slow"):
        issuer.issue(attempt(old, age=300))
    assert [each.id for each in issuer.keys()] == [old]


def test_an_unknown_user_and_a_wrong_admin_are_refusals(world: World) -> None:
    user, _ = world.user()
    with pytest.raises(IssuerDenied, match="NoSuchEntity"):
        world.issuer("nobody").keys()
    with pytest.raises(IssuerDenied):
        world.issuer("nobody").destroy("AKIAIOSFODNN7EXAMPLE")
    wrong = replace(world, admin=replace(world.admin, password="canary-of-a-secret-key"))
    with pytest.raises(IssuerDenied) as caught:
        wrong.issuer(user).keys()
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_a_permission_that_is_missing_is_named(world: World) -> None:
    name = f"weak-{secrets.token_hex(4)}"
    key_id, secret = world.server.mint(name, [{"Effect": "Allow", "Action": "iam:ListAccessKeys", "Resource": "*"}])
    user, old = world.user()
    weak = replace(world, admin=Connection("aws", login=key_id, password=secret)).issuer(user)
    with pytest.raises(IssuerDenied) as caught:
        weak.issue(attempt(old))
    assert caught.value.hint == f"allow iam:CreateAccessKey on the user {user}"


def test_a_server_that_is_not_there_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.rotation.issuers.aws_access_key.time.sleep", lambda _: None)
    issuer = world.issuer("airflow", endpoint_url=f"http://127.0.0.1:{free_port()}")
    assert isinstance(issuer, AccessKeys)
    with pytest.raises(IssuerUnavailable):
        issuer.keys()
