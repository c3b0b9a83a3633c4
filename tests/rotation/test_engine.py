"""Rotations that are killed before and after everything that they do, and taken up again.

The store, the issuer and Airflow are played in memory: there are thousands of crashes to try, and each must be exact. The
real ones are in test_rotate.py and in the issuers' own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bootstrap.errors import BootstrapError, Busy, Conflict, IssuerDenied, IssuerUnavailable, NotFound, Unavailable
from bootstrap.rotation import engine, holder, journal, material, steps
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.holder import Holder
from bootstrap.rotation.issuers.base import Attempt, Key, KeyFields, KeyInfo
from bootstrap.rotation.journal import Document, Journal
from bootstrap.rotation.material import Content
from bootstrap.rotation.outcome import Unfinished
from bootstrap.rotation.subject import Proof, Voice
from bootstrap.rotation.work import InUse, Refused
from bootstrap.secret import Secret
from bootstrap.stores.base import Fields, Stored, Version

PATH = "databases/warehouse"
JOURNAL, CANDIDATE = journal.path_of(PATH), material.path_of(PATH)
MACHINE = Holder(who="somebody@else", machine="", pid=1, started="", nonce="x")  # nobody can tell whether it lives


class Killed(BaseException):
    """kill -9: nothing of this process is done any more."""


@dataclass
class World:
    """A store, an issuer and an Airflow. `kill` is the effect (by number, and whether it comes before or after) that ends a process."""

    secrets: dict[str, list[str | None]] = field(default_factory=dict)
    keys: dict[str, KeyInfo] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)  # key ids by their values
    resolved: str = ""
    effects: int = 0
    kill: tuple[int, str] | None = None
    dead: bool = False
    made: int = 0
    foreign: set[str] = field(default_factory=set)
    proofs: list[Proof] = field(default_factory=list)  # instead of what would be true
    lives: list[Proof] = field(default_factory=list)
    store_down: bool = False
    issuer_down: bool = False
    limit: int = 10
    between: Callable[[], None] | None = None

    def effect(self, act: Callable[[], Any]) -> Any:
        """Do it, unless the process is killed before, and be killed after it if that is so."""
        if self.dead or self.kill == (self.effects, "before"):
            self.dead = True
            raise Killed
        done = act()
        self.check()
        if self.kill == (self.effects, "after"):
            self.dead = True
            raise Killed
        self.effects += 1
        return done

    def check(self) -> None:
        """What must be true at every moment."""
        info = self.keys.get(self.values.get(self.resolved, ""))
        assert info is not None, "Airflow's key is gone"
        assert info.state == "enabled", "Airflow's key is disabled"
        document = self.document
        rotation = document.rotation  # one without a key looks for what was made in vain, by run and time
        if rotation is None or rotation.step not in {"issue", "abandon"} or rotation.new.key is not None:
            unknown = set(self.keys) - document.keys - {"first"} - self.foreign
            assert not unknown, f"nobody knows of {unknown}"
        assert not any(value in self.text(JOURNAL) for value in self.values)

    @property
    def document(self) -> Document:
        return (
            journal.parse(self.text(JOURNAL), "") if self.text(JOURNAL) else Document(place="", issuer="", account="")
        )

    def text(self, path: str) -> str:
        found = self.secrets.get(path)
        return (found[-1] or "") if found else ""

    @property
    def versions(self) -> int:
        return len(self.secrets[PATH])


@dataclass
class Store:
    """Versions of texts, with check-and-set, and no fields."""

    world: World
    writable = True
    separator = "/"

    def read(self, path: str, version: Version | None = None) -> Stored:
        if self.world.store_down:
            raise Unavailable("down")
        found = self.world.secrets.get(path) or []
        number = int(version) if version else len(found)
        if not found or found[number - 1] is None:
            raise NotFound(path)
        return Stored(Secret(str(found[number - 1])), str(number))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        assert isinstance(value, Secret)
        return str(self.world.effect(lambda: self._write(path, value.as_public(), expect)))

    def _write(self, path: str, text: str, expect: Version | None) -> int:
        if self.world.store_down:
            raise Unavailable("down")
        found = self.world.secrets.setdefault(path, [])
        current = str(len(found)) if found and found[-1] is not None else None
        if current != expect:
            raise Conflict(path)
        found.append(text)
        return len(found)

    def destroy(self, path: str, version: Version) -> None:
        def act() -> None:
            self.world.secrets[path][int(version) - 1] = None

        self.world.effect(act)

    def names(self, prefix: str) -> Iterator[str]:
        raise AssertionError(prefix)

    def ping(self) -> str:
        raise AssertionError


@dataclass
class Issuer:
    """Keys with states. What an attempt made is found by the run that is its mark."""

    world: World
    account: str = "me"

    def _act(self, act: Callable[[], Any]) -> Any:
        if self.world.issuer_down:
            raise IssuerUnavailable("down")
        return self.world.effect(act)

    def issue(self, attempt: Attempt) -> Key:
        if len(self.world.keys) >= self.world.limit:
            raise IssuerDenied("too many keys")

        def act() -> Key:
            self.world.made += 1
            key_id, value = f"{attempt.run}/{self.world.made}", f"value-{self.world.made}-of-a-key"
            self.world.keys[key_id] = KeyInfo(key_id, "enabled")
            self.world.values[value] = key_id
            return Key(key_id, {"password": Secret(value)})

        made: Key = self._act(act)
        return made

    def lost(self, attempt: Attempt) -> Sequence[str]:
        return [key for key in self.world.keys if key.startswith(f"{attempt.run}/") and key not in attempt.known]

    def keys(self) -> Sequence[KeyInfo]:
        if self.world.issuer_down:
            raise IssuerUnavailable("down")
        return list(self.world.keys.values())

    def identify(self, fields: KeyFields) -> str | None:
        return self.world.values.get(fields["password"].as_public())

    def disable(self, key_id: str) -> None:
        self._act(lambda: self._state(key_id, "disabled"))

    def enable(self, key_id: str) -> None:
        if key_id not in self.world.keys:
            raise IssuerDenied("gone")
        self._act(lambda: self._state(key_id, "enabled"))

    def destroy(self, key_id: str) -> None:
        self._act(lambda: self.world.keys.pop(key_id, None))

    def _state(self, key_id: str, state: Any) -> None:
        if key_id in self.world.keys:
            self.world.keys[key_id] = KeyInfo(key_id, state)


@dataclass
class Subject:
    """The secret is one value, which Airflow has a copy of."""

    world: World
    grace: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)
    name: str = "warehouse"
    store_name: str = "team"
    path: str = PATH
    issuer_name: str = "played"

    @property
    def store(self) -> Store:
        return Store(self.world)

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.world)

    def fields_of(self, stored: Stored) -> KeyFields:
        return {"password": stored.value}

    def filled(self, stored: Stored, fields: KeyFields) -> Content:  # noqa: ARG002  nothing else is in it
        return Content(fields["password"], fields=False)

    def require(self) -> None:
        """All is well."""

    def prove(self, candidate: Content) -> Proof:
        return self.world.proofs.pop(0) if self.world.proofs else self._proof(candidate.text.as_public())

    def publish(self) -> None:
        def act() -> None:
            self.world.resolved = self.world.text(PATH)

        self.world.effect(act)

    def prove_live(self) -> Proof:
        if self.world.lives:
            return self.world.lives.pop(0)
        assert self.world.resolved == self.world.text(PATH)
        return self._proof(self.world.resolved)

    def _proof(self, value: str) -> Proof:
        info = self.world.keys.get(self.world.values.get(value, ""))
        good = info is not None and info.state == "enabled"
        return Proof("passed", ("warehouse.postgres",)) if good else Proof("refused", (), "auth", "refused")

    def others(self) -> frozenset[str]:
        return frozenset(self.world.foreign)


def built(**changed: Any) -> World:
    world = World(
        secrets={PATH: ["first-value"]},
        keys={"first": KeyInfo("first", "enabled")},
        values={"first-value": "first"},
        resolved="first-value",
    )
    for name, value in changed.items():
        setattr(world, name, value)
    return world


def opened(world: World, *, grace: timedelta = timedelta(0), answer: bool = False, despite_use: bool = False) -> Engine:
    """A process of its own, on a machine of which nothing can be told; the one before it is taken for dead at once."""
    subject = Subject(world, grace=grace)
    new = Document(place=f"team:{PATH}", issuer="played", account="me")
    log = Journal(subject.store, "team", PATH, new, lease=0, holder=MACHINE, sleep=lambda _: None)
    world.dead = False
    return Engine(subject, log, Voice(lambda _: None, lambda _: answer), despite_use=despite_use)


def killed(world: World, act: Callable[[], Any], number: int, when: str) -> bool:
    """Whether the process was killed at this effect of its."""
    world.effects, world.kill = 0, (number, when)
    try:
        act()
    except Killed:
        return True
    except BootstrapError:
        return world.dead
    finally:
        world.kill = None
    return False


def require_over(world: World, key: str) -> None:
    """Nothing is under way, this key is the only one, and nothing is left lying about."""
    world.dead = False
    world.check()
    assert world.document.rotation is None
    assert world.document.holder is None
    assert set(world.keys) - world.foreign == {key}
    assert world.values[world.resolved] == key
    assert world.text(PATH) == world.resolved
    assert not world.text(CANDIDATE)


def new_key(world: World) -> str:
    return next(key for key in world.keys if key != "first" and key not in world.foreign)


def on_its_way_back(world: World) -> bool:
    """Whether it is on its way back, or back."""
    rotation = world.document.rotation
    if rotation is None:
        return world.document.history[-1].outcome != "rotated"
    return rotation.back or rotation.step == "abandon"


CRASHES = [(number, when) for number in range(40) for when in ("before", "after")]
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
    first.journal.holder = holder.here()
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
