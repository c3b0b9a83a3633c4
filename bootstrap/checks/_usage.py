"""What some work costs this process: time, memory at its peak, temporary disk at its peak. Linux tells of memory."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SELF = Path("/proc/self")
_RESET_PEAK = "5"  # proc_pid_clear_refs(5): VmHWM begins anew at what the process has now
_EVERY = 0.005  # seconds between looks at the disk


@dataclass
class Usage:
    """What it cost; `peak_memory` in bytes beyond what the process had before, None where nobody tells."""

    seconds: float = 0.0
    peak_memory: int | None = None
    peak_disk: int = 0

    def figures(self, size: int) -> dict[str, Any]:
        """For the report, by the names of the JSON report; `size` in bytes is how much was moved."""
        figures: dict[str, Any] = {
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(size / self.seconds) if self.seconds else None,
            "temporary_disk_bytes": self.peak_disk,
        }
        if self.peak_memory is not None:
            figures["peak_memory_bytes"] = self.peak_memory
            figures["peak_memory_per_byte"] = round(self.peak_memory / size, 3)
        return figures


@contextlib.contextmanager
def metered() -> Iterator[Usage]:
    """Measure what is done meanwhile; the figures are there afterwards."""
    usage, over = Usage(), threading.Event()
    disk_before = temporary_disk()

    def watch() -> None:
        while not over.wait(_EVERY):
            usage.peak_disk = max(usage.peak_disk, temporary_disk() - disk_before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    memory_before = None
    with contextlib.suppress(OSError):  # else the peak would be an older one
        (_SELF / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
        memory_before = _status("VmRSS")
    began = time.monotonic()
    try:
        yield usage
    finally:
        usage.seconds = time.monotonic() - began
        peak = _status("VmHWM")
        if memory_before is not None and peak is not None:
            usage.peak_memory = max(0, peak - memory_before)
        over.set()
        watcher.join()


def _status(name: str) -> int | None:
    try:
        text = (_SELF / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def temporary_disk() -> int:
    """Bytes in the files of the temporary folder, and in those that are open there and deleted already."""
    folder = tempfile.gettempdir()
    sizes: dict[tuple[int, int], int] = {}
    for path in (*_named(folder), *_deleted(folder)):
        with contextlib.suppress(OSError):  # gone meanwhile
            status = os.stat(path)  # noqa: PTH116  follows /proc's links to what has no name any more
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _named(folder: str) -> Iterator[str]:
    """`os.walk` calls itself for each level before Python 3.12: others' folders may be deeper than it gets."""
    folders = [folder]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.path


def _deleted(folder: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for number in os.listdir(_SELF / "fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                target = os.readlink(_SELF / "fd" / number)  # noqa: PTH115
                if target.startswith(f"{folder}/") and target.endswith(" (deleted)"):
                    yield str(_SELF / "fd" / number)
