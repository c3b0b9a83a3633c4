"""What a store is: the tests that every kind passes.

A subclass is named Test…, and provides the fixtures `store` (an empty store that is called "team") and `put` (puts a
secret where the store looks for it); a WriteContract needs no `put`, and a VersionedContract needs `delete` and
`destroy`; a DeniedContract needs `denied`. Where names look otherwise than in Vault, or values have other limits, the
class attributes say so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Denied, Empty, Exit, IllegalName, Malformed, NotFound, StoreError
from bootstrap.stores.base import AirflowBackend, Store, pick_field
from bootstrap.stores.credential import Credential

Put: TypeAlias = Callable[[str, str | Mapping[str, Any]], None]
Delete: TypeAlias = Callable[[str, str], None]  # one version of a path

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
    "escape sequences": "\x01\x1b[0m\x7f\ufffd",
    "base64": "/+8AAQIDBAUGBwgJCgsMDQ4P==",
    "64 KiB": "0123456789abcdef" * 4096,
}
ILLEGAL = ("", "/", "a//b", "/a", "a/", "../a", "a/../b", "a/./b", "a\nb", "a\x7fb")


def whole(store: Store, path: str, version: str | None = None) -> str:
    return pick_field(store.read(path, version), f"team:{path}", None).unmasked()


def field(store: Store, path: str, name: str) -> str:
    return pick_field(store.read(path), f"team:{path}#{name}", name).unmasked()


def assert_tells(error: StoreError, path: str, exit_code: Exit) -> None:
    """It says where, what next, and nothing of the value."""
    assert f"team:{path}" in error.message
    assert error.hint
    assert error.exit_code == exit_code
    assert CANARY not in f"{error.message} {error.hint} {error!r}"


class ReadContract:
    PATH = "databases/warehouse"
    LEGAL = "a-b_c.d/e f@g#h:i*j/Zz09~ü密"  # a path with each kind of legal character
    ILLEGAL: tuple[str, ...] = ILLEGAL
    NO_VERSIONS: tuple[str, ...] = ("7", "0", "-1", "latest", "²", "9" * 30)
    LARGEST = 65536  # bytes of a value
    KEEPS_EMPTY = True  # a value that is the empty string
    TELLS_CREATED = True  # when a version was made, with its value; else only the listing does
    TREE: tuple[str, ...] = ("databases-x", "databases/eu/orders", "databases/warehouse", "keys/a")  # sorted
    BELOW: tuple[str, tuple[str, ...]] = ("databases", ("databases/eu/orders", "databases/warehouse"))

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    def test_a_value_stays_as_it_is(self, store: Store, put: Put, value: str) -> None:
        if len(value.encode()) > self.LARGEST:
            with pytest.raises(Malformed, match=f"more than {self.LARGEST} bytes"):
                put(self.PATH, value)
            value = value[: self.LARGEST]
        put(self.PATH, value)
        assert whole(store, self.PATH) == value

    def test_fields_stay_as_they_are(self, store: Store, put: Put) -> None:
        values = {name: value for name, value in VALUES.items() if len(value) < self.LARGEST // 8}
        put(self.PATH, values)
        assert {name: field(store, self.PATH, name) for name in values} == values

    def test_what_is_no_text_in_a_field_is_json(self, store: Store, put: Put) -> None:
        put(self.PATH, {"port": 5432, "ssl": True, "share": 1.5, "hosts": ["a", "ü"], "extra": {"a": "00123"}})
        found = {name: value.unmasked() for name, value in (store.read(self.PATH).fields or {}).items()}
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
        if not self.KEEPS_EMPTY:
            with pytest.raises(Empty) as caught:
                put(self.PATH, "")
            assert_tells(caught.value, self.PATH, Exit.FAILED)
            return
        put(self.PATH, "")
        with pytest.raises(Empty) as caught:
            whole(store, self.PATH)
        assert_tells(caught.value, self.PATH, Exit.FAILED)

    def test_a_version_that_is_not_there(self, store: Store, put: Put) -> None:
        put(self.PATH, CANARY)
        for version in self.NO_VERSIONS:
            with pytest.raises(NotFound) as caught:
                store.read(self.PATH, version)
            assert_tells(caught.value, self.PATH, Exit.FAILED)

    def test_an_illegal_path_is_not_found(self, store: Store, put: Put) -> None:
        put(self.PATH, CANARY)
        for path in self.ILLEGAL:
            with pytest.raises(NotFound) as caught:
                store.read(path)
            assert caught.value.message.startswith("team:")
            assert caught.value.hint

    def test_a_name_may_have_every_legal_character(self, store: Store, put: Put) -> None:
        put(self.LEGAL, {"value": CANARY})
        assert whole(store, self.LEGAL) == CANARY
        assert list(store.names("")) == [self.LEGAL]

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
        assert stored.value.unmasked().count(CANARY) == 1
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
        assert json.loads(store.read(self.PATH).value.unmasked()) == fields

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

    def test_an_illegal_path_is_not_written(self, store: Store) -> None:
        for path in self.ILLEGAL:
            with pytest.raises(IllegalName):
                store.write(path, Secret("x"), expect=None)
        assert list(store.names("")) == []

    def test_the_listing_shows_versions_and_no_value(self, store: Store) -> None:
        if not hasattr(store, "entries"):
            return  # the power is optional
        first = store.write(self.PATH, Secret(CANARY), expect=None)
        newest = store.write(self.PATH, Secret(CANARY + "2"), expect=first)
        (entry,) = store.entries("")
        assert (entry.path, entry.version) == (self.PATH, newest)
        assert CANARY not in repr(entry)
        below = self.BELOW[0]
        assert [entry.path for entry in store.entries(below)] == [self.PATH]
        assert list(store.entries("no-such-folder")) == []

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
        if not self.TELLS_CREATED:
            assert created == [None, None]
            return
        assert created[0] is not None
        assert created[1] is not None
        assert created[0] < created[1]

    def test_a_deleted_secret_is_missing_and_can_be_made_again(self, store: Store, delete: Delete) -> None:
        self._made_again_after(delete, store, "was deleted")

    def test_a_destroyed_secret_is_missing_and_can_be_made_again(self, store: Store, destroy: Delete) -> None:
        self._made_again_after(destroy, store, "was deleted")

    def test_what_was_deleted_meanwhile_is_not_replaced(self, store: Store, delete: Delete) -> None:
        self._stays_ended(delete, store)

    def test_what_was_destroyed_meanwhile_is_not_replaced(self, store: Store, destroy: Delete) -> None:
        self._stays_ended(destroy, store)

    def _stays_ended(self, end: Delete, store: Store) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        end(self.PATH, first)
        with pytest.raises(Conflict) as caught:
            store.write(self.PATH, Secret("two"), expect=first)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        with pytest.raises(NotFound):
            store.read(self.PATH)

    def _made_again_after(self, end: Delete, store: Store, said: str) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        end(self.PATH, first)
        for version in (None, first):
            with pytest.raises(NotFound, match=said) as caught:
                store.read(self.PATH, version)
            assert_tells(caught.value, self.PATH, Exit.FAILED)
        second = store.write(self.PATH, Secret("two"), expect=None)
        assert second != first
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


class RetiringContract(VersionedContract):
    """For a store that is `Retiring` too."""

    def test_a_disabled_version_is_missing_until_it_is_enabled(self, store: Any) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        second = store.write(self.PATH, Secret("two"), expect=first)
        store.disable(self.PATH, first)
        store.disable(self.PATH, first)  # again changes nothing
        with pytest.raises(NotFound) as caught:
            store.read(self.PATH, first)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        assert whole(store, self.PATH) == "two"
        store.enable(self.PATH, first)
        assert [whole(store, self.PATH, version) for version in (first, second)] == ["one", "two"]

    def test_a_destroyed_version_never_comes_back(self, store: Any) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        store.write(self.PATH, Secret("two"), expect=first)
        store.destroy(self.PATH, first)
        store.destroy(self.PATH, first)
        with pytest.raises(NotFound):
            store.read(self.PATH, first)
        assert whole(store, self.PATH) == "two"

    def test_what_is_not_there_is_not_retired(self, store: Any) -> None:
        store.write(self.TREE[0], Secret("one"), expect=None)
        for ask in (store.disable, store.enable, store.destroy):
            with pytest.raises(NotFound) as caught:
                ask(self.PATH, "1")
            assert_tells(caught.value, self.PATH, Exit.FAILED)


class DeletingContract(WriteContract):
    """For a store that is `Deleting` too."""

    def test_what_is_taken_away_is_missing_and_can_be_made_again(self, store: Any) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        second = store.write(self.PATH, Secret("two"), expect=first)
        other = store.write(self.TREE[0], Secret("other"), expect=None)
        store.delete(self.PATH, expect=second)
        self._missing(store)
        third = store.write(self.PATH, Secret("three"), expect=None)
        assert (whole(store, self.PATH), store.read(self.PATH).version) == ("three", third)
        store.delete(self.PATH, expect=third)
        self._missing(store)
        assert (whole(store, self.TREE[0]), store.read(self.TREE[0]).version) == ("other", other)

    def test_what_is_not_there_is_not_taken_away(self, store: Any) -> None:
        other = store.write(self.TREE[0], Secret("one"), expect=None)
        with pytest.raises(NotFound) as caught:
            store.delete(self.PATH, expect=other)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        store.delete(self.TREE[0], expect=other)
        with pytest.raises(NotFound) as caught:
            store.delete(self.TREE[0], expect=other)
        assert_tells(caught.value, self.TREE[0], Exit.FAILED)

    def test_another_version_is_not_taken_away(self, store: Any) -> None:
        stale = store.write(self.PATH, Secret("one"), expect=None)
        store.write(self.PATH, Secret(CANARY), expect=stale)
        for expect in (stale, "no-version"):
            with pytest.raises(Conflict) as caught:
                store.delete(self.PATH, expect=expect)
            assert_tells(caught.value, self.PATH, Exit.FAILED)
        assert whole(store, self.PATH) == CANARY

    def test_an_illegal_path_is_not_taken_away(self, store: Any) -> None:
        version = store.write(self.PATH, Secret("one"), expect=None)
        for path in self.ILLEGAL:
            with pytest.raises(IllegalName):
                store.delete(path, expect=version)
        assert whole(store, self.PATH) == "one"

    def test_it_is_taken_away_at_once_by_many(self, store: Any) -> None:
        expect = store.write(self.PATH, Secret("one"), expect=None)
        results = at_once(*[partial(store.delete, self.PATH, expect=expect)] * 4)
        assert None in results
        assert all(result is None or isinstance(result, NotFound | Conflict) for result in results)
        self._missing(store)

    def _missing(self, store: Store) -> None:
        with pytest.raises(NotFound) as caught:
            store.read(self.PATH)
        assert_tells(caught.value, self.PATH, Exit.FAILED)
        if hasattr(store, "entries"):
            assert self.PATH not in [entry.path for entry in store.entries("") if entry.state != "deleted"]


class ComparedDeletingContract(DeletingContract):
    """For one that deletes by check-and-set: nothing that is written meanwhile is lost."""

    def test_what_is_written_at_once_is_not_taken_away(self, store: Any) -> None:
        for _ in range(3):
            expect = store.write(self.PATH, Secret("one"), expect=None)
            store.ping()
            deleted, *written = at_once(
                partial(store.delete, self.PATH, expect=expect),
                *(partial(store.write, self.PATH, Secret(value), expect=expect) for value in "abc"),
            )
            won = [value for value, result in zip("abc", written, strict=True) if isinstance(result, str)]
            assert all(isinstance(result, str | Conflict) for result in written)
            assert deleted is None or isinstance(deleted, Conflict | NotFound)
            if won:
                assert [whole(store, self.PATH)] == won
                store.delete(self.PATH, expect=store.read(self.PATH).version)
            else:
                assert deleted is None
            self._missing(store)


def at_once(*asks: Callable[[], object]) -> list[object]:
    """What each returns, or the StoreError that it raises; all begin together."""
    start = threading.Barrier(len(asks))

    def ask(which: Callable[[], object]) -> object:
        start.wait(timeout=10)
        try:
            return which()
        except StoreError as err:
            return err

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


class DeniedContract:
    """For a store that refuses: `denied` is the store for somebody who may do nothing, `store` for who may."""

    PATH = ReadContract.PATH

    def test_a_refusal_is_not_a_missing_secret(self, store: Store, denied: Store) -> None:
        version = store.write(self.PATH, Secret(CANARY), expect=None)
        asks: tuple[Callable[[], object], ...] = (
            lambda: denied.read(self.PATH),
            lambda: denied.write(self.PATH, Secret(CANARY), expect=version),
            lambda: list(denied.names("")),
        )
        if hasattr(denied, "delete"):
            asks = (*asks, lambda: denied.delete(self.PATH, expect=version))
        for ask in asks:
            with pytest.raises(Denied) as caught:
                ask()
            assert caught.value.hint
            assert caught.value.exit_code == Exit.STORE
            assert "team" in caught.value.message
        assert store.read(self.PATH).version == version


def variables_of(found: AirflowBackend) -> dict[str, Credential]:
    """The variables from which Airflow 3.2 and later take what may not stand in airflow.cfg."""
    named = {
        found.variables.get(name, f"AIRFLOW__SECRETS__BACKEND_KWARG__{name.upper()}"): credential
        for name, credential in found.secret_kwargs.items()
    }
    return {**found.environment, **named}
