"""`register` into a target, killed at random moments: run by test_crash.py in a process of its own, which forks.

Takes a JSON object from stdin: `manifest`, the `target`'s name, `rounds`, and a `seed`. Each round wants other contents,
registers them in a child that is killed (SIGKILL) at a moment of its work, and then registers them again, to the end.
What is then not as it should be is written to stdout, as JSON: a list of sentences, and how many were still at work.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter, deque
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from bootstrap.airflow.child_protocol import told
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.plan import Rules, plan, wanted
from bootstrap.targets.base import Content, Key
from bootstrap.targets.metadata import target

NAMES = [f"c{index}" for index in range(8)]


def desired(turn: int) -> dict[Key, Content]:
    """Eight connections, of which one goes and comes, and two variables."""
    found: dict[Key, Content] = {
        Key("connection", name): Connection("http", host=f"h{turn}", password=f"p'{turn}\n", extra={"t": [turn]})
        for name in NAMES
    }
    if turn % 2:
        del found[Key("connection", NAMES[turn % len(NAMES)])]
    return found | {Key("variable", name): Variable(f"{name}{turn}") for name in ("x", "y")}


class Here:
    """What the metadata target asks, answered in this process instead of another: starting Airflow takes seconds."""

    def ask(self, request: Any) -> dict[str, Any]:
        """As MetadataProcess does, through JSON."""
        from bootstrap.targets.metadata import child as metadata_child

        answer = told(lambda: metadata_child._asked(json.loads(json.dumps(request))), metadata_child._translated)
        if "error" in answer:
            raise RuntimeError(answer["message"])
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    def close(self) -> None:
        """Nothing to end."""


def register(manifest: Manifest, name: str, turn: int) -> Counter[str]:
    """One whole run, from reading the target on; what was done, counted."""
    with mock.patch(
        "bootstrap.register.plan.desired", return_value=desired(turn)
    ):  # instead of secrets, which are not the subject
        found = plan(manifest, SecretReader(manifest), wanted(manifest, [name])[0], Rules(prune=True))
    done: Counter[str] = Counter()
    for item in found.apply():
        done[item.done] += 1
    return done


def killed(manifest: Manifest, name: str, turn: int, seconds: float) -> bool:
    """Whether it was still at work when it was killed."""
    child = os.fork()
    if not child:
        try:
            register(manifest, name, turn)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def rounds(manifest: Manifest, name: str, count: int, seed: int) -> dict[str, Any]:
    """All of them, after one that nobody kills, to know how long it takes."""
    source, wrong, at_work = random.Random(seed), [], 0
    took: deque[float] = deque(maxlen=15)
    register(manifest, name, 0)
    for turn in range(1, count + 1):
        at_work += killed(manifest, name, turn, source.uniform(0, median(took)) if took else 0)
        began = time.monotonic()
        done = register(manifest, name, turn)
        took.append(time.monotonic() - began)
        if done["failed"]:
            wrong.append(f"{turn}: {done}")
        last = register(manifest, name, turn)
        if set(last) != {"unchanged"} or last["unchanged"] != len(desired(turn)):
            wrong.append(f"{turn}, again: {last}")
    return {"wrong": wrong, "at_work": at_work}


def main() -> None:
    """One target."""
    given = json.load(sys.stdin)
    manifest = load(Path(given["manifest"]))
    if given["target"] == "metadata":
        import airflow.models.connection  # noqa: F401  as metadata_child does
        from airflow import settings

        from bootstrap.targets.metadata import rows  # noqa: F401

        settings.engine.dispose()  # no connection is shared with a child
        vars(target.MetadataTarget)["_process"].func = lambda _target: Here()
    sys.stdout.write(json.dumps(rounds(manifest, given["target"], given["rounds"], given["seed"])) + "\n")


if __name__ == "__main__":
    main()
