"""A store, an issuer and an Airflow in memory, for the thousands of crashes that the tests of rotations try.

Each crash must be exact. The real ones are in test_rotate.py and in the issuers' own tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import BootstrapError, Conflict, IssuerDenied, IssuerUnavailable, NotFound, Unavailable
from bootstrap.issuers.base import Attempt, Key, KeyFields, KeyInfo
from bootstrap.manifest.key_place import candidate_path, journal_path
from bootstrap.rotation import journal
from bootstrap.rotation.candidate import Content
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.journal import Document, Holder, Journal
from bootstrap.rotation.rotatable import Proof, Voice
from bootstrap.stores.base import Fields, Stored, Version

PATH = "databases/warehouse"
JOURNAL, CANDIDATE = journal_path(PATH), candidate_path(PATH)
MACHINE = Holder(who="somebody@else", machine="", pid=1, started="", nonce="x")  # nobody can tell whether it lives


class Killed(BaseException):
    """kill -9: nothing of this process is done any more."""


@dataclass
class World:
    """A store, an issuer and an Airflow.

    `kill` is the effect, by its number, "before" or "after" which the process ends, or that is done and "unanswered". `needed`
    is a key that something of Airflow's can't do without. `intruder` is who comes in between, before the moment of that number.
    """

    secrets: dict[str, list[str | None]] = field(default_factory=dict)
    keys: dict[str, KeyInfo] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)  # key ids by their values
    resolved: str = ""
    effects: int = 0
    kill: tuple[int, str] | None = None
    dead: bool = False
    struck: bool = False
    needed: str = ""
    moments: int = 0
    intruder: tuple[int, Callable[[], None]] | None = None
    made: int = 0
    foreign: set[str] = field(default_factory=set)
    proofs: list[Proof] = field(default_factory=list)  # instead of what would be true
    lives: list[Proof] = field(default_factory=list)
    store_down: bool = False
    issuer_down: bool = False
    limit: int = 10
    between: Callable[[], None] | None = None

    def effect(self, act: Callable[[], Any], lost: BootstrapError) -> Any:
        """Do it, unless the process is killed before, and be killed after it if that is so. `lost`: its answer is."""
        if self.dead or self.kill == (self.effects, "before"):
            self.dead = self.struck = True
            raise Killed
        done = act()
        self.check()
        if self.between is not None:
            between, self.between = self.between, None
            between()
        if self.kill == (self.effects, "after"):
            self.dead = self.struck = True
            raise Killed
        self.effects += 1
        if self.kill == (self.effects - 1, "unanswered"):
            self.struck = True
            raise lost
        return done

    def moment(self) -> None:
        """Somebody else may come in between now."""
        number, self.moments = self.moments, self.moments + 1
        if self.intruder is not None and self.intruder[0] == number:
            (_, act), self.intruder = self.intruder, None
            act()

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
        self.world.moment()
        if self.world.store_down:
            raise Unavailable("down")
        found = self.world.secrets.get(path) or []
        number = int(version) if version else len(found)
        if not found or found[number - 1] is None:
            raise NotFound(path)
        return Stored(Secret(str(found[number - 1])), str(number))

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        assert isinstance(value, Secret)
        self.world.moment()
        return str(self.world.effect(lambda: self._write(path, value.unmasked(), expect), Unavailable("no answer")))

    def _write(self, path: str, text: str, expect: Version | None) -> int:
        if self.world.store_down:
            raise Unavailable("down")
        found = self.world.secrets.setdefault(path, [])
        current = str(len(found)) if found and found[-1] is not None else None
        if current != expect:
            raise Conflict(path)
        found.append(text)
        return len(found)

    def disable(self, path: str, version: Version) -> None:
        raise AssertionError((path, version))  # a rotation takes no version out of use for a while

    def enable(self, path: str, version: Version) -> None:
        raise AssertionError((path, version))

    def destroy(self, path: str, version: Version) -> None:
        def act() -> None:
            self.world.secrets[path][int(version) - 1] = None

        self.world.effect(act, Unavailable("no answer"))

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
        return self.world.effect(act, IssuerUnavailable("no answer"))

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
        return self.world.values.get(fields["password"].unmasked())

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
        self.world.moment()
        return self.world.proofs.pop(0) if self.world.proofs else self._proof(candidate.text.unmasked())

    def publish(self) -> None:
        def act() -> None:
            self.world.resolved = self.world.text(PATH)

        self.world.effect(act, Unavailable("no answer"))

    def prove_live(self) -> Proof:
        self.world.moment()
        if self.world.lives:
            return self.world.lives.pop(0)
        if self.world.needed and self.world.keys[self.world.needed].state == "disabled":
            return Proof("refused", (), "auth", f"{self.world.needed} is needed")
        if self.world.resolved != self.world.text(PATH):
            return Proof("undecided", (), "drift", "Airflow finds another key")
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
    """Whether it came to that effect, and the process was killed there, or had no answer."""
    world.effects, world.kill, world.struck = 0, (number, when), False
    with contextlib.suppress(Killed, BootstrapError):
        act()
    world.kill = None
    return world.struck


def require_over(world: World, key: str) -> None:
    """Nothing is under way, this key is the only one, and nothing is left lying about."""
    world.dead = False
    world.check()
    assert world.document.rotation is None
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
