"""Who asks AWS's stores: keys, profiles, roles and what AWS's own tools find; one client for many threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied
from bootstrap.plugins import STORES
from bootstrap.stores.base import Context, read_many
from bootstrap.stores.kind import StoreKind
from tests.stores.aws.bench import ACCOUNT, BOTH, PATH, Front, Opened, failure, front, key, keys, opened, region, server
from tests.stores.contract import CANARY, whole
from tests.systems import moto

__all__ = ["front", "key", "opened", "region", "server"]  # fixtures

SECRETS, PARAMETERS = BOTH
both = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture(autouse=True)
def _no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No role of the machine is asked for, and no file of the user's read."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def there(opened: Opened) -> None:
    """Both stores hold a secret."""
    for kind in BOTH:
        opened(kind).write(PATH, Secret("one"), expect=None)


def profile(folder: Path, name: str, key_id: str, secret: str) -> None:
    (folder / "credentials").write_text(f"[{name}]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")


@both
@pytest.mark.usefixtures("there")
def test_what_awss_own_tools_find(
    kind: str, opened: Opened, key: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path, "team", *key)
    monkeypatch.setenv("AWS_PROFILE", "team")
    assert whole(opened(kind, auth={"method": "default"}), PATH) == "one"
    monkeypatch.delenv("AWS_PROFILE")
    error = failure(Denied, lambda: opened(kind, auth={"method": "default"}).read(PATH))
    assert "there is no credential" in error.message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key[1])
    assert whole(opened(kind, auth={"method": "default"}), PATH) == "one"


@pytest.mark.usefixtures("there")
def test_a_profile(opened: Opened, key: tuple[str, str], tmp_path: Path) -> None:
    auth = {"method": "profile", "profile": "team"}
    error = failure(Denied, lambda: opened(SECRETS, auth=auth).read(PATH))
    assert "profile (team) could not be found" in error.message
    profile(tmp_path, "team", *key)
    assert whole(opened(SECRETS, auth=auth), PATH) == "one"


@pytest.mark.usefixtures("there")
def test_a_profile_of_single_sign_on_that_is_not_logged_in(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[profile team]\nsso_start_url = https://example.awsapps.invalid/start\nsso_region = eu-west-1\n"
        f"sso_account_id = {ACCOUNT}\nsso_role_name = reader\n"
    )
    error = failure(Denied, lambda: opened(SECRETS, auth={"method": "profile", "profile": "team"}).read(PATH))
    assert error.hint == "aws sso login"


@both
@pytest.mark.usefixtures("there")
def test_keys_are_used_whatever_the_environment_says(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE99")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    assert whole(opened(kind), PATH) == "one"


@pytest.fixture
def role(server: moto.Moto) -> str:
    """The ARN of a role that may read, and lets in who brings the external id."""
    iam = server.client("iam")
    name = f"reader-{server.url.rpartition(':')[2]}"
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "team-7"}},
    }
    read = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"], "Resource": "*"}
    for policy, create in ((trust, True), (read, False)):
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        try:
            if create:
                iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
            else:
                iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=document)
        except iam.exceptions.EntityAlreadyExistsException:
            pass
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def as_role(server: moto.Moto, role: str, source: dict[str, Any], external_id: str = "team-7") -> dict[str, Any]:
    return {
        "method": "assume_role",
        "role_arn": role,
        "external_id": external_id,
        "endpoint_url": server.url,
        "source": source,
    }


@both
@pytest.mark.usefixtures("there")
def test_a_role_does_what_it_may(
    kind: str, opened: Opened, server: moto.Moto, role: str, key: tuple[str, str], tmp_path: Path
) -> None:
    store = opened(kind, auth=as_role(server, role, keys(tmp_path, *key)))
    assert whole(store, PATH) == "one"
    error = failure(Denied, lambda: store.write(PATH, Secret("two"), expect=None))
    assert "assumed-role/reader" in error.message
    assert "airflow-bootstrap" in error.message


@pytest.mark.usefixtures("there")
def test_a_role_that_lets_nobody_in(
    opened: Opened, server: moto.Moto, role: str, key: tuple[str, str], tmp_path: Path
) -> None:
    key_of_nobody = server.mint("nobody-assumes", [{"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}])
    refused = as_role(server, role, keys(tmp_path, *key_of_nobody))
    assert "grant sts:AssumeRole" in failure(Denied, lambda: opened(SECRETS, auth=refused).read(PATH)).hint
    stranger = as_role(server, role, keys(tmp_path, *key), external_id="somebody-else")
    failure(Denied, lambda: opened(SECRETS, auth=stranger).read(PATH))
    penniless = as_role(server, role, {"method": "default"})
    failure(Denied, lambda: opened(SECRETS, auth=penniless).read(PATH))


@both
@pytest.mark.usefixtures("there")
def test_temporary_keys_need_their_token(
    kind: str, opened: Opened, server: moto.Moto, role: str, tmp_path: Path
) -> None:
    sts = server.client("sts")
    given = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="team-7")["Credentials"]
    auth = keys(tmp_path, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert whole(opened(kind, auth=auth), PATH) == "one"
    auth = keys(tmp_path, given["AccessKeyId"], given["SecretAccessKey"])
    failure(Denied, lambda: opened(kind, auth=auth).read(PATH))


WRONG: Sequence[tuple[dict[str, Any], str]] = [
    ({"region": "Europe"}, "region"),
    ({"region": ""}, "region"),
    ({"endpoint_url": "localhost:4566"}, "endpoint_url"),
    ({"endpoint_url": "https://example.com/path/x"}, "endpoint_url"),
    ({"auth": {"method": "keys", "access_key_id": "A" * 20, "secret_access_key": CANARY}}, "plain text"),
    ({"auth": {"method": "keys", "access_key_id": CANARY, "secret_access_key": {"env": "X"}}}, "access_key_id"),
    ({"auth": {"method": "keys", "access_key_id": "A" * 20}}, "secret_access_key"),
    ({"auth": {"method": "assume_role", "role_arn": "airflow"}}, "role_arn"),
    ({"auth": {"method": "profile"}}, "profile"),
    ({"auth": {"method": "magic"}}, "method"),
    ({"prefix": "x"}, "prefix"),
]


@both
@pytest.mark.parametrize(("options", "says"), WRONG, ids=[says for _, says in WRONG])
def test_options_that_can_not_be(kind: str, options: dict[str, Any], says: str) -> None:
    found = STORES.get(kind, StoreKind)
    with pytest.raises(ValidationError, match=says) as caught:
        found.Options.model_validate({"kind": kind, "region": "eu-west-1", **options})
    assert CANARY not in str(caught.value)


@both
def test_opening_a_store_imports_no_boto3_and_asks_nobody(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = STORES.get(kind, StoreKind)
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    options = found.Options.model_validate({"kind": kind, "region": "eu-west-1"})
    assert found.open_store(options, Context("team", Path())).writable


@both
def test_32_reads_at_once_are_32_requests_at_once(
    kind: str, opened: Opened, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    opened(kind).write(PATH, Secret("one"), expect=None)
    together = threading.Barrier(32)
    store = opened(kind, endpoint_url=front.url)
    front.before.append(lambda _operation: together.wait(timeout=20))
    found = read_many("team", store, [(f"many/{number}", None) for number in range(32)])
    assert {type(it).__name__ for it in found.values()} == {"NotFound"}
    assert len(front.requests) == 32
    assert "pool is full" not in caplog.text  # each thread keeps its connection


def test_all_threads_log_in_once(
    opened: Opened, server: moto.Moto, role: str, key: tuple[str, str], tmp_path: Path, front: Front
) -> None:
    opened(SECRETS).write(PATH, Secret("one"), expect=None)
    auth = as_role(server, role, keys(tmp_path, *key)) | {"endpoint_url": front.url}
    store = opened(SECRETS, auth=auth)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: whole(store, PATH), range(16))) == {"one"}
    assert len(front.requests) == 1
