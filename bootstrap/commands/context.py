"""What commands share: the manifest, its stores and its Airflow, each loaded on first use."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.errors import UsageError
from bootstrap.terminal.console import Console

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bootstrap.airflow.environment import Environment
    from bootstrap.desired.resolve import SecretReader
    from bootstrap.manifest.loader import Manifest

LOCK_TIMEOUT = 5.0  # seconds


@dataclass
class App:
    """One invocation of the command line."""

    file: Path
    profile: str | None
    allow_plaintext: bool
    console: Console
    concurrency: int

    @cached_property
    def manifest(self) -> Manifest:
        """Raises ManifestError."""
        from bootstrap.manifest.loader import load

        profile = f" with profile {self.profile}" if self.profile is not None else ""
        self.console.detail(f"manifest {self.file.absolute()}{profile}")
        return load(self.file, profile=self.profile, allow_plaintext=self.allow_plaintext)

    @cached_property
    def environment(self) -> Environment:
        """The Airflow of the manifest."""
        from bootstrap.airflow.environment import installed_version, locate

        found = locate(self.manifest)
        if self.console.verbose:
            self.console.detail(
                f"Airflow {installed_version() or '(not installed)'}, home {found.home}, {found.config}"
            )
        return found

    @cached_property
    def secrets(self) -> SecretReader:
        """The manifest's stores, read at most once."""
        from bootstrap.desired.resolve import SecretReader

        return SecretReader(self.manifest, self.concurrency)

    def keep_out_of_git(self, file: Path, pattern: str = "") -> None:
        """Have git ignore a file that is about to get secrets, and say so. Its folder is there."""
        from bootstrap.util import git

        notice = git.keep_out(file, pattern)
        if notice is not None:
            (self.console.warn if notice.warning else self.console.note)(notice.text)

    def reveal(self, text: str) -> None:
        """Secrets to stdout; where that is a file (`> FILE`), as for any other."""
        from bootstrap.util.special_files import file_behind

        if file := file_behind(sys.stdout.fileno()):
            self.keep_out_of_git(file)
        self.console.reveal(text)

    def write(self, file: Path, text: str | bytes, mode: int = 0o600) -> None:
        """A file that the user asked for, in one step. Raises UsageError."""
        from bootstrap.util.files import write_atomic

        try:
            write_atomic(file, text, mode=mode)
        except OSError as err:
            raise UsageError(f"can't write {file}: {err.strerror}", "check the permissions of its folder") from err

    def alone(self) -> AbstractContextManager[None]:
        """Keeps a second run that writes out. Raises Busy."""
        from bootstrap.util.files import locked

        lock = self.environment.state / "run.lock"
        return locked(lock, timeout=LOCK_TIMEOUT, busy=f"another airflow-bootstrap works on {self.file}")
