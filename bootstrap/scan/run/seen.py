"""Where records of one DAG file go, each at once, so that a crash loses none. One process parses one file."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import FrameType
from typing import TextIO

from bootstrap.scan.run.job import Need

_MOST_FRAMES = 12
_FOREIGN = ("/site-packages/", "/dist-packages/", "<frozen", "<string>")
_NOT_THE_PROJECTS = (sysconfig.get_path("stdlib"), str(os.path.dirname(os.path.dirname(__file__))))  # noqa: PTH120


@dataclass
class _Sink:
    """`file` is the DAG file that is parsed, relative to `folder`."""

    out: TextIO
    folder: str
    file: str
    roots: tuple[str, ...]
    types: Mapping[str, str]
    told: set[str] = field(default_factory=set)


_sinks: list[_Sink] = []


def begin(out: TextIO, folder: str, file: str, roots: tuple[str, ...], types: Mapping[str, str]) -> None:
    """From now on, records are this file's. `roots` are the folders with the project's code."""
    _sinks[:] = [_Sink(out, folder, file, roots, types)]


def types() -> Mapping[str, str]:
    """The conn_types that are known."""
    return _sinks[-1].types if _sinks else {}


def record(kind: str, name: str, frame: FrameType | None) -> None:
    """Something was looked up; `frame` is in what asks."""
    if _sinks and isinstance(name, str):
        frames, by = path_to(frame)
        write(Need(kind, name, by, frames))  # type: ignore[arg-type]  # one of its three


def write(need: Need) -> None:
    """Once each."""
    say(**{**asdict(need), "frames": need.frames or [(_sinks[-1].file, 1)]})


def say(**what: object) -> None:
    """A line about this file."""
    sink = _sinks[-1]
    line = json.dumps(what)
    if line not in sink.told:
        sink.told.add(line)
        sink.out.write(f"{line}\n")
        sink.out.flush()


def path_to(frame: FrameType | None) -> tuple[tuple[tuple[str, int], ...], str]:
    """The project's lines that led to a frame, innermost first, and what they called: `BaseHook.get_connection`."""
    frames: list[tuple[str, int]] = []
    called = ""
    while frame is not None and len(frames) < _MOST_FRAMES:
        found = place(frame)
        if found is not None:
            frames.append(found)
        elif not frames:
            called = _name(frame)
        frame = frame.f_back
    return tuple(frames), called


def place(frame: FrameType) -> tuple[str, int] | None:
    """File and line of a frame in the project's code; None for another."""
    name = frame.f_code.co_filename
    if not _sinks or any(part in name for part in _FOREIGN) or name.startswith(_NOT_THE_PROJECTS):
        return None
    sink = _sinks[-1]
    if not name.startswith(tuple(f"{root}/" for root in (sink.folder, *sink.roots))):
        return None
    return os.path.relpath(name, sink.folder), frame.f_lineno


def _name(frame: FrameType) -> str:
    owner = frame.f_locals.get("cls", frame.f_locals.get("self"))
    title = owner.__name__ if isinstance(owner, type) else type(owner).__name__ if owner is not None else ""
    name = frame.f_code.co_name
    return title if title and name == "__init__" else f"{title}.{name}".lstrip(".")


def caller() -> FrameType:
    """Who called the function that asks this."""
    return sys._getframe(2)  # noqa: SLF001
