"""Not found, denied, unavailable and malformed stay apart, whatever happens to AWS's stores."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, IllegalName, Malformed, NotFound, Unavailable
from bootstrap.stores.aws import client as aws_client
from bootstrap.stores.aws import client as session
from bootstrap.stores.base import Store
from bootstrap.util import retrying
from tests.selection import crossed
from tests.stores.aws.bench import (
    BOTH,
    PATH,
    Front,
    Opened,
    api,
    failure,
    front,
    key,
    keys,
    opened,
    refusal,
    region,
    server,
)
from tests.stores.contract import CANARY, whole
from tests.systems import faulty, moto
from tests.systems.in_process import Answer
from tests.systems.process import free_port

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

ASK: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(PATH),
    "write": lambda store: store.write(PATH, Secret(CANARY), expect=None),
    "names": lambda store: list(store.names("databases")),
}
asked = pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
both = pytest.mark.parametrize("kind", BOTH)
SECRETS, PARAMETERS = BOTH


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.3)
    monkeypatch.setattr(aws_client, "GIVE_UP", 1.0)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what passes in the end, however slow this machine is."""
    monkeypatch.setattr(retrying, "BLIP", 60)
    monkeypatch.setattr(aws_client, "GIVE_UP", 60)


def always(code: str, message: str = "", status: int = 400) -> Callable[[str], Answer]:
    return lambda _operation: refusal(code, message, status)


# Not found


def test_a_secret_that_is_to_be_deleted(opened: Opened, server: moto.Moto, region: str) -> None:
    store = opened(SECRETS)
    first = store.write(PATH, Secret(CANARY), expect=None)
    api(server, SECRETS, region).delete_secret(SecretId=PATH)
    for version in (None, first):
        assert "scheduled for deletion" in failure(NotFound, partial(store.read, PATH, version)).message
    assert list(store.names("")) == []
    assert [(entry.path, entry.state) for entry in store.entries("")] == [(PATH, "deleted")]


def test_the_real_words_for_a_secret_that_is_to_be_deleted(opened: Opened, front: Front) -> None:
    said = "You can't perform this operation on the secret because it was marked for deletion."
    front.faults.append(always("InvalidRequestException", said))
    assert "was deleted" in failure(NotFound, lambda: opened(SECRETS, endpoint_url=front.url).read(PATH)).message


def test_a_secret_without_a_value(opened: Opened, server: moto.Moto, region: str) -> None:
    api(server, SECRETS, region).create_secret(Name=PATH)
    store = opened(SECRETS)
    assert failure(NotFound, lambda: store.read(PATH)).hint == f"airflow-bootstrap store put team:{PATH}"
    assert [entry.state for entry in store.entries("")] == ["no version yet"]
    store.write(PATH, Secret("one"), expect=None)
    assert whole(store, PATH) == "one"


@both
def test_a_version_that_is_not_there_leads_to_those_that_are(kind: str, opened: Opened) -> None:
    store = opened(kind)
    store.write(PATH, Secret(CANARY), expect=None)
    version = "2" if kind == PARAMETERS else "0" * 36
    error = failure(NotFound, lambda: store.read(PATH, version))
    assert "no such version" in error.message
    assert error.hint == "airflow-bootstrap store list team"


@both
def test_an_illegal_name_is_refused_before_a_request(kind: str, opened: Opened, front: Front) -> None:
    store = opened(kind, endpoint_url=front.url)
    asks: list[Callable[[], object]] = [
        lambda: store.read("a b"),
        lambda: store.write("a b", Secret("x"), expect=None),
    ]
    for ask in asks:
        with pytest.raises(IllegalName, match="of AWS's can have"):
            ask()
    assert list(store.names("a b")) == []
    assert front.requests == []


# Denied


@asked
@both
def test_a_missing_permission_is_named(kind: str, ask: Callable[[Store], object], opened: Opened) -> None:
    error = failure(Denied, lambda: ask(opened(kind, policy=[{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])))
    assert error.message.count("is not authorized to perform") == 1
    assert ("secretsmanager:" if kind == SECRETS else "ssm:") in error.hint


@both
def test_who_is_known_and_may_nothing_has_reached_the_store(kind: str, opened: Opened, server: moto.Moto) -> None:
    nobody = opened(kind, policy=[{"Effect": "Deny", "Action": "*", "Resource": "*"}])
    assert nobody.ping() == server.url


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:databases/warehouse-a1B2c3"
REFUSALS = {
    "with the resource": (
        f"User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: {ARN} because no policy",
        f"grant secretsmanager:GetSecretValue on {ARN}",
    ),
    "denied explicitly": (
        f"User: x is not authorized to perform: ssm:GetParameter on resource: {ARN} with an explicit deny in a policy",
        "take that out",
    ),
    "the key": ("Access to KMS is not allowed", "kms:Decrypt"),
    "the ciphertext": ("The ciphertext refers to a customer master key that does not exist", "kms:Decrypt"),
    "nothing": ("", "store policy"),
}


@pytest.mark.parametrize(("said", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_the_next_step_is_what_aws_says(said: str, hint: str, opened: Opened, front: Front) -> None:
    front.faults.append(always("AccessDeniedException", said))
    error = failure(Denied, lambda: opened(SECRETS, endpoint_url=front.url).read(PATH))
    assert hint in error.hint
    assert said in error.message


@pytest.mark.parametrize(("wrong", "kind", "ask"), crossed(["id", "secret", "token"], BOTH, [*ASK]))
def test_a_wrong_key(wrong: str, kind: str, ask: str, opened: Opened, key: tuple[str, str], tmp_path: Path) -> None:
    given = {"id": key[0], "secret": key[1], "token": None}
    given[wrong] = "AKIAEXAMPLEEXAMPLE99" if wrong == "id" else CANARY
    auth = keys(tmp_path, str(given["id"]), str(given["secret"]), given["token"])
    error = failure(Denied, lambda: ASK[ask](opened(kind, auth=auth)))
    assert "AWS refused the credential" in error.message
    failure(Denied, opened(kind, auth=auth).ping)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"])
def test_a_refused_credential_by_its_real_codes(code: str, opened: Opened, front: Front) -> None:
    front.faults.append(always(code, "The security token included in the request is invalid."))
    failure(Denied, lambda: opened(SECRETS, endpoint_url=front.url).read(PATH))


def test_a_clock_that_is_off(opened: Opened, front: Front) -> None:
    said = "Signature expired: 20250101T000000Z is now earlier than 20250101T001000Z"
    front.faults.append(always("InvalidSignatureException", said))
    assert "clock" in failure(Denied, lambda: opened(SECRETS, endpoint_url=front.url).read(PATH)).hint


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_secret_key_that_is_not_in_the_environment(
    value: str | None, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TEAM_KEY", value)
    auth = {"method": "keys", "access_key_id": "AKIAEXAMPLEEXAMPLE99", "secret_access_key": {"env": "TEAM_KEY"}}
    assert failure(Denied, lambda: opened(SECRETS, auth=auth).read(PATH)).hint == "export TEAM_KEY=…"


# Unavailable


@asked
@both
def test_nobody_is_there(
    kind: str, ask: Callable[[Store], object], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BLIP", 120)  # for so long it would be tried again, if that were worth it
    for url in (f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid"):
        store = opened(kind, endpoint_url=url)
        start = time.monotonic()
        assert "can't reach the server" in failure(Unavailable, partial(ask, store)).message
        assert time.monotonic() - start < 60


def test_a_server_that_never_answers(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "READ_TIMEOUT", 1)
    with faulty.silent() as (host, port):
        store = opened(SECRETS, endpoint_url=f"http://{host}:{port}")
        assert "timeout" in failure(Unavailable, lambda: store.read(PATH)).message.lower()


def test_a_certificate_that_nobody_signed(opened: Opened) -> None:
    with faulty.self_signed_tls() as (host, port):
        store = opened(SECRETS, endpoint_url=f"https://{host}:{port}")
        assert "AWS_CA_BUNDLE" in failure(Unavailable, lambda: store.read(PATH)).hint


@both
def test_https_where_the_server_speaks_http(kind: str, opened: Opened, server: moto.Moto) -> None:
    store = opened(kind, endpoint_url=server.url.replace("http://", "https://"))
    failure(Unavailable, lambda: store.read(PATH))


STRANGERS = {f"{code} {kind} {text or 'nothing'}": (code, kind, text) for code, kind, text in faulty.STRANGERS}


@pytest.mark.parametrize(("kind", "stranger"), crossed(BOTH, [*STRANGERS]))
def test_a_web_server_that_is_not_aws(kind: str, stranger: str, opened: Opened) -> None:
    replace: Callable[[Store], object] = lambda store: store.write(PATH, Secret(CANARY), expect="1" * 36)  # noqa: E731
    with faulty.stranger(*STRANGERS[stranger]) as url:
        store = opened(kind, endpoint_url=url)
        for ask in (*ASK.values(), replace, lambda store: store.ping()):
            error = failure(Unavailable, partial(ask, store))
            assert "not that of AWS" in error.message
            assert "html" not in error.message


@both
def test_no_proxy_sees_what_is_meant_for_this_machine(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    opened(kind).write(PATH, Secret("x"), expect=None)


@asked
def test_a_missing_package_is_told_of(
    ask: Callable[[Store], object], opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    error = failure(Unavailable, lambda: ask(opened(SECRETS)))
    assert (error.message, error.hint) == ("store team: the AWS client is not installed", "pip install boto3")


KEY_TROUBLE = [("DecryptionFailure", SECRETS), ("InvalidKeyId", PARAMETERS), ("KMSDisabledException", PARAMETERS)]


@pytest.mark.parametrize(("code", "kind"), KEY_TROUBLE)
def test_a_key_that_is_disabled_is_not_a_missing_secret(code: str, kind: str, opened: Opened, front: Front) -> None:
    front.faults.append(always(code, "The key is disabled."))
    assert "KMS key" in failure(Unavailable, lambda: opened(kind, endpoint_url=front.url).read(PATH)).message


BLIPS = {"ThrottlingException": 400, "InternalServiceError": 500, "InternalServerError": 500, "503": 503}


@pytest.mark.parametrize(("ask", "code", "kind"), crossed([*ASK], [*BLIPS], BOTH))
@pytest.mark.usefixtures("_patient")
def test_a_blip_is_asked_through(ask: str, code: str, kind: str, opened: Opened, front: Front) -> None:
    status = BLIPS[code]
    opened(kind).write("databases/other", Secret("x"), expect=None)
    store = opened(kind, endpoint_url=front.url)
    left = [refusal(code, "Rate exceeded", status), refusal(code, "Rate exceeded", status)]
    front.faults.append(lambda _operation: left.pop() if left else None)
    if ask == "read":
        failure(NotFound, lambda: ASK[ask](store))
    elif ask == "write" and kind == PARAMETERS and status >= 500:
        failure(Unavailable, lambda: ASK[ask](store))  # it may have been written: not again
        assert front.requests.count("PutParameter") == 1
    else:
        ASK[ask](store)


@pytest.mark.parametrize(
    ("code", "says"), [("ThrottlingException", "limits the rate"), ("InternalServiceError", "failed")]
)
def test_a_server_that_fails_all_the_time(code: str, says: str, opened: Opened, front: Front) -> None:
    front.faults.append(always(code, "no", 400))
    error = failure(Unavailable, lambda: opened(SECRETS, endpoint_url=front.url).read(PATH))
    assert says in error.message
    assert len(front.requests) > 1


@both
@pytest.mark.usefixtures("_patient")
def test_a_connection_that_breaks_is_made_again(kind: str, opened: Opened, front: Front) -> None:
    opened(kind).write(PATH, Secret("x"), expect=None)
    front.lost = ["GetSecretValue", "GetParameter", "ListSecrets", "DescribeParameters"]
    store = opened(kind, endpoint_url=front.url)
    assert whole(store, PATH) == "x"
    assert list(store.names("")) == [PATH]
    assert len(front.requests) == 4


# Malformed


def test_binary_is_text_if_it_is_utf_8(opened: Opened, server: moto.Moto, region: str) -> None:
    client = api(server, SECRETS, region)
    client.create_secret(Name="text", SecretBinary="pässwörd".encode())
    client.create_secret(Name=PATH, SecretBinary=b"\xff\xfe" + CANARY.encode())
    store = opened(SECRETS)
    assert whole(store, "text") == "pässwörd"
    failure(Malformed, lambda: store.read(PATH))


@both
def test_what_is_no_text_is_not_written(kind: str, opened: Opened) -> None:
    error = failure(Malformed, lambda: opened(kind).write(PATH, Secret(f"\ud800{CANARY}"), expect=None))
    assert "not text" in error.message


@pytest.mark.parametrize("value", ["{{ ds }}", "a {{\n}} b", {"sql": "{{ ds }}"}])
def test_a_parameter_takes_no_double_braces(value: Any, opened: Opened) -> None:
    store = opened(PARAMETERS)
    given = Secret(value) if isinstance(value, str) else value
    assert "{{…}}" in failure(Malformed, lambda: store.write(PATH, given, expect=None)).message
    store.write(PATH, {"a": {"b": {"c": 1}}}, expect=None)
    store = opened(SECRETS)
    store.write(PATH, given, expect=None)


def test_a_parameter_of_another_type_is_told_of(opened: Opened, server: moto.Moto, region: str, front: Front) -> None:
    api(server, PARAMETERS, region).put_parameter(Name=f"/{PATH}", Value="plain", Type="String")
    assert whole(opened(PARAMETERS), PATH) == "plain"
    said = "Parameter Store does not support changing a parameter type"
    front.faults.append(
        lambda operation: refusal("HierarchyTypeMismatchException", said) if operation == "PutParameter" else None
    )
    store = opened(PARAMETERS, endpoint_url=front.url)
    assert "another type" in failure(Malformed, lambda: store.write(PATH, Secret(CANARY), expect="1")).message
