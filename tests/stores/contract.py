"""What a store is: the tests that every kind passes.

A subclass is named Test…, and provides the fixtures `store` (an empty store that is called "team") and `put` (puts a
secret where the store looks for it); a WriteContract needs no `put`, and a VersionedContract needs `delete` and
`destroy`. Where paths look otherwise than in Vault, it says so in `PATH` and `TREE`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest

from bootstrap.errors import Conflict, Denied, Empty, Exit, Malformed, NotFound, StoreError
from bootstrap.secret import Secret
from bootstrap.stores.base import Store, pick_field

Put: TypeAlias = Callable[[str, str | Mapping[str, Any]], None]
Delete: TypeAlias = Callable[[str, int], None]  # one version of a path

CANARY = "canary-in-the-store-0815"
VALUES = {
    "word": "hunter2",
    "unicode": "pässwörd 密码 🔑 \u200b",
    "lines": "-----BEGIN KEY-----\nMIIE\n-----END KEY-----",
    "trailing newline": "line\n",
    "carriage return": "one\r\ntwo\rthree",
    "quotes": 'it\'s "quoted" `twice`',
    "backslashes": "C:\\new\\table\\",
    "percent": "100% %s %(x)s %41",
    "variables": "$HOME ${HOME} $(id) ~",
    "comment": "before # after",
    "leading zeros": "00123",
    "number": "1.10",
    "word of YAML": "no",
    "null": "null",
    "spaces": "  both sides  ",
    "JSON": '{"a": [1, 2.0, "00123"]}',
    "broken JSON": '{"a": ',
    "64 KiB": "0123456789abcdef" * 4096,
}
ILLEGAL = ("", "/", "a//b", "/a", "a/", "../a", "a/../b", "a/./b", "a\nb", "a\x7fb")


def whole(store: Store, path: str, version: str | None = None) -> str:
    return pick_field(store.read(path, version), f"team:{path}", None).as_public()


def field(store: Store, path: str, name: str) -> str:
    return pick_field(store.read(path), f"team:{path}#{name}", name).as_public()


def assert_tells(error: StoreError, path: str, exit_code: Exit) -> None:
    """It says where, what next, and nothing of the value."""
    assert f"team:{path}" in error.message
    assert error.hint
    assert error.exit_code == exit_code
    assert CANARY not in f"{error.message} {error.hint} {error!r}"


class ReadContract:
    PATH = "databases/warehouse"
    TREE: tuple[str, ...] = ("databases-x", "databases/eu/orders", "databases/warehouse", "keys/a")  # sorted
    BELOW: tuple[str, tuple[str, ...]] = ("databases", ("databases/eu/orders", "databases/warehouse"))

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    def test_a_value_stays_as_it_is(self, store: Store, put: Put, value: str) -> None:
        put(self.PATH, value)
        assert whole(store, self.PATH) == value

    def test_fields_stay_as_they_are(self, store: Store, put: Put) -> None:
        put(self.PATH, VALUES)
        assert {name: field(store, self.PATH, name) for name in VALUES} == VALUES

    def test_what_is_no_text_in_a_field_is_json(self, store: Store, put: Put) -> None:
        put(self.PATH, {"port": 5432, "ssl": True, "share": 1.5, "hosts": ["a", "ü"], "extra": {"a": "00123"}})
        found = {name: value.as_public() for name, value in (store.read(self.PATH).fields or {}).items()}
        assert found == {
            "port": "5432",
            "ssl": "true",
            "share": "1.5",
            "hosts": '["a", "ü"]',
            "extra": '{"a": "00123"}',
        }

    def test_a_secret_with_fields_is_json_as_a_whole(self, store: Store, put: Put) -> None:
        fields = {"username": "etl", "port": 5432, "extra": {"a": None}}
        put(self.PATH, fields)
        assert json.loads(whole(store, self.PATH)) == fields

    def test_a_missing_secret(self, store: Store, put: Put) -> None:
        put(self.TREE[0], CANARY)
        with pytest.raises(NotFound) as caught:
            store.read(self.PATH)
        assert_tells(caught.value, self.PATH, Exit.FAILED)

    def test_a_missing_field_lists_those_that_are_there(self, store: Store, put: Put) -> None:
        put(self.PATH, {"username": CANARY, "password": CANARY})
        with pytest.raises(NotFound, match=r"no field 'pasword'; its fields are: password, username") as caught:
            field(store, self.PATH, "pasword")
        assert_tells(caught.value, f"{self.PATH}#pasword", Exit.FAILED)

    def test_a_field_of_a_plain_value(self, store: Store, put: Put) -> None:
        put(self.PATH, CANARY)
        with pytest.raises((NotFound, Malformed)) as caught:
            field(store, self.PATH, "password")
        assert_tells(caught.value, f"{self.PATH}#password", Exit.FAILED)

    @pytest.mark.parametrize("nothing", ["", None])
    def test_an_empty_field_is_not_a_missing_one(self, store: Store, put: Put, nothing: str | None) -> None:
        put(self.PATH, {"username": "etl", "password": nothing})
        with pytest.raises(Empty) as caught:
            field(store, self.PATH, "password")
        assert_tells(caught.value, f"{self.PATH}#password", Exit.FAILED)

    def test_an_empty_value_is_not_a_missing_one(self, store: Store, put: Put) -> None:
        put(self.PATH, "")
        with pytest.raises(Empty) as caught:
            whole(store, self.PATH)
        assert_tells(caught.value, self.PATH, Exit.FAILED)

    @pytest.mark.parametrize("version", ["7", "0", "-1", "latest", "²", "9" * 30])
    def test_a_version_that_is_not_there(self, store: Store, put: Put, version: str) -> None:
        put(self.PATH, CANARY)
        with pytest.raises(NotFound) as caught:
            store.read(self.PATH, version)
        assert_tells(caught.value, self.PATH, Exit.FAILED)

    @pytest.mark.parametrize("path", ILLEGAL)
    def test_an_illegal_path_is_not_found(self, store: Store, put: Put, path: str) -> None:
        put(self.PATH, CANARY)
        with pytest.raises(NotFound) as caught:
            store.read(path)
        assert caught.value.message.startswith("team:")
        assert caught.value.hint

    def test_the_version_tells_two_values_apart(self, store: Store, put: Put) -> None:
        put(self.PATH, "one")
        first = store.read(self.PATH).version
        assert store.read(self.PATH).version == first
        assert "one" not in first

    def test_names_are_sorted_paths_that_can_be_read(self, store: Store, put: Put) -> None:
        for path in reversed(self.TREE):
            put(path, {"value": path})
        assert tuple(store.names("")) == self.TREE
        assert [whole(store, path) for path in store.names("")] == list(self.TREE)

    def test_names_below_a_folder(self, store: Store, put: Put) -> None:
        for path in self.TREE:
            put(path, {"value": path})
        folder, below = self.BELOW
        assert tuple(store.names(folder)) == below
        assert list(store.names("no/such/folder")) == []

    def test_no_repr_shows_a_value(self, store: Store, put: Put) -> None:
        put(self.PATH, {"password": CANARY})
        stored = store.read(self.PATH)
        assert stored.value.as_public().count(CANARY) == 1
        assert CANARY not in f"{stored!r} {stored} {store!r}"

    def test_ping_says_where_the_store_is(self, store: Store, put: Put) -> None:
        put(self.PATH, CANARY)
        assert store.ping()
        assert CANARY not in store.ping()


class ReadOnlyContract(ReadContract):
    def test_writing_is_refused(self, store: Store, put: Put) -> None:
        put(self.PATH, "old")
        for path in (self.PATH, self.TREE[0]):
            with pytest.raises(Denied, match="read-only") as caught:
                store.write(path, Secret(CANARY), expect=None)
            assert_tells(caught.value, path, Exit.STORE)
        assert whole(store, self.PATH) == "old"
        assert not store.writable


class WriteContract(ReadContract):
    @pytest.fixture
    def put(self, store: Store) -> Put:
        def write(path: str, value: str | Mapping[str, Any]) -> None:
            store.write(path, Secret(value) if isinstance(value, str) else value, expect=None)

        return write

    def test_the_version_that_is_written_is_the_one_that_is_read(self, store: Store) -> None:
        assert store.writable
        first = store.write(self.PATH, Secret("one"), expect=None)
        assert store.read(self.PATH).version == first
        second = store.write(self.PATH, Secret("two"), expect=first)
        assert store.read(self.PATH).version == second != first

    def test_fields_keep_their_types(self, store: Store) -> None:
        fields = {"port": 5432, "ssl": True, "none": None, "zeros": "00123", "extra": {"list": [1, "1"]}}
        store.write(self.PATH, fields, expect=None)
        assert json.loads(store.read(self.PATH).value.as_public()) == fields

    def test_writing_replaces_all_fields(self, store: Store) -> None:
        version = store.write(self.PATH, {"a": "1", "b": "2"}, expect=None)
        store.write(self.PATH, {"b": "3"}, expect=version)
        assert set(store.read(self.PATH).fields or {}) == {"b"}

    def test_what_exists_is_not_created(self, store: Store) -> None:
        store.write(self.PATH, Secret("old"), expect=None)
        self._conflicts(store, None, "old")

    def test_a_stale_version_is_not_replaced(self, store: Store) -> None:
        stale = store.write(self.PATH, Secret("one"), expect=None)
        store.write(self.PATH, Secret("two"), expect=stale)
        self._conflicts(store, stale, "two")

    def test_what_does_not_exist_is_not_replaced(self, store: Store) -> None:
        elsewhere = store.write(self.TREE[0], Secret("one"), expect=None)
        with pytest.raises(Conflict) as caught:
            store.write(self.PATH, Secret(CANARY), expect=elsewhere)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        assert list(store.names("")) == [self.TREE[0]]

    @pytest.mark.parametrize("path", ILLEGAL)
    def test_an_illegal_path_is_not_written(self, store: Store, path: str) -> None:
        with pytest.raises(NotFound):
            store.write(path, Secret("x"), expect=None)
        assert list(store.names("")) == []

    def _conflicts(self, store: Store, expect: str | None, kept: str) -> None:
        with pytest.raises(Conflict) as caught:
            store.write(self.PATH, Secret(CANARY), expect=expect)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        assert whole(store, self.PATH) == kept


class VersionedContract(WriteContract):
    def test_a_pinned_version_stays_what_it_was(self, store: Store) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        second = store.write(self.PATH, Secret("two"), expect=first)
        assert [whole(store, self.PATH, version) for version in (first, second, None)] == ["one", "two", "two"]
        created = [store.read(self.PATH, version).created for version in (first, second)]
        assert created[0] is not None
        assert created[1] is not None
        assert created[0] < created[1]

    def test_a_deleted_secret_is_missing_and_can_be_made_again(self, store: Store, delete: Delete) -> None:
        self._made_again_after(delete, store, "was deleted")

    def test_a_destroyed_secret_is_missing_and_can_be_made_again(self, store: Store, destroy: Delete) -> None:
        self._made_again_after(destroy, store, "was deleted")

    def _made_again_after(self, end: Delete, store: Store, said: str) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        end(self.PATH, int(first))
        for version in (None, first):
            with pytest.raises(NotFound, match=said) as caught:
                store.read(self.PATH, version)
            assert_tells(caught.value, self.PATH, Exit.FAILED)
        second = store.write(self.PATH, Secret("two"), expect=None)
        assert int(second) == int(first) + 1
        assert whole(store, self.PATH) == "two"

    @pytest.mark.parametrize("exists", [True, False], ids=["replace", "create"])
    def test_of_writers_at_once_one_wins(self, store: Store, *, exists: bool) -> None:
        expect = store.write(self.PATH, Secret("old"), expect=None) if exists else None
        store.ping()  # is logged in
        start = threading.Barrier(4)

        def write(value: str) -> str | None:
            start.wait(timeout=10)
            try:
                store.write(self.PATH, Secret(value), expect=expect)
            except Conflict:
                return None
            return value

        with ThreadPoolExecutor(4) as pool:
            won = [value for value in pool.map(write, "abcd") if value is not None]
        assert [whole(store, self.PATH)] == won
