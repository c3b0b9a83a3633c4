"""The layout of `bootstrap/` in figures: `python -m tools.house [FOLDER]`, where FOLDER holds another checkout.

A room is a folder of `bootstrap/`, a loose module a file beside them. An import runs upwards if the contract in
pyproject.toml has the importing room below the imported one, or beside it. A circle is a set of modules, or of rooms,
each of which reaches each other by imports.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

import grimp
from importlinter import api

PACKAGE = "bootstrap"
LARGE = 250  # lines; a module of more is one to look at


def layers(config: Path | None = None) -> Sequence[Sequence[str]]:
    """The rooms by floor, the highest first; none without a contract."""
    try:
        contracts = api.read_configuration(str(config) if config else None)["contracts_options"]
    except (FileNotFoundError, ValueError):
        return ()
    [contract] = (found for found in contracts if found["name"] == "rooms")
    return [[room.strip() for room in floor.split("|")] for floor in contract["layers"]]


def graph() -> grimp.ImportGraph:
    """The imports between modules, also those inside functions and for types alone."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def room(module: str) -> str:
    """`bootstrap.stores.base` is in `stores`, and `bootstrap.cli` in `cli`."""
    return module.split(".")[1] if "." in module else module


def imports(found: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    """Which module imports which."""
    for module in sorted(found.modules):
        yield from ((module, other) for other in sorted(found.find_modules_directly_imported_by(module)))


def between_rooms(found: grimp.ImportGraph) -> Mapping[str, set[str]]:
    """The rooms that each room imports from."""
    edges: dict[str, set[str]] = {room(module): set() for module in found.modules if module != PACKAGE}
    for module, other in imports(found):
        if PACKAGE not in {module, other} and room(module) != room(other):
            edges[room(module)].add(room(other))
    return edges


def upwards(found: grimp.ImportGraph, floors: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The imports that run up, or between two rooms of one floor."""
    floor = {name: number for number, names in enumerate(floors) for name in names}
    return [
        (module, other)
        for module, other in imports(found)
        if room(module) != room(other) and floor.get(room(other), len(floor)) <= floor.get(room(module), -1)
    ]


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Sets of more than one name that all reach each other."""
    reached = {name: _reached(name, edges) for name in edges}
    found = {frozenset(other for other in reached[name] if name in reached[other]) for name in edges}
    return sorted(sorted(names) for names in found if len(names) > 1)


def _reached(name: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        if (other := waiting.pop()) not in seen:
            seen.add(other)
            waiting += edges.get(other, ())
    return seen


def functions(files: Iterable[Path]) -> Iterator[tuple[int, str]]:
    """The lines of each function or method, from `def` to its end, and where it stands."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{file}:{node.lineno} {node.name}"


def report(folder: Path) -> Iterator[str]:
    """The figures, a line each. Call it once in a process, before anything has imported the package."""
    package = folder / PACKAGE
    files = {file: len(file.read_bytes().splitlines()) for file in sorted(package.rglob("*.py"))}
    floors, found = layers(folder / "pyproject.toml"), graph()
    modules = {module: found.find_modules_directly_imported_by(module) for module in found.modules}
    loose = [file.stem for file in package.glob("*.py") if file.stem != "__init__"]
    up = upwards(found, floors)
    yield f"rooms            {len({file.relative_to(package).parts[0] for file in files if file.parent != package})}"
    yield f"loose modules    {len(loose)}"
    yield f"imports upwards  {len(up) if floors else 'no contract'}"
    yield from (f"  {module} imports {other}" for module, other in up)
    yield from _circles("rooms", between_rooms(found))
    yield from _circles("modules", modules)
    lengths = sorted(functions(files))
    numbers = [length for length, _ in lengths]
    yield f"functions        {len(numbers)}: median {median(numbers):.0f} lines, p90 {quantiles(numbers, n=10)[-1]:.0f}"
    yield from (f"  {length:3} lines: {where}" for length, where in lengths[:-4:-1])
    yield f"modules          {len(files)}, of which over {LARGE} lines: {sum(lines > LARGE for lines in files.values())}"
    yield from _lines(package, files)


def _circles(what: str, edges: Mapping[str, Iterable[str]]) -> Iterator[str]:
    found = circles(edges)
    yield f"{f'circles, {what}':16} {len(found)}"
    yield from (f"  {' '.join(names)}" for names in found)


def _lines(package: Path, files: Mapping[Path, int]) -> Iterator[str]:
    lines: Counter[str] = Counter()
    for file, number in files.items():
        lines["(loose)" if file.parent == package else file.relative_to(package).parts[0]] += number
    yield f"lines            {lines.total()}"
    yield from (f"  {name:15} {number}" for name, number in lines.most_common())


if __name__ == "__main__":
    checkout = Path(sys.argv[1] if sys.argv[1:] else ".")
    sys.path.insert(0, str(checkout))
    print("\n".join(report(checkout)))  # noqa: T201
