"""Zipped DAGs. Airflow takes any file for one that Python's zipfile can open, and imports the modules at its top.

Nothing is unpacked to disk, and nothing beyond the limits into memory, whatever the zip says of itself.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bootstrap.scan.model import Skipped
from bootstrap.scan.sources.source_file import LARGEST, SourceFile, Unreadable, kind_of, size_text

LARGEST_ZIP = 200_000_000  # bytes
MOST_ENTRIES = 20_000
LARGEST_TOGETHER = 100_000_000  # bytes of all that is read from one zip
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, MemoryError),
    *(RuntimeError, NotImplementedError),  # an encrypted member, an unknown compression
)


def is_archive(location: Path) -> bool:
    """True for what Airflow takes for a zip, and for what is named so."""
    try:
        return location.suffix.lower() == ".zip" or zipfile.is_zipfile(location)
    except (OSError, ValueError):
        return False


def members(location: Path, name: str) -> tuple[list[SourceFile], list[Skipped]]:
    """The Python files of a zip that the scan calls `name`. Raises Unreadable for one that isn't any, or is too large."""
    try:
        size = location.stat().st_size
        if size > LARGEST_ZIP:
            raise Unreadable(f"{size_text(size)}; zips over {size_text(LARGEST_ZIP)} aren't read")
        with zipfile.ZipFile(location) as archive:
            return _read(archive, location, name)
    except _BROKEN as err:
        raise Unreadable(f"no zip that can be read ({type(err).__name__})") from err


def _read(archive: zipfile.ZipFile, location: Path, name: str) -> tuple[list[SourceFile], list[Skipped]]:
    files: dict[str, SourceFile] = {}
    skipped = []
    left = LARGEST_TOGETHER
    for info in _python_members(archive):
        path = f"{name}/{info.filename}"
        try:
            data = _member(archive, info, left)
        except Unreadable as err:
            skipped.append(Skipped(path, err.message))
            continue
        left -= len(data)
        files[path] = SourceFile(path, "python", location, data, top="/" not in info.filename)
    if len(archive.infolist()) > MOST_ENTRIES:
        skipped.append(Skipped(name, f"{len(archive.infolist())} entries; only the first {MOST_ENTRIES} are read"))
    return list(files.values()), skipped


def _python_members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    for info in archive.infolist()[:MOST_ENTRIES]:
        parts = PurePosixPath(info.filename).parts
        if not info.is_dir() and kind_of(Path(info.filename)) == "python" and ".." not in parts and parts[0] != "/":
            yield info


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> bytes:
    limit = min(LARGEST["python"], left)
    try:
        with archive.open(info) as file:
            data = file.read(limit + 1)
    except _BROKEN as err:
        raise Unreadable(f"can't be unpacked ({type(err).__name__})") from err
    if len(data) > LARGEST["python"]:
        raise Unreadable(f"unpacks to more than {size_text(LARGEST['python'])}")
    if len(data) > limit:
        raise Unreadable(f"more than {size_text(LARGEST_TOGETHER)} are unpacked from one zip")
    return data
