from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.secret import Secret
from bootstrap.errors import NotFound, Unavailable
from bootstrap.manifest.loader import load
from bootstrap.stores.base import Fields, Stored, Version, read_many


class Counting:
    """A store of nothing but names, which answers when `together` readers wait for it: what is tested is how it is asked."""

    writable = False
    separator = "/"

    def __init__(self, together: int = 1) -> None:
        self.asked: list[str] = []
        self.barrier = threading.Barrier(together)

    def read(self, path: str, version: Version | None = None) -> Stored:
        self.asked.append(path)
        if path.startswith("missing"):
            raise NotFound(f"team:{path}: there is no such secret", "put it")
        if path.startswith("down"):
            raise Unavailable("store team: can't reach the server", "start it")
        self.barrier.wait(timeout=10)
        return Stored(Secret(path), version or "1")

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        raise AssertionError((path, value, expect))

    def names(self, prefix: str) -> Iterator[str]:
        raise AssertionError(prefix)

    def ping(self) -> str:
        return "here"


def test_reads_go_in_parallel_and_answers_stay_in_place() -> None:
    store = Counting(together=8)
    places = [(f"path-{index}", None) for index in range(16)]
    found = read_many("team", store, places, 8)
    assert [item.value.unmasked() for item in found.values() if isinstance(item, Stored)] == [
        path for path, _ in places
    ]


def test_no_more_at_a_time_than_asked_for() -> None:
    store = Counting(together=3)
    store.barrier = threading.Barrier(3)
    active, most = [0], [0]
    lock = threading.Lock()

    class Watched(Counting):
        def read(self, path: str, version: Version | None = None) -> Stored:
            with lock:
                active[0] += 1
                most[0] = max(most[0], active[0])
            try:
                return super().read(path, version)
            finally:
                with lock:
                    active[0] -= 1

    read_many("team", Watched(together=3), [(f"path-{index}", None) for index in range(9)], 3)
    assert most[0] == 3


def test_a_place_is_read_once_and_versions_are_places() -> None:
    store = Counting()
    found = read_many("team", store, [("a", None), ("a", "1"), ("a", None)], 1)
    assert sorted(store.asked) == ["a", "a"]
    assert list(found) == [("a", None), ("a", "1")]


def test_a_missing_secret_stops_none_of_the_others() -> None:
    store = Counting()
    found = read_many("team", store, [("missing", None), ("a", None), ("b", None)], 1)
    assert isinstance(found["missing", None], NotFound)
    assert [isinstance(item, Stored) for item in found.values()] == [False, True, True]


def test_a_store_that_is_down_is_asked_once_and_not_for_each_secret() -> None:
    store = Counting()
    found = read_many("team", store, [(f"down-{index}", None) for index in range(50)], 2)
    assert len(store.asked) <= 2
    assert {type(item) for item in found.values()} == {Unavailable}
    last = found["down-49", None]
    assert isinstance(last, Unavailable)
    assert "team:down-49: not read" in last.message
    assert "can't reach the server" in last.message
    assert last.hint == "start it"


def test_what_a_manifest_references_many_times_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text(
        "version: 1\nstores: {team: {kind: env}}\nconnections:\n"
        + "".join(
            f'  c{index}: {{conn_type: http, password: {{secret: "team:A#value"}}, extra: {{k: {{secret: "team:B"}}}}}}\n'
            for index in range(20)
        )
    )
    manifest = load(tmp_path / "bootstrap.yaml")
    secrets = SecretReader(manifest, concurrency=2)
    store = Counting(together=2)  # the two are read at the same time, or never answered
    secrets._stores["team"] = store
    assert len(resolve_all(manifest, secrets, manifest.connections)) == 20
    assert sorted(store.asked) == ["A", "B"]
