"""A manifest from what a scan found, and one that a person wrote with what it lacks: nothing of theirs is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.convert.conversion import Place
from bootstrap.errors import ManifestError, UsageError
from bootstrap.manifest import loader
from bootstrap.scan.manifest import declaration
from bootstrap.scan.manifest.declaration import Declarable, Writer, is_mentioned, is_place, places
from bootstrap.scan.resources.checks import Check, checks_for
from bootstrap.scan.result import Connection, Result
from bootstrap.util import yaml_edit
from bootstrap.util.human import visible
from bootstrap.util.yaml_document import parse
from bootstrap.util.yaml_text import dump

_HEAD = """\
# Made by `airflow-bootstrap init --from-dags {dags}` from what the DAGs need. It holds no secret, and belongs into version control.
# Each {{secret: "STORE:PATH#FIELD"}} is to be filled in: airflow-bootstrap store put STORE:PATH#FIELD. What is no secret may stand
# here instead, as `host: db.internal`. Next: airflow-bootstrap doctor, which lists what is missing.
"""


@dataclass(frozen=True)
class Written:
    """A manifest's text; what is new in it, as names; what is in it as a comment only, with the reason; what differs."""

    text: str
    connections: Sequence[str] = ()
    variables: Sequence[str] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    differs: Sequence[str] = ()


def new(result: Result, dags: Path, file: Path, base: Mapping[str, Any], place: Place) -> Written:
    """A whole manifest for `file`; `base` are its other sections, as plain data. Raises ManifestError, UsageError."""
    folder = dags if dags.is_dir() else dags.parent
    sections = {**base, "airflow": {**base.get("airflow", {}), "dags": _relative(folder, file.absolute().parent)}}
    head = _HEAD.format(dags=visible(str(dags)))
    text = "\n".join([head, *(dump({name: value}) for name, value in sections.items())])
    written = updated(text, file, result, place)
    comment = declaration.dynamic(result.dynamic)
    last = "\n" + "".join(f"{line}\n" for line in comment) if comment else ""
    return Written(_apart(written.text) + last, written.connections, written.variables, written.comments)


def _relative(folder: Path, base: Path) -> str:
    """As `airflow.dags` takes it."""
    return Path(os.path.relpath(folder.absolute(), base)).as_posix()


def _apart(text: str) -> str:
    """With a blank line before each entry but a section's first."""
    lines: list[str] = []
    for line in text.splitlines():
        opens = _is_place_line(line) and lines[-1].startswith(" ") and not _is_place_line(lines[-1])
        lines += ["", line] if opens else [line]
    return "".join(f"{line}\n" for line in lines)


def _is_place_line(line: str) -> bool:
    return line.startswith("  # ") and is_place(line[4:])


def updated(text: str, file: Path, result: Result, place: Place | None) -> Written:
    """The text of a manifest with the connections and variables that it lacks; the comments of ours name today's places.

    Raises ManifestError, UsageError.
    """
    document = parse(text, file)
    loader.check(document)
    writer = Writer(place, _Loads(document.data.get("stores", {}), file))
    made = {
        "connections": [
            writer.connection(each)
            for each in result.connections
            if not _declares(document.data, "connections", each.conn_id)
        ],
        "variables": [
            writer.variable(key, result.variables)
            for key in sorted({use.key for use in result.variables})
            if not _declares(document.data, "variables", key)
        ],
    }
    changed = _refreshed(text, result)
    for section, entries in made.items():
        changed = _added(changed, section, [each for each in entries if each.data is not None or _is_new(each, text)])
    _require_same(changed, document.data, made, file)
    comments = [each for entries in made.values() for each in entries if each.data is None]
    return Written(
        changed,
        [each.name for each in made["connections"] if each.data is not None],
        [each.name for each in made["variables"] if each.data is not None],
        {each.name: each.problem for each in comments if each.problem},
        list(_differences(document.data.get("connections") or {}, result.connections, writer)),
    )


@dataclass(frozen=True)
class _Loads:
    """Says whether a manifest with these stores takes an entry."""

    stores: Mapping[str, Any]
    file: Path

    def __call__(self, section: str, name: str, data: Any) -> bool:
        text = json.dumps({"version": 1, "stores": self.stores, section: {name: data}})
        try:
            loader.check(parse(text, self.file))
        except ManifestError:
            return False
        return True


def _is_new(entry: Declarable, text: str) -> bool:
    return not is_mentioned(entry.name, text)


def _declares(data: Mapping[str, Any], section: str, name: str) -> bool:
    """True if the manifest has it, be it in one of its profiles only."""
    parts = [data, *(data.get("profiles") or {}).values()]
    return any(name in (part.get(section) or {}) for part in parts)


def _refreshed(text: str, result: Result) -> str:
    """The places that our comments name."""
    connections = {each.conn_id: each.places for each in result.connections}
    variables: dict[str, list[Any]] = {}
    for use in result.variables:
        variables.setdefault(use.key, []).append(use.place)
    for section, found in (("connections", connections), ("variables", variables)):
        by_name = {name: places(sorted(set(each))) for name, each in found.items()}
        text = yaml_edit.replace_comments(text, section, by_name.get, is_place)
    return _with_dynamic(text, declaration.dynamic(result.dynamic))


def _with_dynamic(text: str, lines: Sequence[str]) -> str:
    """The list of dynamic ids, where the file has one of ours."""
    before, head, rest = text.partition(f"\n# {declaration.DYNAMIC}")
    if not head or not lines:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    old = rest.split("\n")
    count = next((number for number, line in enumerate(old) if number and not line.startswith("#   ")), len(old))
    return before + "\n" + newline.join(lines) + newline * (count < len(old)) + "\n".join(old[count:])


def _added(text: str, section: str, entries: Sequence[Declarable]) -> str:
    if not entries:
        return text
    try:
        return yaml_edit.add(text, section, [each.entry for each in entries], comments=not _is_json(text))
    except yaml_edit.NotEditable as err:
        names = ", ".join(visible(each.name) for each in entries)
        raise UsageError(f"nothing was written: {err}", f"write it out, or declare {names} by hand") from err


def _is_json(text: str) -> bool:
    """True for a manifest that others may read as JSON, which has no comments."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _require_same(text: str, data: Mapping[str, Any], made: Mapping[str, Sequence[Declarable]], file: Path) -> None:
    """Raises UsageError if the new text says anything but the old data and the new entries."""
    wanted = deepcopy(dict(data))
    for section, entries in made.items():
        news = {each.name: each.data for each in entries if each.data is not None}
        if news:
            wanted[section] = {**(wanted.get(section) or {}), **news}
    try:
        read = parse(text, file)
        same = _without_empty(read.data) == _without_empty(wanted)
        loader.check(read)
    except ManifestError:
        same = False
    if not same:
        names = ", ".join(each.name for entries in made.values() for each in entries)
        message = f"nothing was written: {file} is written in a way that nothing can be added to"
        raise UsageError(message, f"end it with a line break, or declare {names} by hand")


def _without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    """A section that has no entry is as good as none."""
    return {name: value for name, value in data.items() if value not in (None, {})}


def _differences(declared: Mapping[str, Any], found: Sequence[Connection], writer: Writer) -> Iterator[str]:
    """What the code says of connections that are there, and the manifest doesn't."""
    for each in found:
        spec = declared.get(each.conn_id)
        if not isinstance(spec, dict):
            continue
        conn_type = spec.get("conn_type")
        if each.wrong_type:
            yield f"{each.conn_id}: declared as {each.declared_type}, used as {each.conn_type}"
        elif conn_type is not None:
            checks = [
                check
                for check in checks_for(conn_type, each.resources)
                if not any(_covers(one, check) for one in spec.get("checks") or ())
                and writer.loads("connections", each.conn_id, {"conn_type": conn_type, "checks": [check]})
            ]
            if checks:
                yield f"{each.conn_id}: the code gives checks that it lacks: {', '.join(map(_shown, checks))}"


def _covers(one: Any, other: Check) -> bool:
    """True if a check asks for all that the other does."""
    if isinstance(one, str) or isinstance(other, str) or not isinstance(one, dict):
        return bool(one == other)
    return all(
        isinstance(one.get(name), dict)
        and all(_includes(one[name].get(parameter), value) for parameter, value in params.items())
        for name, params in other.items()
    )


def _includes(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return set(map(str, other)) <= set(map(str, one))
    return bool(one == other)


def _shown(check: Check) -> str:
    return check if isinstance(check, str) else json.dumps(check, ensure_ascii=False)
