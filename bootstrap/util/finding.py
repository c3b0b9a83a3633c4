"""A finding of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.errors import BootstrapError, Exit


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fix` is the command that fixes it; `exit_code` is OK where nothing is wrong.

    A `warning` is nothing that is missing: the exit code stays as it is.
    """

    subject: str
    message: str
    fix: str = ""
    exit_code: Exit = Exit.OK
    warning: bool = False

    @property
    def ok(self) -> bool:
        """Nothing to fix."""
        return self.exit_code == Exit.OK


def failed(subject: str, err: BootstrapError) -> Finding:
    """An error as what it says about its subject."""
    return Finding(subject, err.message.removeprefix(f"{subject}: "), err.hint, err.exit_code)
