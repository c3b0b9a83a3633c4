"""YAML with places: plain data, and the line and column of every key and value in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bootstrap.errors import ManifestError

Path_ = tuple[str | int, ...]  # keys and list positions from the top, e.g. ("connections", "warehouse", "checks", 0)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = ("kind", "method")
_REFERENCES = ({"secret"}, {"env"}, {"file"})


@dataclass(frozen=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Document:
    """Plain data (str, int, float, bool, None, list, dict) and the place of each path in it."""

    data: Any
    places: Mapping[Path_, Place]
    file: Path

    def place(self, path: Path_) -> Place:
        """The place of `path`, or of the nearest thing around it; a step that the file lacks (a union's tag) is passed over."""
        found: Path_ = ()
        for step in path:
            if (*found, step) in self.places:
                found = (*found, step)
        return self.places.get(found, Place(self.file, 1, 1))


def parse(text: str, file: Path) -> Document:
    """Read one YAML document. Raises ManifestError for a syntax error, a second document or a repeated key."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            reader = _Reader(loader, file)
            data = reader.read(node, ()) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        problem = str(err.problem or err.context)
        if problem.startswith("could not determine a constructor"):  # the rest quotes the text, e.g. a password !abc
            raise ManifestError(f"{place}: an unknown tag", "put text in quotes") from err
        raise ManifestError(f"{place}: not valid YAML: {problem}") from err
    except yaml.YAMLError as err:
        raise ManifestError(f"{file}:1:1: not valid YAML: {err}") from err
    return Document(data, reader.places, file)


class _Reader:
    """Turns nodes into data; notes where each came from."""

    def __init__(self, loader: Any, file: Path) -> None:
        self.loader = loader
        self.file = file
        self.places: dict[Path_, Place] = {}
        self._looked_at: set[int] = set()  # mappings whose keys were compared, before YAML's merge brought others
        self._inside: list[yaml.Node] = []

    def read(self, node: yaml.Node, path: Path_) -> Any:
        self.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if any(node is around for around in self._inside):
            raise ManifestError(f"{self._place(node)}: this holds an alias of itself", "write it out")
        self._inside.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._inside.pop()

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # JSON knows no dates: it stays the text that was written
        try:
            value = self.loader.construct_object(node)
        except ValueError as err:  # e.g. 0x_, which looks like a number to YAML
            raise ManifestError(f"{self._place(node)}: not a number", "put text in quotes") from err
        if isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
            raise ManifestError(f"{self._place(node)}: JSON knows no such value", "put text in quotes")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            self._refuse_repeated_keys(node)
        self.loader.flatten_mapping(node)  # YAML's `<<: *anchor`: what it brings comes first, own keys win
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            below = (*path, key)
            self.places[below] = self._place(key_node)
            result[key] = self.read(value_node, below)
        return result

    def _refuse_repeated_keys(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self._key(key_node)
            if key in seen:
                raise ManifestError(f"{self._place(key_node)}: the key {key!r} is here twice", "keep one of them")
            seen.add(key)

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ManifestError(f"{self._place(node)}: a key must be text", "put text with brackets in quotes")
        key = self._scalar(node)
        if not isinstance(key, str):
            raise ManifestError(f"{self._place(node)}: a key must be text", f"write '{node.value}' in quotes")
        return key

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def overlay(base: Document, path: Path_) -> Document:
    """`base` with what stands at `path` merged over it.

    Mappings are merged key by key, anything else replaces what was there. A mapping that names another `kind` or
    `method`, or is a reference, replaces the whole mapping: the options of two kinds don't mix.
    """
    top = base.data
    for step in path:
        top = top[step]
    places = dict(base.places)
    data = _merge(base.data, top, path, (), places)
    return Document(data, places, base.file)


def _merge(under: Any, over: Any, source: Path_, target: Path_, places: dict[Path_, Place]) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)) or _differs_in_kind(under, over):
        for path, place in list(places.items()):
            if path[: len(source)] == source:
                places[target + path[len(source) :]] = place
        return over
    merged = dict(under)
    for key, value in over.items():
        origin, goal = (*source, key), (*target, key)
        places[goal] = places[origin]
        merged[key] = _merge(under.get(key), value, origin, goal, places)
    return merged


def _differs_in_kind(under: dict[str, Any], over: dict[str, Any]) -> bool:
    """Whether `over` is something else than `under`, rather than a change to it."""
    if "from" in over or any(set(side) in _REFERENCES for side in (under, over)):
        return True
    return any(tag in over and tag in under and over[tag] != under[tag] for tag in _TAGS)
