"""Rotations in any order of runs, crashes, outages and other people: at every moment Airflow has a key that works.

What must be true at every moment is in model.World.check.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bootstrap.errors import BootstrapError, Busy, Conflict, UsageError
from bootstrap.issuers.base import KeyInfo
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.journal import here
from bootstrap.rotation.rotatable import Proof, Refused
from tests.rotation.model import CANDIDATE, Killed, World, built, opened, require_over

TRIED: Counter[str] = Counter()
ACTS = ("rotate", "resume", "roll_back")
crashes = st.tuples(st.integers(0, 22), st.sampled_from(["before", "after", "unanswered"]))
graces = st.sampled_from([timedelta(0), timedelta(hours=1)])
proofs = st.sampled_from(
    [Proof("refused", (), "permission", "no"), Proof("undecided", (), "dns", "no"), Proof("passed", ("a",))]
)


class Rotations(RuleBasedStateMachine):
    """One key, and all that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = built()

    def _run(self, act: str, grace: timedelta, crash: tuple[int, str] | None) -> None:
        engine = opened(self.world, grace=grace)
        self.world.effects, self.world.kill = 0, crash
        versions, before = self.world.versions, self.world.document
        try:
            getattr(engine, act)()
        except Killed:
            TRIED["crash points"] += 1
        except UsageError:
            assert act == "roll_back"
        except BootstrapError:
            TRIED["errors"] += 1
        finally:
            TRIED["lost answers"] += self.world.struck and not self.world.dead
            self.world.struck = False
            self.world.kill, self.world.dead = None, False
            self.world.proofs.clear()
            self.world.lives.clear()
        after = self.world.document
        if len(after.history) > len(before.history) and after.history[-1].outcome == "abandoned" and act == "rotate":
            assert self.world.versions == versions, "a candidate that failed has left a version"

    @rule(act=st.sampled_from(ACTS), grace=graces)
    def run(self, act: str, grace: timedelta) -> None:
        self._run(act, grace, None)

    @rule(act=st.sampled_from(ACTS), grace=graces, crash=crashes)
    def run_with_a_crash(self, act: str, grace: timedelta, crash: tuple[int, str]) -> None:
        self._run("rotate" if self.world.document.rotation is None else act, grace, crash)

    @rule(act=st.sampled_from(ACTS), verdict=proofs, live=st.booleans())
    def run_with_a_verdict(self, act: str, verdict: Proof, live: bool) -> None:  # noqa: FBT001  hypothesis's
        (self.world.lives if live else self.world.proofs).append(verdict)
        self._run(act, timedelta(0), None)

    @rule(act=st.sampled_from(ACTS), store=st.booleans())
    def run_in_an_outage(self, act: str, store: bool) -> None:  # noqa: FBT001  hypothesis's
        self.world.store_down, self.world.issuer_down = store, not store
        self._run(act, timedelta(0), None)
        self.world.store_down = self.world.issuer_down = False

    @rule(act=st.sampled_from(ACTS), number=st.integers(1, 18), during=st.booleans())
    def run_until_the_store_or_the_issuer_goes_down(self, act: str, number: int, during: bool) -> None:  # noqa: FBT001
        """After so many effects; who runs then sees it fail in the midst of its work."""
        self._after(number, lambda: setattr(self.world, "store_down" if during else "issuer_down", True))
        self._run(act, timedelta(0), None)
        self.world.between = None
        self.world.store_down = self.world.issuer_down = False

    @rule(act=st.sampled_from(ACTS), other=st.sampled_from(ACTS), number=st.integers(1, 18))
    def two_runs_at_a_time(self, act: str, other: str, number: int) -> None:
        engine = opened(self.world)
        engine.journal.holder = here()
        self._after(number, lambda: self._refused(other, engine))
        try:
            getattr(engine, act)()
        except BootstrapError:
            TRIED["errors"] += 1
        self.world.between = None

    @rule(act=st.sampled_from(ACTS), other=st.sampled_from(ACTS), number=st.integers(0, 60), grace=graces)
    def a_run_sleeps_while_another_goes_on(self, act: str, other: str, number: int, grace: timedelta) -> None:
        sleeper = opened(self.world)
        self.world.moments, self.world.intruder = 0, (number, lambda: self._taken_over(other, grace))
        with contextlib.suppress(BootstrapError):
            getattr(sleeper, act)()
        self.world.intruder = None

    def _taken_over(self, act: str, grace: timedelta) -> None:
        TRIED["runs taken over"] += 1
        with contextlib.suppress(BootstrapError):
            getattr(opened(self.world, grace=grace), act)()

    def _after(self, number: int, act: Callable[[], Any]) -> None:
        """Do it when so many effects are done."""

        def wait(left: int) -> None:
            if left:
                self.world.between = lambda: wait(left - 1)
            else:
                act()

        wait(number)

    def _refused(self, act: str, first: Engine) -> None:
        """A second run, while the first is at work."""
        if self.world.document.holder is None or (act != "rotate" and self.world.document.rotation is None):
            return
        TRIED["second runs"] += 1
        effects, between = self.world.effects, self.world.between
        second = opened(self.world)
        second.journal.holder = first.journal.holder.model_copy(update={"nonce": "second"})
        with pytest.raises((Busy, Conflict)):
            getattr(second, act)()
        self.world.effects, self.world.between = effects, between

    @rule()
    def somebody_else_makes_a_key(self) -> None:
        if len(self.world.keys) < 8:
            name = f"theirs-{len(self.world.foreign)}"
            self.world.foreign.add(name)
            self.world.keys[name] = KeyInfo(name, "enabled")

    @invariant()
    def a_key_works_and_every_key_is_known(self) -> None:
        TRIED["states"] += 1
        self.world.check()
        assert self.world.foreign <= set(self.world.keys), "somebody else's key is gone"

    def teardown(self) -> None:
        """Whatever happened, it can be ended."""
        self.world.limit = 99
        with contextlib.suppress(Refused):  # it came to nothing, which is told
            opened(self.world).resume()
        if self.world.text(CANDIDATE):  # a run that woke late has left it there, until there is another rotation
            opened(self.world).rotate()
        require_over(self.world, self.world.values[self.world.resolved])


@pytest.fixture(autouse=True)
def _told() -> Iterator[None]:
    TRIED.clear()
    yield
    print(", ".join(f"{count} {what}" for what, count in sorted(TRIED.items())), "tried")  # noqa: T201  for evidence


@pytest.mark.parametrize("examples", [200, pytest.param(3000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_any_order_of_events(examples: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Rotations,
        settings=settings(max_examples=examples, stateful_step_count=15, deadline=None, suppress_health_check=checks),
    )
    assert TRIED["states"] > 5 * examples
    assert min(TRIED[what] for what in ("crash points", "lost answers", "runs taken over")) > examples / 40
