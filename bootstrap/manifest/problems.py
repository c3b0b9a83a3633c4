"""Mistakes in a manifest, gathered while its parts are checked: where, what was expected, and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bootstrap.domain.connection import FIELDS
from bootstrap.errors import ManifestError
from bootstrap.manifest.models import find_references
from bootstrap.util.yaml_document import Document, Path_

_NUL = re.compile(r"\\(?:0|x00|u0000|U00000000)")  # the only ways to write it in YAML
_MOST = 30  # names in one sentence
LONGEST = 250  # characters of a conn_id, and of a task_id: Airflow's columns


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
            models = _models_at(model, item["loc"][:-1])
            known = [info.alias or name for each in models for name, info in each.model_fields.items()]
            yield Problem(where, f"unknown key {item['loc'][-1]!r}", nearest(item["loc"][-1], known))
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


def _models_at(model: Any, steps: tuple[str | int, ...]) -> Iterator[type[BaseModel]]:
    """Those whose keys may stand at a place."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not steps:
            yield model
            return
        for name, info in model.model_fields.items():
            if steps[0] == (info.alias or name):
                yield from _models_at(info.annotation, steps[1:])
        return
    for option in get_args(model):
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


class Reader:
    """What the checks of each part share: the document as it was written, and one list of problems."""

    def __init__(self, document: Document, profile: str | None, *, allow_plaintext: bool) -> None:
        self.document = document
        self.profile = profile
        self.context = {"allow_plaintext": allow_plaintext}
        self.problems: list[Problem] = []

    def section(self, name: str) -> dict[str, Any]:
        """A mapping of the file as it was written; empty where it is something else, which `Top` complains about."""
        found = self.document.data.get(name)
        return found if isinstance(found, dict) else {}

    def model(self, model: type[Any], data: Any, path: Path_) -> Any:
        """The data as a model; None where it is none, which is a problem."""
        try:
            return model.model_validate(data, context=self.context)
        except ValidationError as err:
            self.problems += problems(err, model, path)
            return None

    def length(self, path: Path_, what: str, name: str) -> None:
        """A name that Airflow's columns can't hold is a problem."""
        if len(name) > LONGEST:
            message = f"a {what} has at most {LONGEST} characters in Airflow, and this one has {len(name)}"
            self.problems.append(Problem(path, message, "rename it"))

    def references(self, path: Path_, node: Any) -> None:
        """A reference to a store that isn't there is a problem."""
        known = self.section("stores")
        for where, reference in find_references(node, path):
            if reference.store not in known:
                self.unknown(where, "store", reference.store, known)

    def unknown(self, path: Path_, what: str, name: object, known: Any) -> None:
        """A name that isn't among those that are known, or no name at all, is a problem."""
        if isinstance(name, str):
            self.problems.append(Problem(path, f"unknown {what} {name!r}", nearest(name, known)))
        else:
            self.problems.append(
                Problem(path, f"expected {'an' if what[0] in 'aeiou' else 'a'} {what}", nearest("", known))
            )

    def error(self) -> ManifestError:
        """All problems in the file's order, each with its line and column."""
        placed = sorted(
            {(self.document.place(item.path), item.message, item.hint) for item in self.problems},
            key=lambda row: (row[0].line, row[0].column, row[1]),
        )
        lines = [f"{place}: {message}" + (f" ({hint})" if hint else "") for place, message, hint in placed]
        count = f"{len(lines)} mistakes in the manifest" if len(lines) > 1 else "a mistake in the manifest"
        err = ManifestError("\n".join([f"{count}:", *lines]), "airflow-bootstrap schema prints what is allowed")
        err.parts = [mistake(f"{place}: {message}", hint or err.hint, place.line) for place, message, hint in placed]
        return err


def mistake(message: str, hint: str, line: int) -> ManifestError:
    """One mistake and the line that it is in."""
    err = ManifestError(message, hint)
    err.line = line
    return err
