"""The manifest's YAML: plain data, and the line and column of every key and value in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bootstrap.errors import ManifestError
from bootstrap.util.input_text import BadInput, read
from bootstrap.util.yaml_data import Spot, load, spots
from bootstrap.util.yaml_dialects import CORE

Path_ = tuple[str | int, ...]  # keys and list positions from the top, e.g. ("connections", "warehouse", "checks", 0)
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
    """Plain data (str, int, float, bool, None, list, dict), and where it came from: `over` is what was merged over the rest."""

    data: Any
    file: Path
    text: str = field(repr=False)
    over: Path_ | None = None

    def place(self, path: Path_) -> Place:
        """The place of `path`, or of the nearest thing around it; a step that the file lacks (a union's tag) is passed over."""
        found = self._spots
        for step in path:
            found = found.inside.get(step, found)
        return Place(self.file, found.line, found.column)

    def has(self, path: Path_) -> bool:
        """True if just this is in the file."""
        found: Spot | None = self._spots
        for step in path:
            found = found.inside.get(step) if found is not None else None
        return found is not None

    @cached_property
    def _spots(self) -> Spot:
        """Looked for when they are first needed: for an error, mostly."""
        found = spots(self.text, CORE)
        if self.over is None:
            return found
        under, over, at = load(self.text, CORE), load(self.text, CORE), found
        for step in self.over:
            over, at = over[step], at.inside[step]
        return found._replace(inside=_merge(under, over, found, at)[1].inside)


def parse(text: str, file: Path) -> Document:
    """Read one YAML document. Raises ManifestError for a syntax error, a second document or a repeated key."""
    try:
        return Document(load(text, CORE), file, text)
    except BadInput as err:
        error = ManifestError(err.at(file), err.hint)
        error.line = err.line
        raise error from err


def reread(file: Path, profile: str | None) -> Document:
    """The document of a manifest that was read before, with its profile over it. Raises OSError, BadInput, ManifestError."""
    document = parse(read(file), file)
    return document if profile is None else overlay(document, ("profiles", profile))


def overlay(base: Document, path: Path_) -> Document:
    """`base` with what stands at `path` merged over it.

    Mappings are merged key by key, anything else replaces what was there. A mapping that names another `kind` or
    `method`, or is a reference, replaces the whole mapping: the options of two kinds don't mix.
    """
    top = base.data
    for step in path:
        top = top[step]
    return Document(_merge(base.data, top, _NOWHERE, _NOWHERE)[0], base.file, base.text, path)


_NOWHERE = Spot(1, 1, {})


def _merge(under: Any, over: Any, at: Spot, at_over: Spot) -> tuple[Any, Spot]:
    """The data, and the places of it."""
    if not (isinstance(under, dict) and isinstance(over, dict)) or _differs_in_kind(under, over):
        return over, at_over
    merged, inside = dict(under), dict(at.inside)
    for key, value in over.items():
        from_here, from_there = at.inside.get(key, _NOWHERE), at_over.inside.get(key, _NOWHERE)
        merged[key], inside[key] = _merge(under.get(key), value, from_here, from_there)
    return merged, at_over._replace(inside=inside)


def _differs_in_kind(under: dict[str, Any], over: dict[str, Any]) -> bool:
    """True if `over` is something else than `under`, rather than a change to it."""
    if "from" in over or any(set(side) in _REFERENCES for side in (under, over)):
        return True
    return any(tag in over and tag in under and over[tag] != under[tag] for tag in _TAGS)
