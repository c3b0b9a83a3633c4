"""Whose a registered connection or variable is: what may be deleted, what somebody else changed, what a killed run left."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, Exit, IllegalName, Malformed, Unavailable
from bootstrap.register.plan import Plan, Unsafe
from bootstrap.register.plan_text import lines
from bootstrap.stores.base import Fields, Version
from tests.register.test_plan import CANARY, INDEX, MemoryStore, planned

ABCD = "".join(f"  {name}: {{conn_type: http, host: {name}.internal}}\n" for name in "abcd")
ABC = "".join(ABCD.splitlines(keepends=True)[:3])
AT = "airflow/connections/"


@pytest.fixture
def team() -> MemoryStore:
    return MemoryStore()


def done(found: Plan, *, force: bool = False) -> dict[str, str]:
    return {str(item.key): item.done for item in found.apply(force=force)}


def apply(folder: Path, team: MemoryStore, connections: str, **asked: Any) -> dict[str, str]:
    return done(planned(folder, team, connections, **asked)[0])


def owners(team: MemoryStore) -> dict[str, list[str]]:
    """The owner of each, and the version in its mark."""
    found: dict[str, list[str]] = json.loads(team.versions[INDEX][-1])["connections"]
    return {name: [owner, mark.partition(".")[0]] for name, (owner, mark) in found.items()}


# Deleting


def test_nothing_is_deleted_unasked(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD)
    assert apply(tmp_path, team, ABC) == {"a": "unchanged", "b": "unchanged", "c": "unchanged"}
    assert f"{AT}d" in team.versions


def test_pruning_deletes_what_was_registered_and_nothing_else(tmp_path: Path, team: MemoryStore) -> None:
    team.versions[f"{AT}theirs"] = [{"conn_type": "http"}]
    apply(tmp_path, team, ABCD)
    found, manifest = planned(tmp_path, team, ABC, prune=True)
    assert list(lines(found, manifest))[3:] == ["- d  delete", "backend: 1 to delete"]
    assert done(found)["d"] == "deleted"
    assert sorted(team.versions) == [f"{AT}a", INDEX, f"{AT}b", f"{AT}c", f"{AT}theirs"]
    assert sorted(owners(team)) == ["a", "b", "c"]
    assert planned(tmp_path, team, ABC, prune=True)[0].pending == ()


def test_what_was_there_before_never_becomes_ours(tmp_path: Path, team: MemoryStore) -> None:
    team.versions[f"{AT}d"] = [{"conn_type": "http", "host": "d.internal"}]
    assert apply(tmp_path, team, ABCD)["d"] == "unchanged"
    assert planned(tmp_path, team, ABC, prune=True)[0].pending == ()


def test_what_was_there_before_is_taken_over_if_asked(tmp_path: Path, team: MemoryStore) -> None:
    team.versions[f"{AT}d"] = [{"conn_type": "http", "host": "d.internal"}]
    assert apply(tmp_path, team, ABCD, overwrite=True)["d"] == "unchanged"
    assert owners(team)["d"][1] == "1"
    assert len(team.versions[f"{AT}d"]) == 1


def test_a_connection_whose_secret_is_missing_is_not_deleted(
    tmp_path: Path, team: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_P", CANARY)
    needs = '  d: {conn_type: http, password: {secret: "ci:P"}}\n'
    apply(tmp_path, team, ABC + needs)
    monkeypatch.delenv("TEST_P")
    found, _ = planned(tmp_path, team, ABC + needs, prune=True)
    assert found.pending == ()
    with pytest.raises(Unsafe, match="connection d"):
        done(found)


def test_more_than_a_third_is_deleted_by_force_only(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD)
    two = "".join(ABCD.splitlines(keepends=True)[:2])
    found, _ = planned(tmp_path, team, two, prune=True)
    with pytest.raises(Unsafe, match="2 of the 4 connections that were registered would be deleted") as caught:
        done(found)
    assert "--force" in caught.value.hint
    assert f"{AT}d" in team.versions
    assert done(found, force=True)["d"] == "deleted"


def test_a_third_of_the_variables_is_counted_on_its_own(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD + "variables: {x: '1', y: '2'}\n")
    found, _ = planned(tmp_path, team, ABCD + "variables: {x: '1'}\n", prune=True)
    with pytest.raises(Unsafe, match="1 of the 2 variables"):
        done(found)


def test_each_owner_deletes_its_own(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD)
    other = "  e: {conn_type: http}\nowner: other\n"
    assert apply(tmp_path, team, other, prune=True) == {"e": "created"}
    assert owners(team)["e"][0] == "other"
    assert "e" not in {str(key) for key in planned(tmp_path, team, ABCD, prune=True)[0].owned}


def test_what_somebody_changed_is_not_deleted(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD)
    team.versions[f"{AT}d"].append({"conn_type": "http", "host": "theirs"})
    found, _ = planned(tmp_path, team, ABC, prune=True)
    assert [str(key) for key in found.conflicts] == ["d"]
    assert apply(tmp_path, team, ABC, prune=True, overwrite=True)["d"] == "deleted"


def test_what_somebody_changes_after_the_plan_is_not_deleted(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABCD)
    found, _ = planned(tmp_path, team, ABC, prune=True)
    team.versions[f"{AT}d"].append({"conn_type": "http", "host": "theirs"})
    errors = {str(item.key): item.error for item in found.apply()}
    assert isinstance(errors["d"], Conflict)
    assert "d" in owners(team)


# Conflicts


def test_what_somebody_changed_is_a_conflict(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABC)
    team.versions[f"{AT}b"].append({"conn_type": "http", "password": CANARY})
    found, manifest = planned(tmp_path, team, ABC)
    assert list(lines(found, manifest)) == [
        "= a  unchanged",
        "= c  unchanged",
        "! b  conflict",
        "backend: 1 in conflict",
    ]
    with pytest.raises(Unsafe, match="team:airflow/connections/b: somebody else changed b since") as caught:
        done(found)
    assert (caught.value.exit_code, "--overwrite" in caught.value.hint) == (Exit.FAILED, True)
    assert CANARY not in str(caught.value)
    assert apply(tmp_path, team, ABC, overwrite=True)["b"] == "updated"
    assert planned(tmp_path, team, ABC)[0].problems == ()


def test_what_somebody_broke_is_mended(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABC)
    team.versions[f"{AT}b"].append({"conn_type": "http", "conn_id": "b"})
    assert apply(tmp_path, team, ABC)["b"] == "updated"


def test_what_was_refused_does_not_become_ours(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABC)
    found, _ = planned(tmp_path, team, ABCD.replace("c.internal", "new"))
    team.versions[f"{AT}d"] = [{"conn_type": "theirs"}]  # meanwhile
    team.denied.add(f"{AT}c")
    assert done(found) == {"a": "unchanged", "b": "unchanged", "c": "failed", "d": "failed"}
    assert owners(team) == {name: ["default", "1"] for name in "abc"}
    assert planned(tmp_path, team, ABC, prune=True)[0].pending == ()


def test_the_same_written_again_by_somebody_is_no_conflict(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABC)
    team.versions[f"{AT}b"].append(dict(team.versions[f"{AT}b"][-1]))
    assert apply(tmp_path, team, ABC)["b"] == "unchanged"
    assert owners(team)["b"] == ["default", "2"]
    changed = ABC.replace("b.internal", "new.internal")
    assert apply(tmp_path, team, changed)["b"] == "updated"


def test_what_was_there_before_is_updated(tmp_path: Path, team: MemoryStore) -> None:
    team.versions[f"{AT}a"] = [{"conn_type": "postgres"}]
    assert apply(tmp_path, team, ABC)["a"] == "updated"
    assert owners(team)["a"] == ["default", "2"]


def test_what_another_manifest_registered_is_a_conflict_if_it_differs(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, ABC)
    assert apply(tmp_path, team, ABC + "owner: other\n")["a"] == "unchanged"
    assert owners(team)["a"][0] == "default"
    found, _ = planned(tmp_path, team, ABC.replace("a.internal", "x") + "owner: other\n")
    assert [item.message for item in found.problems] == [
        "team:airflow/connections/a: a was registered by 'default' and differs"
    ]
    apply(tmp_path, team, ABC.replace("a.internal", "x") + "owner: other\n", overwrite=True)
    assert owners(team)["a"][0] == "other"


# Killed runs, and two at once


class Killed(BaseException):
    """As if the process were gone."""


class DyingStore(MemoryStore):
    """Whoever writes to it dies, after `left` times."""

    left = 1_000

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        if not self.left:
            raise Killed
        self.left -= 1
        return super().write(path, value, expect=expect)


@pytest.mark.parametrize("moment", range(6))
def test_the_next_run_ends_what_a_killed_one_began(tmp_path: Path, moment: int) -> None:
    """Killed before each write in turn: of the list, of b, c, d, of the list again."""
    team = DyingStore()
    apply(tmp_path, team, ABCD)
    changed = ABCD.replace(".internal", ".new").replace("a.new", "a.internal")
    found, _ = planned(tmp_path, team, changed)
    team.left = moment
    with pytest.raises(Killed) if moment < 5 else nullcontext():
        done(found)
    team.left = 1_000
    again = changed.replace(".new", ".newer")  # the manifest, too, went on
    assert planned(tmp_path, team, again)[0].conflicts == {}
    apply(tmp_path, team, again)
    final, _ = planned(tmp_path, team, again, prune=True)
    assert (final.pending, final.problems, any(it.mark for it in final.changes)) == ((), (), False)
    assert {name: team.versions[f"{AT}{name}"][-1]["host"] for name in "abcd"} == {
        "a": "a.internal",
        **{name: f"{name}.newer" for name in "bcd"},
    }


def test_a_second_run_that_began_meanwhile_stops_this_one(tmp_path: Path, team: MemoryStore) -> None:
    first, _ = planned(tmp_path, team, ABC)
    second, _ = planned(tmp_path, team, ABCD)
    done(second)
    before = {path: len(versions) for path, versions in team.versions.items()}
    with pytest.raises(Conflict, match="another run registers there; nothing was written"):
        done(first)
    assert {path: len(versions) for path, versions in team.versions.items()} == before
    assert planned(tmp_path, team, ABCD)[0].pending == ()


def test_who_was_refused_leaves_the_winner_its_entry(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, "  z: {conn_type: http}\n")
    first = planned(tmp_path, team, ABC)[0]
    losing = first.apply()
    original = team.write

    def later(path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        if path == f"{AT}a":  # the winner creates it now, and lists it
            team.write = original  # type: ignore[method-assign]  # once
            original(path, {"conn_type": "theirs"}, expect=None)
            index = json.loads(team.versions[INDEX][-1])
            index["connections"]["a"] = ["winner", "1.x"]
            original(INDEX, Secret(json.dumps(index)), expect=str(len(team.versions[INDEX])))
        return original(path, value, expect=expect)

    team.write = later  # type: ignore[method-assign]  # what another process does meanwhile
    assert {str(item.key): item.done for item in losing}["a"] == "failed"
    assert owners(team)["a"] == ["winner", "1"]
    assert owners(team)["b"] == ["default", "1"]


def test_what_somebody_deleted_and_made_anew_is_theirs(tmp_path: Path, team: MemoryStore) -> None:
    """It begins again with the first version."""
    apply(tmp_path, team, ABCD)
    team.versions[f"{AT}d"] = [{"conn_type": "theirs"}]
    assert [str(key) for key in planned(tmp_path, team, ABC, prune=True)[0].conflicts] == ["d"]
    assert [str(key) for key in planned(tmp_path, team, ABCD)[0].conflicts] == ["d"]


def test_what_a_killed_run_did_not_write_is_whose_it_was(tmp_path: Path) -> None:
    team = DyingStore()
    apply(tmp_path, team, ABC)
    changed = ABC.replace("a.internal", "new") + "owner: other\n"
    found, _ = planned(tmp_path, team, changed, overwrite=True)
    team.left = 1  # the list, and no more
    with pytest.raises(Killed):
        done(found)
    team.left = 1_000
    again, _ = planned(tmp_path, team, ABC)
    assert [it.mark for it in again.changes] == [True, False, False]
    done(again)
    assert owners(team)["a"] == ["default", "1"]
    assert [str(key) for key in planned(tmp_path, team, changed)[0].conflicts] == ["a"]


def test_what_a_killed_run_may_have_written_is_not_deleted_unasked(tmp_path: Path) -> None:
    team = DyingStore()
    apply(tmp_path, team, ABC)
    found, _ = planned(tmp_path, team, ABCD)
    team.left = 1
    with pytest.raises(Killed):
        done(found)
    team.left = 1_000
    team.versions[f"{AT}d"] = [{"conn_type": "theirs"}]
    assert [str(key) for key in planned(tmp_path, team, ABC, prune=True)[0].conflicts] == ["d"]


def test_what_was_not_tried_is_not_listed(tmp_path: Path, team: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(tmp_path, team, ABC)
    found, _ = planned(tmp_path, team, ABCD.replace("a.internal", "new"))

    def gone(path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        if path.endswith(("/a", "/d")):
            raise Unavailable(f"team:{path}: gone")
        return MemoryStore.write(team, path, value, expect=expect)

    found.target._concurrency = 1  # type: ignore[attr-defined]  # one after the other
    monkeypatch.setattr(team, "write", gone)
    assert done(found) == {"a": "failed", "b": "unchanged", "c": "unchanged", "d": "failed"}
    assert set(json.loads(team.versions[INDEX][-1])["connections"]) == {"a", "b", "c"}


def test_one_secret_for_two_is_refused(tmp_path: Path, team: MemoryStore) -> None:
    with pytest.raises(IllegalName, match="a and variable a would be the same secret"):
        planned(tmp_path, team, ABC + "variables: {a: x}\n", below="airflow/connections")


def test_a_source_is_not_written_over(tmp_path: Path, team: MemoryStore) -> None:
    team.versions[f"{AT}a"] = [{"pw": CANARY}]
    text = '  a: {conn_type: http, password: {secret: "team:airflow/connections/a#pw"}}\n'
    found, _ = planned(tmp_path, team, text)
    with pytest.raises(Unsafe, match="is where a is registered, and would be overwritten"):
        done(found)
    assert team.versions[f"{AT}a"] == [{"pw": CANARY}]


def test_what_others_list_meanwhile_stays(tmp_path: Path, team: MemoryStore) -> None:
    found, _ = planned(tmp_path, team, ABC)
    applying = found.apply()
    next(applying)
    index = json.loads(team.versions[INDEX][-1])
    index["connections"]["e"] = ["other", "7"]
    team.versions[INDEX].append(json.dumps(index))
    list(applying)
    assert owners(team) == {"a": ["default", "1"], "b": ["default", "1"], "c": ["default", "1"], "e": ["other", "7"]}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"salt": "x"}', '{"salt": "x", "connections": {"a": 1}, "variables": {}}']
)
def test_a_damaged_list_is_told_of(tmp_path: Path, team: MemoryStore, text: str) -> None:
    apply(tmp_path, team, ABC)
    team.versions[INDEX].append(text)
    with pytest.raises(Malformed, match="the list of what airflow-bootstrap registered there is damaged"):
        planned(tmp_path, team, ABC)
    del team.versions[INDEX]
    assert planned(tmp_path, team, ABC)[0].pending == ()


def test_a_list_that_is_too_long_is_told_of_and_nothing_is_written(
    tmp_path: Path, team: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        if isinstance(value, Secret) and len(value.reveal()) > 100:
            raise Malformed(f"team:{path}: the value has more than 100 bytes")
        return MemoryStore.write(team, path, value, expect=expect)

    monkeypatch.setattr(team, "write", small)
    with pytest.raises(Malformed, match="the list of 3 names is longer than a secret of this store may be"):
        apply(tmp_path, team, ABC)
    assert team.versions == {}


def test_the_list_holds_no_value(tmp_path: Path, team: MemoryStore) -> None:
    apply(tmp_path, team, f"  a: {{conn_type: http, login: {CANARY}}}\n")
    assert CANARY not in "".join(team.versions[INDEX])
