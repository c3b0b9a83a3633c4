"""What tests of targets have in common: connections and variables by their names, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bootstrap.domain.variable import Variable
from bootstrap.targets.base import Applied, Change, Content, Key, Registered, Target


def keyed(wanted: Mapping[str, Content]) -> dict[Key, Content]:
    """By key: names of variables and of connections are different ones in a test."""
    return {Key("variable" if isinstance(it, Variable) else "connection", name): it for name, it in wanted.items()}


def registered(into: Target, wanted: Mapping[str, Content] | Iterable[str]) -> dict[str, Registered]:
    """Those of the wanted ones that are there, by name; of names alone, connections."""
    given: Any = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    return {key.name: found for key, found in into.registered(keyed(given)).items() if key.name in given}


def changes(there: Mapping[str, Registered], wanted: Mapping[str, Content]) -> list[Change]:
    """To create or update all."""
    return [
        Change(key, "update", (), item, there[key.name].version)
        if key.name in there
        else Change(key, "create", (), item, None)
        for key, item in keyed(wanted).items()
    ]


def put(into: Target, wanted: Mapping[str, Content]) -> list[str]:
    """What was done to each. Raises the first one's error."""
    applied = list(into.apply(changes(registered(into, wanted), wanted)))
    for item in applied:
        if item.error is not None:
            raise item.error
    return [item.done for item in applied]


def by_name(applied: Iterable[Applied]) -> dict[str, Applied]:
    """What was done, by name."""
    return {item.key.name: item for item in applied}
