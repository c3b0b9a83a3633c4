"""Mistakes in a manifest: where, what was expected, and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from bootstrap.domain.connection import FIELDS
from bootstrap.util.yaml_document import Document, Path_

_NUL = re.compile(r"\\(?:0|x00|u0000|U00000000)")  # the only ways to write it in YAML

_MOST = 30  # names in one sentence


@dataclass(frozen=True)
class Problem:
    """One mistake, and what to write instead."""

    path: Path_
    message: str
    hint: str = ""


def nuls(document: Document) -> Iterator[Problem]:
    """Where a NUL stands: no path, name or address has one. The values that are registered may."""
    if _NUL.search(document.text):
        yield from (Problem(path, "there is a NUL in it", "leave it out") for path in _nuls(document.data, ()))


def _nuls(node: Any, path: Path_) -> Iterator[Path_]:
    if isinstance(node, str) and "\0" in node:
        yield path
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _nuls(key, (*path, key))
            yield from () if _is_value((*path, key)) else _nuls(item, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _nuls(item, (*path, index))


def _is_value(path: Path_) -> bool:
    """True if it is the text of a variable or of a connection's field; a profile is looked at where it is merged."""
    field = len(path) == 3 and path[0] == "connections" and path[2] in FIELDS  # noqa: PLR2004
    return field or path in {("variables",), ("profiles",)}


def problems(err: ValidationError, model: type[BaseModel], path: Path_) -> Iterator[Problem]:
    """Those that pydantic found in what stands at `path`."""
    for item in err.errors(include_url=False, include_input=False):
        where = (*path, *item["loc"])
        if item["type"] == "extra_forbidden":
            yield Problem(
                where, f"unknown key {item['loc'][-1]!r}", nearest(item["loc"][-1], _siblings(model, item["loc"]))
            )
        elif item["type"] == "missing":
            yield Problem(where[:-1], f"the key {item['loc'][-1]!r} is missing")
        elif item["type"] == "union_tag_not_found":
            yield Problem(where, f"the key {item['ctx']['discriminator']} is missing")
        elif item["type"] == "union_tag_invalid":
            key, tag = item["ctx"]["discriminator"].strip("'"), item["ctx"]["tag"]
            known = re.findall(r"'([^']*)'", item["ctx"]["expected_tags"])
            yield Problem((*where, key), f"unknown {key} {tag!r}", nearest(tag, known))
        elif item["type"] in {"dict_type", "model_type", "model_attributes_type", "mapping_type"}:
            yield Problem(where, "expected a mapping")
        else:
            yield Problem(where, re.sub(r"^(Value error, |Input )", "", item["msg"]).replace("should be", "expected"))


def _siblings(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand where an unknown one was found."""
    found: list[str] = []
    for candidate in _models_at(model, location[:-1]):
        found += [info.alias or name for name, info in candidate.model_fields.items()]
    return found


def _models_at(model: Any, steps: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    from typing import get_args

    if isinstance(model, type) and issubclass(model, BaseModel):
        if not steps:
            yield model
            return
        for name, info in model.model_fields.items():
            if steps[0] == (info.alias or name):
                yield from _models_at(info.annotation, steps[1:])
        return
    options = get_args(model)
    for option in options:
        yield from _models_at(option, steps)
        if steps:  # a key of a dict, or the tag of a union: pydantic puts both into the location
            yield from _models_at(option, steps[1:])


def nearest(name: object, known: Any) -> str:
    """The most similar of what is known, as a question; else what there is, as far as a reader takes it in."""
    import difflib

    names = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"there are: {', '.join(names[:_MOST])}{more}" if names else ""
