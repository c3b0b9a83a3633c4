"""IAM access keys at a stand-in for AWS that checks them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import redact
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.issuers import _aws, aws_access_key
from bootstrap.issuers.aws_access_key import AccessKeys, Options
from bootstrap.issuers.base import Attempt, Issuer
from tests.rotation.databases import ADMIN, Manifest
from tests.stores.aws.bench import Front
from tests.systems import in_process, moto, require
from tests.systems.in_process import Answer, Request
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


@dataclass
class IamFront(Front):
    """Before the server; knows an operation by its name in the body."""

    def answer(self, request: Request) -> Answer:
        [operation] = parse_qs(request.body.decode())["Action"]
        request.headers["X-Amz-Target"] = f"iam.{operation}"
        return super().answer(request)

    def _forwarded(self, request: Request) -> Answer:
        del request.headers["X-Amz-Target"]
        return super()._forwarded(request)


@pytest.fixture
def front(world: World) -> Iterator[IamFront]:
    found = IamFront(world.server)
    with in_process.serving(in_process.http_server(found.answer)) as port:
        found.url = f"http://127.0.0.1:{port}"
        yield found


def refusal(code: str, status: int, *operations: str) -> Callable[[str], Answer | None]:
    """What AWS answers to these operations."""
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>said so</Message></Error></ErrorResponse>"
    answer = Answer(status, text.encode(), [("Content-Type", "text/xml")])
    return lambda operation: answer if operation in operations else None


def attempt(current: str | None, *known: str, age: float = 0) -> Attempt:
    there = (current, *known) if current else known
    return Attempt("run", datetime.now(timezone.utc) - timedelta(seconds=age), current, there)


def accepted(world: World, fields: dict[str, str]) -> bool:
    return moto.accepts_key(world.server.url, fields["login"], fields["password"])


def test_a_new_key_works_beside_the_old_one_until_it_is_taken_away(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    key = issuer.issue(attempt(old))
    fields = {name: value.unmasked() for name, value in key.fields.items()}
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
    first, second = caught.value.message.splitlines()[1:]
    assert f"  {old}: enabled, made " in first
    assert first.endswith("ago, no known use, in use by this connection")
    assert f"  {other}: enabled, made " in second
    assert caught.value.hint.endswith(f"aws iam delete-access-key --user-name {user} --access-key-id {other}")


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
    monkeypatch.setattr(_aws, "PATIENCE", 0.0)
    issuer = world.issuer("airflow", endpoint_url=f"http://127.0.0.1:{free_port()}")
    assert isinstance(issuer, AccessKeys)
    with pytest.raises(IssuerUnavailable):
        issuer.keys()


def test_the_id_can_be_shown_and_the_secret_can_not(world: World) -> None:
    user, old = world.user()
    key = world.issuer(user).issue(attempt(old))
    assert key.fields["login"].reveal() == key.id
    assert redact(f"{key.id} {key.fields['password'].unmasked()}") == f"{key.id} ***"


def test_a_key_whose_answer_was_lost_is_made_once_and_found(world: World, front: IamFront) -> None:
    user, old = world.user()
    front.lost.append("CreateAccessKey")
    issuer = world.issuer(user, endpoint_url=front.url)
    begun = attempt(old)
    with pytest.raises(IssuerUnavailable) as caught:
        issuer.issue(begun)
    assert caught.value.hint
    assert front.requests.count("CreateAccessKey") == 1
    assert issuer.lost(begun) == [key.id for key in issuer.keys() if key.id != old]
    assert len(issuer.lost(begun)) == 1


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("ServiceFailure", 500), ("InternalFailure", 503)])
def test_a_failure_that_passes_is_sent_again_but_for_the_making(
    world: World, front: IamFront, code: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_aws, "PATIENCE", 60.0)  # however slow this machine is
    user, old = world.user()
    issuer = world.issuer(user, endpoint_url=front.url)
    faults = refusal(code, status, "ListAccessKeys", "CreateAccessKey")
    front.faults.append(lambda operation: faults(operation) if front.requests.count(operation) == 1 else None)
    with pytest.raises(IssuerUnavailable, match=f"create_access_key: {code}: said so"):
        issuer.issue(attempt(old))
    assert front.requests.count("CreateAccessKey") == 1
    assert front.requests.count("ListAccessKeys") == 2
    assert [key.id for key in issuer.keys()] == [old]


@pytest.mark.parametrize(
    "instead",
    [Answer(200, b"<html>", [("Content-Type", "text/html")]), Answer(200), Answer(403, b"<p>no</p>"), Answer(502)],
)
def test_an_answer_that_is_not_of_aws_says_nothing_about_keys(
    world: World, front: IamFront, instead: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_aws, "PATIENCE", 0.0)
    user, old = world.user()
    issuer = world.issuer(user, endpoint_url=front.url)
    front.faults.append(lambda operation: instead if operation == "CreateAccessKey" else None)
    with pytest.raises(IssuerUnavailable, match=r"create_access_key|502") as caught:
        issuer.issue(attempt(old))
    assert caught.value.hint
    front.faults.append(lambda _: instead)
    asked: list[Callable[[], object]] = [issuer.keys, partial(issuer.lost, attempt(old)), partial(issuer.destroy, old)]
    for ask in asked:
        with pytest.raises(IssuerUnavailable):
            ask()
    front.faults.clear()
    assert [key.id for key in issuer.keys()] == [old]


def test_a_key_that_somebody_made_meanwhile_leaves_no_room(world: World, front: IamFront) -> None:
    user, old = world.user()
    others: list[str] = []

    def meanwhile(operation: str) -> None:
        if operation == "CreateAccessKey":
            others.append(world.issuer(user).issue(attempt(old)).id)

    front.before.append(meanwhile)
    with pytest.raises(IssuerDenied, match="AWS allows no more") as caught:
        world.issuer(user, endpoint_url=front.url).issue(attempt(old))
    assert others[0] in caught.value.message


def test_two_keys_of_one_minute_are_left_alone(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    issuer.destroy(old)
    begun = attempt(None)
    made = [issuer.issue(begun).id for _ in range(2)]
    with pytest.raises(IssuerDenied, match="whose secret is lost") as caught:
        issuer.lost(begun)
    assert all(key in caught.value.message for key in made)
    assert [key.id for key in issuer.keys()] == made


def test_a_key_that_somebody_uses_is_not_lost(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    begun = attempt(old)
    key = issuer.issue(begun)
    assert accepted(world, {name: value.unmasked() for name, value in key.fields.items()})
    assert issuer.lost(begun) == []
    assert [each.last_used is None for each in issuer.keys()] == [True, False]


def test_where_the_last_use_may_not_be_asked_no_key_counts_as_unused(world: World, front: IamFront) -> None:
    user, old = world.user()
    begun = attempt(old)
    world.issuer(user).issue(begun)
    front.faults.append(refusal("AccessDenied", 403, "GetAccessKeyLastUsed"))
    issuer = world.issuer(user, endpoint_url=front.url)
    assert [key.last_used for key in issuer.keys()] == [None, None]
    with pytest.raises(IssuerDenied) as caught:
        issuer.lost(begun)
    assert caught.value.hint == f"allow iam:GetAccessKeyLastUsed on the user {user}"


def test_a_key_of_another_user_is_not_gone(world: World) -> None:
    (user, own), (other, key_id) = world.user(), world.user()
    issuer = world.issuer(user)
    for ask in (issuer.disable, issuer.enable, issuer.destroy, lambda key: issuer.issue(attempt(key))):
        with pytest.raises(IssuerDenied, match=f"not this user's, but {other}'s"):
            ask(key_id)
    assert [key.id for key in issuer.keys()] == [own]
    assert [key.state for key in world.issuer(other).keys()] == ["enabled"]


def test_a_key_that_is_gone_can_be_replaced(world: World) -> None:
    user, old = world.user()
    issuer = world.issuer(user)
    issuer.destroy(old)
    assert [key.id for key in issuer.keys()] == []
    assert issuer.issue(attempt(old)).id


def test_the_admin_may_be_the_user_itself(world: World) -> None:
    """Its own key changes while it is rotated."""
    user = f"self-{secrets.token_hex(4)}"
    key_id, secret = world.server.mint(user)
    manifest = Manifest(Connection("aws", login=key_id, password=secret), None)
    given = {"issuer": "aws_access_key", "user": user, "endpoint_url": world.server.url, "admin": ADMIN}
    issuer = aws_access_key.open_issuer(Options.model_validate(given), manifest)
    key = issuer.issue(attempt(key_id))
    manifest.admin = Connection("aws", login=key.id, password=key.fields["password"].unmasked())
    issuer.destroy(key_id)
    assert [each.id for each in issuer.keys()] == [key.id]


@pytest.mark.parametrize(
    "admin",
    [
        Connection("http", login="a", password="canary-of-a-secret-key"),
        Connection("aws", password="canary-of-a-secret-key"),
        Connection("aws", login="a"),
        Connection("aws", login="a", password="canary-of-a-secret-key", extra={"role_arn": "arn:aws:iam::1:role/a"}),
    ],
)
def test_an_admin_that_is_no_access_key_is_refused(world: World, admin: Connection) -> None:
    with pytest.raises(IssuerDenied, match="the admin's connection team:admin") as caught:
        replace(world, admin=admin).issuer("airflow").keys()
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_the_profile_of_whoever_runs_this_has_no_say_beside_an_admin(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user, old = world.user()
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert [key.id for key in world.issuer(user).keys()] == [old]
    with pytest.raises(IssuerDenied, match="missing") as caught:
        world.issuer(user, admin=None).keys()
    assert "admin" in caught.value.hint


def test_without_an_admin_it_is_what_aws_tools_find(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user, old = world.user()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    issuer = world.issuer(user, admin=None)
    with pytest.raises(IssuerDenied, match="credentials"):
        issuer.keys()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(world.admin.login))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", str(world.admin.password))
    assert [key.id for key in world.issuer(user, admin=None).keys()] == [old]


def test_an_address_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(ValidationError, match=r"endpoint_url\n.*the URL has no host"):
        world.issuer("airflow", endpoint_url="nowhere")
    admin = replace(world.admin, extra={"endpoint_url": "nowhere"})
    with pytest.raises(IssuerDenied, match="endpoint") as caught:
        World(world.server, admin).issuer("airflow", endpoint_url=None).keys()
    assert caught.value.hint == "correct endpoint_url or region"
