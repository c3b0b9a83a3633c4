"""YAML from outside as plain data, within bounds, each error with its place.

Read from the parser's events: no node, no object of Python's is ever made of a tag, and nothing is deeper, or more by its
aliases, than what reads the data later can take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from bootstrap.util.input_text import DEPTH, BadInput, place
from bootstrap.util.yaml_dialects import MERGE, STR, TAG, Dialect

ALIASED = 1_000_000  # values that aliases may bring: 400 bytes can mean 10,000,000,000
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Spot(NamedTuple):
    """Where a value stands, counted from 1 (for a mapping's value: its key), and where the values inside of it do."""

    line: int
    column: int
    inside: dict[str | int, Spot]


def load(text: str, dialect: Dialect) -> Any:
    """The data of the one document in a text; None for an empty one. Raises BadInput."""
    return _read(text, _Reader(dialect))[0]


def spots(text: str, dialect: Dialect) -> Spot:
    """The places of all that `load` returns, as a tree. Raises BadInput."""
    return _read(text, _Reader(dialect, places=True))[1]


def _read(text: str, reader: _Reader) -> tuple[Any, Spot]:
    try:
        return reader.read(iter(_Loader(text).get_event, None))
    except yaml.MarkedYAMLError as err:
        mark: Any = err.problem_mark or err.context_mark
        raise BadInput(
            f"not valid YAML: {_unquoted(err.problem or err.context)}", line=mark.line + 1, column=mark.column + 1
        ) from err
    except yaml.reader.ReaderError as err:
        line, column = place(text, err.position)
        raise BadInput(f"not valid YAML: {_unquoted(err.reason)}", line=line, column=column) from err
    except UnicodeEncodeError as err:  # it quotes the text
        line, column = place(text, err.start)
        raise BadInput("half of a surrogate pair, which is not text", line=line, column=column) from None


def _unquoted(problem: str | None) -> str:
    """What the parser says, without what it quotes of the text: that may be a secret that nobody knows as one yet."""
    return re.sub(r"'.*'", "…", problem or "")


class _Anchor(NamedTuple):
    """What an alias stands for; `size` None: its end is not yet read."""

    event: Any
    value: Any = None
    size: int | None = None
    inside: Any = None


class _Reader:
    """Turns events into data; `places`: notes where each value came from. That takes more memory than the data: it is read anew for it."""

    def __init__(self, dialect: Dialect, *, places: bool = False) -> None:
        self._dialect = dialect
        self._with_places = places
        self._anchors: dict[str, _Anchor] = {}
        self._events: Iterator[Any] = iter(())
        self._count = self._aliased = 0  # values so far, those of aliases included; and these alone

    def read(self, events: Iterator[Any]) -> tuple[Any, Spot]:
        """The data of the only document, and its place."""
        self._events = events
        next(events)
        if isinstance(next(events), yaml.StreamEndEvent):
            return None, Spot(1, 1, {})
        event = next(events)
        value, inside = self._value(event, 0)
        next(events)
        if isinstance(found := next(events), yaml.DocumentStartEvent):
            raise _bad(found, "not valid YAML: a second document", "keep one of them")
        return value, _spot(event, inside)

    def _value(self, event: Any, depth: int) -> tuple[Any, Any]:
        """What begins with an event, and the places in it; None where nobody wants to know."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._count
        self._count += 1
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(event)
        if isinstance(event, yaml.ScalarEvent):
            try:
                value = self._dialect.scalar(event.value, event.tag, plain=event.implicit[0])
            except BadInput as err:
                raise _bad(event, err.problem, err.hint) from None
            inside = None
        else:
            value, inside = self._collection(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(event, value, self._count - before, inside)
        return value, inside

    def _alias(self, event: Any) -> tuple[Any, Any]:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise _bad(event, "not valid YAML: an alias of nothing", "put text that begins with * in quotes")
        if found.size is None:
            raise _bad(found.event, "this holds an alias of itself", "write it out")
        self._count += found.size
        self._aliased += found.size
        if self._aliased > ALIASED:
            raise _bad(event, f"aliases that bring more than {ALIASED} values", "write out what is meant")
        return found.value, found.inside

    def _collection(self, event: Any, depth: int) -> tuple[Any, Any]:
        if depth == DEPTH:
            raise _bad(event, f"nested deeper than {DEPTH} levels", "make it flatter")
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, "!", f"{TAG}{'map' if mapping else 'seq'}"}:
            raise _bad(event, *self._dialect.unknown_tag(event.tag))
        return self._mapping(depth) if mapping else self._sequence(depth)

    def _sequence(self, depth: int) -> tuple[list[Any], Any]:
        values: list[Any] = []
        places: Any = {} if self._with_places else None
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, inside = self._value(event, depth + 1)
            if places is not None:
                places[len(values)] = _spot(event, inside)
            values.append(value)
        return values, places

    def _mapping(self, depth: int) -> tuple[dict[str, Any], Any]:
        """YAML's `<<: *anchor` included: of several, the first one counts, and own keys before all."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        places: Any = {} if self._with_places else None
        merged_places: Any = {} if self._with_places else None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            bare = isinstance(event, yaml.ScalarEvent) and event.tag is None and event.implicit[0]
            tag = self._dialect.tag_of(event.value) if bare else ""
            if tag == MERGE:
                for value, inside in self._merged(next(self._events), depth):
                    merged = {**value, **merged}
                    merged_places = {**inside, **merged_places} if inside is not None else None
                continue
            key = event.value if tag == STR and not event.anchor else self._key(event, tag, depth)
            if key in own:
                raise _bad(event, f"the key {key!r} appears twice", "keep one of them")
            own[key], inside = self._value(next(self._events), depth + 1)
            if places is not None:
                places[key] = _spot(event, inside)
        if merged:
            return {**merged, **own}, {**merged_places, **places} if places is not None else None
        return own, places

    def _merged(self, event: Any, depth: int) -> list[tuple[dict[str, Any], Any]]:
        value, inside = self._value(event, depth + 1)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in values):
            raise _bad(event, "`<<` takes a mapping, or a list of them", "put << in quotes, if it is text")
        if not isinstance(value, list):
            return [(value, inside)]
        return [(item, None if inside is None else inside[index].inside) for index, item in enumerate(values)]

    def _key(self, event: Any, tag: str, depth: int) -> str:
        if tag not in {"", STR}:
            raise _bad(event, "a key must be text", f"write '{event.value}' in quotes")
        key, _ = self._value(event, depth + 1)
        if not isinstance(key, str):
            raise _bad(event, "a key must be text", "put text with brackets in quotes")
        return key


def _spot(event: Any, inside: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1, inside or {})


def _bad(event: Any, problem: str, hint: str) -> BadInput:
    mark = event.start_mark
    return BadInput(problem, hint, line=mark.line + 1, column=mark.column + 1)
