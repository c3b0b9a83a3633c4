"""templates/operators.json: what Airflow's own operators, sensors, hooks, triggers and notifiers take."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bootstrap.scan.operators.provider_homes import AIRFLOW, Home, homes
from bootstrap.scan.operators.provider_source import Found, read
from bootstrap.scan.operators.rows import by_module, flat
from bootstrap.scan.operators.table import package_of_name, shipped, shipped_hook

EMPTY: Mapping[str, Any] = {
    name: {} for name in ("versions", "homes", "core", "hooks", "decorators", "classes", "aliases", "earlier")
}
_MAPS = ("versions", "homes", "core", "hooks", "decorators")


def generated(more: Sequence[str] = ()) -> str:
    """The table as JSON. `more` are folders with distributions, or with a folder for each, the newest first: what the newest lacks is
    added from an older one. Without them, installed distributions that are newer than the table's take their place.
    """
    if not more:
        table = _with_newer(shipped())
    else:
        table = dict(EMPTY)
        for number, folder in enumerate(more):
            table = _with_layer(table, _layer([folder, *(sys.path if not number else ())]))
    return _text({**table, "aliases": _needed(table)})


def _with_newer(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table with what installed distributions have that are newer than it."""
    newer = [
        home
        for home in homes(sys.path)
        if home.official and _parts(home.version) > _parts(table["versions"].get(home.package, ""))
    ]
    if not newer:
        return table
    found = read(newer, [Path(folder) for folder in sys.path if folder], shipped_hook)
    rows = {name: row for name, row in found.classes.items() if name not in found.incomplete}
    return {
        **table,
        **{name: {**table[name], **getattr(found, name)} for name in _MAPS if name != "core"},
        "classes": by_module({**flat(table["classes"]), **rows}),
        "aliases": {**table["aliases"], **found.aliases},
    }


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _layer(folders: Sequence[str]) -> Found:
    """What lies in a folder, or in the folders below it."""
    below = [path for folder in folders for path in (Path(folder), *_distribution_folders(Path(folder)))]
    official = [home for home in homes(below) if home.official]
    with _together(official) as together:
        return read(together, [])


def _distribution_folders(folder: Path) -> list[Path]:
    return sorted({info.parent for info in folder.glob("*/*.dist-info")})


@contextmanager
def _together(found: Sequence[Home]) -> Iterator[list[Home]]:
    """The same, below one folder: each name is looked for in one place."""
    with TemporaryDirectory() as name:
        one = Path(name)
        for home in found:
            place = one.joinpath(*home.module.split("."))
            place.parent.mkdir(parents=True, exist_ok=True)
            source = home.folder.joinpath(*home.module.split("."))
            if home.package != AIRFLOW:
                place.symlink_to(source.resolve())
        for home in found:
            if home.package == AIRFLOW:
                for part in (home.folder / "airflow").resolve().iterdir():
                    if part.name != "providers":
                        (one / "airflow" / part.name).symlink_to(part)
        yield [replace(home, folder=one) for home in found]


def _with_layer(table: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """What an older layer adds: classes that are gone, arguments that are gone, and other names."""
    classes = flat(table["classes"])
    titles: dict[tuple[str, str], str] = {
        (package_of_name(name, table["homes"]), name.rpartition(".")[2]): name for name in classes
    }
    standard = {name.rpartition(".")[2]: name for name in classes}
    aliases = dict(table["aliases"])
    earlier = dict(table["earlier"])
    added = {}
    for name, row in found.classes.items():
        title = name.rpartition(".")[2]
        package = package_of_name(name, found.homes)
        newer = name if name in classes else titles.get((package, title))
        if newer is None and package == AIRFLOW:
            newer = standard.get(title)
        if newer is None:
            added[name] = row
            continue
        if newer != name:
            aliases.setdefault(name, newer)
        known = {argument[0] for argument in (*classes[newer][4], *earlier.get(newer, []))}
        types = {argument[2] for argument in classes[newer][4]}
        usual = next(iter(types)) if len(types) == 1 else None
        gone = [_gone(argument, usual) for argument in row[4] if argument[0] not in known]
        if gone and row[0] == classes[newer][0]:
            earlier[newer] = [*earlier.get(newer, []), *gone]
    core = {
        title: name
        for title in ("BaseSensorOperator", "BaseOperator")
        for name in found.classes
        if name.endswith(f".{title}")
    }
    return {
        **{name: {**getattr(found, name, {}), **table[name]} for name in _MAPS if name != "core"},
        "core": {**core, **table["core"]},
        "classes": by_module({**added, **classes}),
        "aliases": {**found.aliases, **aliases},
        "earlier": earlier,
    }


def _gone(argument: Sequence[Any], usual: str | None) -> list[Any]:
    """An argument that the newest class lacks: nothing is needed unless it is given. `usual` is the type of its other arguments."""
    name, _, conn_type, *newer = argument
    return [name, None, conn_type or usual, *newer]


def _needed(table: Mapping[str, Any]) -> dict[str, str]:
    """The other names that the last part alone doesn't lead to."""
    classes = flat(table["classes"])
    titles: dict[str, list[str]] = {}
    for name in classes:
        titles.setdefault(name.rpartition(".")[2], []).append(name)
    found = {}
    for alias, first in table["aliases"].items():
        target, seen = first, {alias}
        while target not in classes and target in table["aliases"] and target not in seen:
            seen.add(target)
            target = table["aliases"][target]
        if target not in classes and len(titles.get(target.rpartition(".")[2], [])) == 1:
            target = titles[target.rpartition(".")[2]][0]
        if target in classes and alias not in classes and titles.get(alias.rpartition(".")[2]) != [target]:
            found[alias] = target
    return dict(sorted(found.items()))


def _text(table: Mapping[str, Any]) -> str:
    """JSON with a line for each class, which makes for readable differences."""
    modules = []
    for module, rows in sorted(table["classes"].items()):
        lines = ",\n".join(f"   {json.dumps(title)}: {json.dumps(row)}" for title, row in sorted(rows.items()))
        modules.append(f"  {json.dumps(module)}: {{\n{lines}\n  }}")
    parts = [f' "{name}": {_flat_text(table[name])}' for name in (*_MAPS, "aliases", "earlier")]
    return "{\n" + ",\n".join([*parts, ' "classes": {\n' + ",\n".join(modules) + "\n }"]) + "\n}\n"


def _flat_text(rows: Mapping[str, Any]) -> str:
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
    return f"{{\n{lines}\n }}" if rows else "{}"
