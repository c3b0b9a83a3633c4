"""Rotations that are killed before and after everything that they do, and taken up again."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bootstrap.errors import BootstrapError, Busy, Conflict, IssuerDenied, IssuerUnavailable, Unavailable
from bootstrap.issuers.base import KeyInfo
from bootstrap.rotation import engine, journal, steps
from bootstrap.rotation.rotatable import InUse, Proof, Refused
from bootstrap.rotation.status import Unfinished
from tests.rotation.model import (
    CANDIDATE,
    JOURNAL,
    PATH,
    Issuer,
    World,
    built,
    killed,
    new_key,
    on_its_way_back,
    opened,
    require_over,
)

CRASHES = [(number, when) for number in range(40) for when in ("before", "after", "unanswered")]
LONGEST = 20  # effects of a rotation, at least


def effects_of(act: Callable[[World], Any]) -> int:
    world = built()
    act(world)
    return world.effects


def test_a_rotation_ends_with_the_new_key_alone() -> None:
    world = built()
    opened(world).rotate()
    require_over(world, new_key(world))
    last = world.document.history[-1]
    assert last.outcome == "rotated"
    assert set(last.proofs) == {"verify", "verify_live", "verify_disabled"}
    assert world.secrets[PATH][0] is None, "the old version is destroyed"


@pytest.mark.parametrize(("number", "when"), CRASHES)
def test_whatever_kills_it_it_is_resumed(number: int, when: str) -> None:
    world = built()
    if not killed(world, opened(world).rotate, number, when):
        assert number >= world.effects >= LONGEST
    if world.document.rotation is None and "first" in world.keys:  # killed before anything was begun
        opened(world).rotate()
    opened(world).resume()
    require_over(world, new_key(world))


@pytest.mark.parametrize(("number", "when"), CRASHES)
def test_whatever_kills_it_it_is_rolled_back(number: int, when: str) -> None:
    world = built()
    killed(world, opened(world).rotate, number, when)
    rotation = world.document.rotation
    if rotation is None or rotation.step in engine.GONE:
        return
    opened(world).roll_back()
    require_over(world, "first")


@pytest.mark.parametrize("back", [False, True])
def test_two_crashes_one_after_the_other(back: bool) -> None:  # noqa: FBT001  a parameter
    tried = 0
    for first in CRASHES:
        for second in CRASHES:
            world = built()
            if not killed(world, opened(world).rotate, *first):
                break
            rotation = world.document.rotation
            if rotation is None or (back and rotation.step in engine.GONE):
                break
            again = opened(world).roll_back if back else opened(world).resume
            if not killed(world, again, *second):
                break
            tried += 1
            turned = on_its_way_back(world)
            opened(world).resume()
            require_over(world, "first" if turned else new_key(world))
    print(f"{tried} pairs of crashes tried")  # noqa: T201  for evidence
    assert tried > 500


def test_both_keys_work_until_the_grace_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    world, hour = built(), timedelta(hours=1)
    assert opened(world, grace=hour).rotate().state == "grace"
    assert {info.state for info in world.keys.values()} == {"enabled"}
    with pytest.raises(Unfinished, match="old one works until"):
        opened(world, grace=hour).rotate()
    assert opened(world, grace=hour).resume().state == "grace"
    later = datetime.now(timezone.utc) + 2 * hour
    monkeypatch.setattr(steps, "now", lambda: later)  # nobody waits for an hour
    assert opened(world, grace=hour).resume().state == "over"
    require_over(world, new_key(world))


def test_a_key_in_its_grace_goes_back_and_forth() -> None:
    world, hour = built(), timedelta(hours=1)
    opened(world, grace=hour).rotate()
    new = new_key(world)
    opened(world, grace=hour).roll_back()
    assert world.values[world.resolved] == "first"
    opened(world, grace=hour).roll_back()
    assert world.values[world.resolved] == new
    opened(world).resume()
    require_over(world, new)


@pytest.mark.parametrize("cause", ["auth", "permission", "secret_malformed"])
def test_a_candidate_that_fails_changes_nothing(cause: str) -> None:
    world = built(proofs=[Proof("refused", (), cause, "no")])
    with pytest.raises(Refused, match="the one in use is untouched"):
        opened(world).rotate()
    require_over(world, "first")
    assert world.versions == 1
    assert world.document.history[-1].outcome == "abandoned"


def test_an_outage_is_not_the_candidates_fault() -> None:
    world = built(proofs=[Proof("undecided", (), "dns", "no such host")])
    with pytest.raises(Refused, match="could not be proven"):
        opened(world).rotate()
    rotation = world.document.rotation
    assert rotation is not None
    assert rotation.step == "verify"
    assert "no such host" in rotation.failure
    with pytest.raises(Unfinished, match="stopped at `verify`"):
        opened(world).rotate()
    opened(world).resume()
    require_over(world, new_key(world))


def test_a_key_that_fails_in_use_gives_way_to_the_old_one() -> None:
    world = built(lives=[Proof("refused", (), "permission", "no")])
    with pytest.raises(Refused, match="fails in use"):
        opened(world).rotate()
    require_over(world, "first")
    assert world.document.history[-1].outcome == "rolled back"
    assert "fails in use" in world.document.history[-1].failure


def test_what_fails_without_the_old_key_brings_it_back() -> None:
    good, bad = Proof("passed", ("a",)), Proof("refused", (), "auth", "no")
    world = built(lives=[good, bad])
    with pytest.raises(Refused, match="since the old key is disabled"):
        opened(world).rotate()
    assert world.keys["first"].state == "enabled"
    assert world.document.rotation is not None
    assert world.document.rotation.step == "grace"


def test_an_old_key_in_use_is_left_alone() -> None:
    world, hour = built(), timedelta(hours=1)
    opened(world, grace=hour).rotate()
    world.keys["first"] = KeyInfo("first", "enabled", sessions=2)
    with pytest.raises(InUse, match="2 session"):
        opened(world).resume()
    assert world.keys["first"].state == "enabled"
    opened(world, answer=True).resume()
    require_over(world, new_key(world))


def test_despite_use() -> None:
    world, hour = built(), timedelta(hours=1)
    opened(world, grace=hour).rotate()
    world.keys["first"] = KeyInfo("first", "enabled", last_used=datetime.now(timezone.utc) + hour)
    with pytest.raises(InUse):
        opened(world).resume()
    opened(world, despite_use=True).resume()
    require_over(world, new_key(world))


def test_nothing_is_written_over_somebody_elses_key() -> None:
    world = built(proofs=[Proof("undecided", (), "dns", "no")])
    with pytest.raises(Refused):
        opened(world).rotate()
    world.keys["theirs"] = KeyInfo("theirs", "enabled")
    world.foreign.add("theirs")
    world.values["their-value"] = "theirs"
    world.secrets[PATH].append("their-value")
    world.resolved = "their-value"
    with pytest.raises(Conflict, match="somebody else changed"):
        opened(world).resume()
    assert world.text(PATH) == "their-value"
    opened(world).roll_back()
    assert world.text(PATH) == "their-value"
    assert set(world.keys) == {"first", "theirs"}


def test_what_somebody_has_put_right_is_given_up() -> None:
    world, hour = built(), timedelta(hours=1)
    opened(world, grace=hour).rotate()
    world.keys["theirs"] = KeyInfo("theirs", "enabled")
    world.foreign.add("theirs")
    world.values["their-value"] = "theirs"
    world.secrets[PATH].append("their-value")
    world.resolved = "their-value"
    with pytest.raises(Conflict, match="somebody else changed"):
        opened(world).resume()
    opened(world).give_up()
    assert world.document.rotation is None
    assert not world.text(CANDIDATE)
    assert len(world.keys) == 3


def test_a_store_that_is_down_stops_it_and_it_goes_on() -> None:
    for number in range(LONGEST):
        world = built()
        if not killed(world, opened(world).rotate, number, "after"):
            break
        world.store_down = True
        with pytest.raises(Unavailable):
            opened(world).resume()
        world.store_down = False
        if world.document.rotation is not None:
            opened(world).resume()
            require_over(world, new_key(world))


def test_an_issuer_that_is_down_stops_it_and_it_goes_on() -> None:
    for number in range(LONGEST):
        world = built()
        if not killed(world, opened(world).rotate, number, "after"):
            break
        if world.document.rotation is None:
            continue
        world.issuer_down = True
        try:
            opened(world).resume()
        except IssuerUnavailable:
            world.issuer_down = False
            opened(world).resume()
        require_over(world, new_key(world))


def test_a_limit_leaves_everything_as_it_was() -> None:
    world = built(limit=1)
    with pytest.raises(IssuerDenied, match="too many keys"):
        opened(world).rotate()
    require_over(world, "first")


def test_of_two_at_a_time_one_is_told() -> None:
    world = built()
    first, second = opened(world), opened(world)
    first.journal.holder = journal.here()
    with first._taken(), pytest.raises(Busy, match="rotates this key right now"):
        second.rotate()


def test_who_was_taken_over_stops() -> None:
    world = built()
    first, second = opened(world), opened(world)
    with first._taken():
        second.rotate()
        with pytest.raises(Conflict, match="another run"):
            first.journal.put(first._begun())
    require_over(world, new_key(world))


def test_a_key_of_somebody_elses_is_not_taken_away() -> None:
    world = built(foreign={"theirs"})
    world.keys["theirs"] = KeyInfo("theirs", "enabled")
    opened(world).rotate()
    assert "theirs" in world.keys


def test_the_journal_holds_no_key() -> None:
    world = built()
    opened(world, grace=timedelta(hours=1)).rotate()
    text = json.dumps(world.secrets[JOURNAL])
    assert not any(value in text for value in world.values)


def test_a_journal_that_nobody_understands_stops_everything() -> None:
    world = built()
    world.secrets[JOURNAL] = ['{"version": 2}']
    with pytest.raises(BootstrapError, match="not a journal"):
        opened(world).rotate()
    assert set(world.keys) == {"first"}


def test_the_old_key_is_not_destroyed_if_somebody_put_it_back() -> None:
    good = Proof("passed", ("a",))
    world = built(lives=[good, Proof("undecided", (), "dns", "no")])
    with pytest.raises(Refused):
        opened(world).rotate()
    world.keys["first"] = KeyInfo("first", "enabled")
    world.secrets[PATH].append("first-value")
    world.resolved = "first-value"
    world.lives.append(good)
    with pytest.raises(Conflict, match="somebody else changed"):
        opened(world).resume()
    assert world.keys["first"].state == "enabled"


@pytest.mark.parametrize("act", ["resume", "roll_back"])
def test_the_key_in_use_is_never_taken_for_a_lost_one(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = built()
    assert killed(world, opened(world).rotate, 2, "before")
    assert world.document.rotation is not None
    monkeypatch.setattr(Issuer, "lost", lambda self, _: list(self.world.keys))  # as one with a fault would
    getattr(opened(world), act)()
    world.check()
    assert world.document.rotation is None


def test_whatever_kills_it_a_key_that_is_still_needed_comes_back() -> None:
    for number, when in CRASHES:
        world = built(needed="first")
        if not killed(world, opened(world).rotate, number, when):
            break
        for act in (opened(world).resume, opened(world).resume):
            if world.document.rotation is not None:
                with pytest.raises(Refused, match="since the old key is disabled"):
                    act()
        if world.document.rotation is not None:
            assert world.document.rotation.step == "grace"
        assert world.keys["first"].state == "enabled"
    assert number > 15


def test_who_resumes_a_rotation_that_came_to_nothing_is_told() -> None:
    bad = Proof("refused", (), "permission", "no")
    for verdict in ("proofs", "lives"):
        for number, when in CRASHES:
            world = built(**{verdict: [bad]})
            if not killed(world, opened(world).rotate, number, when):
                break
            if getattr(world, verdict) or world.document.rotation is None:  # it hasn't failed yet, or is over
                continue
            if on_its_way_back(world):
                with pytest.raises(Refused, match=r"fails .*permission: no"):
                    opened(world).resume()
                require_over(world, "first")
                assert "permission: no" in world.document.history[-1].failure


def test_what_stopped_a_rotation_is_kept_until_it_goes_on() -> None:
    world = built(proofs=[Proof("undecided", (), "dns", "no such host")])
    with pytest.raises(Refused):
        opened(world).rotate()
    assert world.document.rotation is not None
    failure = world.document.rotation.failure
    for _ in range(2):
        with pytest.raises(Unfinished, match="no such host"):
            opened(world).rotate()
        assert world.document.rotation.failure == failure


def test_many_failures_do_not_hide_the_last_rotation() -> None:
    world = built()
    opened(world).rotate()
    key, rotated = new_key(world), world.document.rotated
    for _ in range(journal.KEPT + 1):
        world.proofs.append(Proof("refused", (), "auth", "no"))
        with pytest.raises(Refused):
            opened(world).rotate()
    assert world.document.rotated == rotated
    assert key in world.document.keys
    assert len(world.document.history) == journal.KEPT


@pytest.mark.parametrize("other", ["resume", "roll_back"])
@pytest.mark.parametrize("act", ["rotate", "resume", "roll_back"])
@pytest.mark.parametrize("grace", [timedelta(0), timedelta(hours=1)])
def test_a_run_that_was_only_thought_dead_does_no_harm(act: str, other: str, grace: timedelta) -> None:
    """Such as that of a laptop that was asleep: another goes on at any moment, and then it wakes."""

    def taken_over(world: World) -> None:
        with contextlib.suppress(BootstrapError):
            getattr(opened(world, grace=grace), other)()

    for number in range(200):
        world = built()
        if act != "rotate":
            opened(world, grace=timedelta(hours=1)).rotate()
        sleeper, world.moments = opened(world), 0
        world.intruder = (number, functools.partial(taken_over, world))
        with contextlib.suppress(BootstrapError):
            getattr(sleeper, act)()
        world.check()
        if world.moments <= number:  # it was over before
            break
        opened(world).resume()
        opened(world).rotate()
        require_over(world, world.values[world.resolved])
    assert 10 < number < 199
