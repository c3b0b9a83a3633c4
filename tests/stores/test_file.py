"""Files pass the contract of a store, in each format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.errors import Denied, Exit, Malformed, NotFound, StoreError
from bootstrap.stores import file
from bootstrap.stores.base import Context, Store
from tests.project import without_roots_rights
from tests.stores.contract import CANARY, Put, ReadOnlyContract, assert_tells, field, whole


def opened(path: Path) -> Store:
    return file.open_store(file.Options(kind="file", path=path.name), Context("team", path.parent))


class Nested(ReadOnlyContract):
    """Paths that lead into mappings."""

    NAME: str

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return opened(tmp_path / self.NAME)

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        document: dict[str, Any] = {}

        def save(path: str, value: str | Mapping[str, Any]) -> None:
            *folders, name = path.split("/")
            node = document
            for folder in folders:
                node = node.setdefault(folder, {})
            node[name] = value
            (tmp_path / self.NAME).write_text(self.dump(document), encoding="utf-8")

        return save

    def dump(self, document: dict[str, Any]) -> str:
        return json.dumps(document)


class TestJson(Nested):
    NAME = "secrets.json"


class TestYaml(Nested):
    NAME = "secrets.yaml"

    def dump(self, document: dict[str, Any]) -> str:
        return yaml.safe_dump(document, allow_unicode=True)


class TestDotenv(ReadOnlyContract):
    PATH = "WAREHOUSE"
    LEGAL = "Ware_House.9-a"
    TREE = ("DB_ORDERS", "DB_USERS", "KEY_A")
    BELOW = ("", TREE)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return opened(tmp_path / ".env")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        def append(path: str, value: str | Mapping[str, Any]) -> None:
            text = value if isinstance(value, str) else json.dumps(value)
            quoted = text.replace("\\", "\\\\").replace("'", "\\'")
            with (tmp_path / ".env").open("a", encoding="utf-8", newline="") as lines:
                lines.write(f"{path}='{quoted}'\n")

        return append


@pytest.mark.parametrize("name", ["secrets.json", "secrets.yaml", ".env"])
def test_a_byte_order_mark_is_no_part_of_a_name(name: str, tmp_path: Path) -> None:
    texts = {"secrets.json": '{"KEY": "v"}', "secrets.yaml": "KEY: v\n", ".env": "KEY=v\n"}
    (tmp_path / name).write_text(texts[name], encoding="utf-8-sig")
    assert whole(opened(tmp_path / name), "KEY") == "v"


@pytest.mark.parametrize(
    "written", ["00123", "0o17", "0x1F", "1_000", "1.10", "1e5", "yes", "True", "2030-01-01", "12:30:45", "+1", "-0"]
)
def test_what_yaml_would_rewrite_stays_as_it_is_written(written: str, tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text(
        f"plain: {written}\nfields: &f {{password: {written}}}\nmerged: {{<<: *f}}\n"
    )
    store = opened(tmp_path / "secrets.yaml")
    assert whole(store, "plain") == written
    assert field(store, "fields", "password") == field(store, "merged", "password") == written


def test_a_number_in_json_keeps_its_digits(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"a": 1.10, "b": 1.5, "c": 12345678901234567890, "d": true}')
    store = opened(tmp_path / "secrets.json")
    assert [whole(store, name) for name in "abcd"] == ["1.10", "1.5", "12345678901234567890", "true"]


def test_a_key_with_a_slash_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"databases/warehouse": "flat", "databases": {"warehouse": "nested"}}')
    assert whole(opened(tmp_path / "secrets.json"), "databases/warehouse") == "flat"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("secrets.json", f'{{"a": "{CANARY}"'),
        ("secrets.json", f'["{CANARY}"]'),
        ("secrets.json", ""),
        ("secrets.yaml", f"a: [{CANARY}"),
        ("secrets.yaml", f"a: {CANARY}\na: {CANARY}\n"),
        ("secrets.yaml", f"- {CANARY}\n"),
        ("secrets.yaml", f"a: !!python/name:{CANARY}\n"),
        (".env", f"A='{CANARY}\n"),
        (".env", f"{CANARY}\n"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_malformed_and_not_quoted(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Malformed) as caught:
        opened(tmp_path / name).read("a")
    _names(caught.value, tmp_path / name)


def test_a_file_that_is_no_text_is_malformed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(Malformed) as caught:
        opened(tmp_path / ".env").read("A")
    _names(caught.value, tmp_path / ".env")


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file") as caught:
        opened(tmp_path / ".env").read("A")
    _names(caught.value, tmp_path / ".env")
    with pytest.raises(NotFound):
        opened(tmp_path / ".env").ping()


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    for name in ("secrets.yaml", ".env"):
        (tmp_path / name).touch()
        assert list(opened(tmp_path / name).names("")) == []
        with pytest.raises(NotFound) as caught:
            opened(tmp_path / name).read("A")
        assert_tells(caught.value, "A", Exit.FAILED)


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secrets.json").write_text('{"a": "b"}')
    store = file.open_store(file.Options(kind="file", path="~/secrets.json"), Context("team", Path("/nowhere")))
    assert whole(store, "a") == "b"


def test_a_file_we_may_not_read_is_denied(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0)
    with without_roots_rights(), pytest.raises(Denied, match="not allowed to read"):
        opened(path).read("A")


def _names(error: StoreError, path: Path) -> None:
    assert "store team" in error.message
    assert str(path) in error.message
    assert error.exit_code == Exit.FAILED
    assert CANARY not in f"{error.message} {error.hint}"
