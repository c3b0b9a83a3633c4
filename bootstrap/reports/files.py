"""The report files of a run. They are checked before the run, so that nothing fails after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.errors import BootstrapError, UsageError
from bootstrap.util.special_files import is_special

if TYPE_CHECKING:
    from bootstrap.smoke.report import Report

STDOUT = "-"


@dataclass(frozen=True)
class Files:
    """Where a run's reports go: a FILE for each format of `reports.FORMATS`; `-` is stdout."""

    wanted: Mapping[str, str]

    @property
    def to_stdout(self) -> bool:
        """True if stdout belongs to a report."""
        return STDOUT in self.wanted.values()

    def check(self, manifest: Path) -> None:
        """Raises UsageError for a FILE that can't be written, is the manifest, or is asked for twice."""
        if list(self.wanted.values()).count(STDOUT) > 1:
            raise UsageError("only one report can go to stdout (-)", "give the others a FILE")
        taken = {manifest.resolve(): "the manifest"}
        for name, path in self._paths():
            _require_writable(path)
            if (before := taken.setdefault(Path(os.path.realpath(path)), f"--{name}")) != f"--{name}":
                raise UsageError(f"--{name} {path} is {before}'s file too", "give each a FILE of its own")

    def forget(self) -> None:
        """Remove an earlier run's reports: a run that ends before it has one must not be taken for that.

        Raises UsageError.
        """
        for _, path in self._paths():
            if path.is_file() and not is_special(path):
                try:
                    path.resolve().unlink()
                except OSError as err:
                    raise UsageError(f"can't replace {path}: {err.strerror}", "name another FILE") from err

    def write(self, report: Report, to_stdout: Callable[[str], None]) -> None:
        """Every report that is wanted. Raises BootstrapError for the first that can't be written, after the others."""
        from bootstrap.reports import FORMATS

        failed: list[tuple[Path, OSError]] = []
        for name, file in self.wanted.items():
            text = FORMATS[name](report)
            if file == STDOUT:
                to_stdout(text)
                continue
            try:
                _write(Path(file), text)
            except OSError as err:
                failed.append((Path(file), err))
        if failed:
            path, cause = failed[0]
            raise BootstrapError(f"can't write the report {path}: {cause.strerror}", "name another FILE") from cause

    def _paths(self) -> Iterator[tuple[str, Path]]:
        return ((name, Path(file)) for name, file in self.wanted.items() if file != STDOUT)


def _require_writable(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a FILE in it")
    if is_special(path):
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} for the report {path.name}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"no permission to write into {folder}", "name another FILE")


def _write(path: Path, text: str) -> None:
    from bootstrap.util.files import file_mode, write_atomic
    from bootstrap.util.own_process import users_umask

    write_atomic(path, text, mode=file_mode(path, 0o666 & ~users_umask()))
