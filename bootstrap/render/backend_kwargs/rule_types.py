"""The shapes of the rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Needs:
    """One of `any_of` must be there: always, when an argument has a value (`when`), or when one is there (`given`).

    `why` says what becomes of it otherwise; where that isn't sure to fail, it is a warning.
    """

    any_of: tuple[str, ...]
    when: tuple[str, str] | None = None
    given: str | None = None
    why: str = "Airflow can't log in without it"
    hint: str = ""
    fails: bool = True


@dataclass(frozen=True)
class Clash:
    """Not more than one of `kwargs` may be there; else Airflow fails, or (a warning) takes no notice of some."""

    kwargs: tuple[str, ...]
    why: str
    when: tuple[str, str] | None = None
    fails: bool = True


@dataclass(frozen=True)
class Legal:
    """What a text must look like, all of it. `takes` says it to people."""

    kwargs: tuple[str, ...]
    pattern: re.Pattern[str]
    takes: str


@dataclass(frozen=True)
class Doubtful:
    """A value that is accepted (one of `type`, or `value` itself), and doesn't do what it says; `since` a package's version
    that is installed ("requests 2.32"), or always.
    """

    kwarg: str
    why: str
    hint: str
    type: str = ""
    value: str = ""
    fails: bool = False
    since: str = ""


@dataclass(frozen=True)
class Rules:
    """A row.

    `types` correct the source's annotations; see backend_types. `switches` are the arguments that turn look-ups off, all of
    them null; for some classes an empty text is the same. `renamed` tells the next step for an argument that is gone.
    `expressions` are regular expressions. `read_at` says where the keys of a class's `**kwargs` are read, if it hands them on
    as a mapping: MODULE:CLASS:NAME OF THE MAPPING THERE.
    """

    switches: tuple[str, ...] = ()
    empty_is_off: bool = False
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[Needs, ...] = ()
    clashes: tuple[Clash, ...] = ()
    legal: tuple[Legal, ...] = ()
    doubtful: tuple[Doubtful, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    deprecated: Mapping[str, str] = field(default_factory=dict)
    expressions: tuple[str, ...] = ()
    read_at: tuple[str, ...] = ()
