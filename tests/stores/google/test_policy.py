"""The least that Google must allow is written down, and what it allows beyond is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bootstrap.errors import Denied, Unavailable
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.google import secret_manager as gsm
from bootstrap.stores.google.policy import DESTROYS, PRUNES, WRITES
from bootstrap.util import retrying
from tests.stores.google.bench import NAME, PATH, Opened, failure, opened, server
from tests.systems.secret_manager import SecretManager
from tests.systems.secret_manager_api import METHODS

__all__ = ["opened", "server"]  # fixtures

NEEDS = Needs(
    read=("airflow-connections-a", "service-key"),
    write=("airflow-connections-a", "rotated"),
    below=("airflow-connections", "airflow-variables"),
)
PRUNE = Needs(write=("databases-warehouse",), prune=("databases", "airflow-connections"))


def policy(needs: Needs, **options: Any) -> dict[str, str]:
    given = {"kind": "google_secret_manager", "project": "proj", **options}
    return dict(gsm.policy(gsm.Options.model_validate(given), needs, Context("team", Path())))


def test_commands_of_gcloud() -> None:
    lines = policy(NEEDS, auth={"method": "default", "impersonate": ["a@b"]})["gcloud"].splitlines()
    writer = f"gcloud iam roles create airflowBootstrapWriter --project proj --permissions={','.join(WRITES)}"
    bind = 'gcloud projects add-iam-policy-binding proj --member="$MEMBER" --role='
    assert lines[0] == "MEMBER=serviceAccount:a@b"
    assert writer in lines
    assert (
        'gcloud secrets add-iam-policy-binding service-key --project proj --member="$MEMBER" '
        "--role=roles/secretmanager.secretAccessor"
    ) in lines
    assert any(line.startswith("gcloud secrets add-iam-policy-binding rotated") and "Writer" in line for line in lines)
    assert any(line.startswith(f"{bind}projects/proj/roles/airflowBootstrapWriter") for line in lines)
    assert any(line.startswith(f"{bind}roles/secretmanager.secretAccessor") and "-variables-" in line for line in lines)
    assert not any("admin" in line or "owner" in line for line in lines)
    assert "airflow-connections-a " not in "\n".join(lines)  # below a prefix already


def test_the_commands_are_what_a_shell_reads(tmp_path: Path) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word" >> {tmp_path}/said; done\necho 42\n')
    gcloud.chmod(0o700)
    script = policy(NEEDS)["gcloud"]
    subprocess.run(["sh", "-euc", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, capture_output=True)
    said = (tmp_path / "said").read_text().splitlines()
    condition = 'resource.name.startsWith("projects/42/secrets/airflow-variables-")'
    assert f"--condition=title=below airflow-variables,expression={condition}" in said
    assert "--condition=None" in said


def test_only_what_is_needed() -> None:
    found = policy(Needs(read=("one",)))
    assert found["gcloud"].count("gcloud ") == 1
    assert "role" not in found["terraform"].replace("roles/secretmanager.secretAccessor", "").replace("role ", "")
    assert policy(Needs())["gcloud"].count("gcloud") == 0


def test_secrets_of_a_location() -> None:
    found = policy(NEEDS, location="europe-west1")
    assert "--location europe-west1" in found["gcloud"]
    assert "projects/$NUMBER/locations/europe-west1/secrets/airflow-variables-" in found["gcloud"]
    assert "google_secret_manager_regional_secret_iam_member" in found["terraform"]
    assert "--replication-policy" not in found["gcloud"]


def test_terraform() -> None:
    text = policy(NEEDS)["terraform"]
    assert text.count("{") == text.count("}")
    assert 'for_each  = toset(["service-key"])' in text
    assert 'startsWith(\\"projects/${data.google_project.this.number}/secrets/${each.value}-\\")' in text
    assert json.dumps(list(WRITES)) in text
    if shutil.which("terraform"):
        subprocess.run(["terraform", "fmt", "-check", "-"], input=text, text=True, check=True)


def test_the_role_that_writes_is_enough_to_write(opened: Opened, server: SecretManager) -> None:
    for method in METHODS.values():
        if method.permission not in (*WRITES, "secretmanager.secrets.create"):
            server.deny(method.permission)
    store = opened()
    version = store.write(PATH, {"a": "b"}, expect=None)
    assert store.write(PATH, {"a": "c"}, expect=version) == store.read(PATH).version


def test_to_prune_needs_a_role_of_its_own_below_a_prefix() -> None:
    found = policy(PRUNE)
    lines = found["gcloud"].splitlines()
    assert f"gcloud iam roles create airflowBootstrapPruner --project proj --permissions={','.join(PRUNES)}" in lines
    [bound] = [line for line in lines if "databases-" in line and "projects add-iam" in line]
    assert "--role=projects/proj/roles/airflowBootstrapPruner" in bound
    assert r"startsWith(\"projects/$NUMBER/secrets/databases-\")" in bound
    assert lines[1].startswith("NUMBER=")
    assert json.dumps(list(PRUNES)) in found["terraform"]
    assert 'for_each = toset(["databases", "airflow-connections"])' in found["terraform"]
    assert 'data "google_project" "this"' in found["terraform"]
    assert "secrets.delete" not in "".join(policy(Needs(write=PRUNE.write)).values())


def test_the_role_that_prunes_is_enough_and_necessary(opened: Opened, server: SecretManager) -> None:
    for method in METHODS.values():
        if method.permission not in PRUNES:
            server.deny(method.permission)
    store = opened()
    for permission in PRUNES:
        server.put("proj", PATH, "x")
        server.deny(permission)
        assert permission in failure(Denied, lambda: store.delete(PATH, expect="1")).hint
        server.allow(permission)
        store.delete(PATH, expect="1")
        assert NAME not in server.secrets.known


def test_the_role_that_destroys_is_enough_and_necessary(opened: Opened, server: SecretManager) -> None:
    for method in METHODS.values():
        if method.permission not in DESTROYS:
            server.deny(method.permission)
    store: Any = opened()
    for permission in DESTROYS:
        server.put("proj", PATH, "x")
        newest = str(len(server.secrets.known[NAME].versions))
        server.deny(permission)
        assert permission in failure(Denied, partial(store.destroy, PATH, newest)).hint
        server.allow(permission)
        store.destroy(PATH, newest)
    server.deny("secretmanager.secrets.setIamPolicy")
    assert store.excess(Needs(write=(PATH,))) == [f"may destroy versions of {PATH}"]
    assert store.excess(Needs(write=(PATH,), destroy=(PATH,))) == []


def test_who_may_create_none_writes_those_that_are_there(opened: Opened, server: SecretManager) -> None:
    server.deny("secretmanager.secrets.create")
    store = opened()
    error = failure(Denied, lambda: store.write(PATH, {"a": "b"}, expect=None))
    assert error.hint == "grant secretmanager.secrets.create on projects/proj"
    server.put("proj", PATH, "x")
    server.secrets.known[NAME].versions.clear()  # as `gcloud secrets create` leaves it
    assert store.write(PATH, {"a": "b"}, expect=None) == "1"


def test_what_it_may_do_beyond_its_needs(opened: Opened, server: SecretManager) -> None:
    store = opened()
    store.write(PATH, {"a": "b"}, expect=None)
    needs = Needs(read=(PATH,))
    assert store.excess(needs) == [
        f"may delete {PATH}",
        f"may destroy versions of {PATH}",
        f"may let anybody read {PATH}",
    ]
    assert store.excess(PRUNE) == [f"may destroy versions of {PATH}", f"may let anybody read {PATH}"]
    server.deny("secretmanager.secrets.delete")
    server.deny("secretmanager.secrets.setIamPolicy")
    assert store.excess(needs) == [f"may destroy versions of {PATH}"]
    assert store.excess(Needs(read=("no-such",))) == []
    assert store.excess(Needs(below=("databases",))) == ()
    assert server.requests[-2][1:] == ("TestIamPermissions", NAME)


def test_what_a_server_that_is_down_allows_is_not_known(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "BLIP", 0.3)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        opened().excess(Needs(read=(PATH,)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"project": "no project"},
        {"location": "europe-west1", "replication": {"automatic": True}},
        {"replication": {}},
        {"replication": {"automatic": True, "locations": ["a"]}},
        {"replication": {"locations": []}},
        {"requests_per_minute": 0},
        {"endpoint": "https://private.example"},
        {"labels": {"Team": "x"}},
        {"auth": {"method": "key"}},
        {"auth": {"method": "key", "key": "plain text"}},
        {"auth": {"method": "default", "impersonate": ["no-address"]}},
    ],
)
def test_what_no_manifest_may_say(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        gsm.Options.model_validate({"kind": "google_secret_manager", "project": "proj", **wrong})
