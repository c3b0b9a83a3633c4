"""What can go wrong, in the words of the last line that a user reads.

An error says where and what (`message`) and the next step (`hint`); its `exit_code` is the one in the manual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1  # a check failed, a secret is missing or malformed, drift, or nothing was checked
    USAGE = 2  # the command line or the manifest
    STORE = 3  # a secret store was unreachable, sealed or refused
    AIRFLOW = 4  # the Airflow environment is not usable
    BUG = 70
    INTERRUPTED = 130


class BootstrapError(Exception):
    """An expected failure: a sentence for the user, never a traceback.

    `parts`: where it sums up several failures, each of them. `line`: where it stands in the manifest, 0 if nowhere.
    """

    exit_code: Exit = Exit.FAILED
    parts: Sequence[BootstrapError] = ()
    line: int = 0

    def __init__(self, message: str, hint: str = "", exit_code: Exit | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(BootstrapError):
    """The command line asks for something that can't be."""

    exit_code = Exit.USAGE


class ManifestError(BootstrapError):
    """bootstrap.yaml is missing, unreadable or wrong."""

    exit_code = Exit.USAGE


class PluginError(BootstrapError):
    """A store, target, issuer or check that another package adds can't be used."""

    exit_code = Exit.USAGE


class AirflowError(BootstrapError):
    """Airflow is missing, broken or not initialised."""

    exit_code = Exit.AIRFLOW


class Busy(BootstrapError):
    """Another run holds the lock."""


class StoreError(BootstrapError):
    """A secret store did not do what it was asked. One child for each cause; they are never mixed up."""


class NotFound(StoreError):
    """The store answered: there is no such secret, version or field."""


class IllegalName(NotFound):
    """No secret of this store can have this name; the store was not asked."""


class Malformed(StoreError):
    """The secret is there, and is not what was expected."""


class Undecryptable(Malformed):
    """It is there, encrypted with another Fernet key than Airflow has."""


UNDECRYPTABLE = "can't be decrypted with this [core] fernet_key"
OLD_KEY = "put the key that encrypted it second: [core] fernet_key = NEW,OLD"
RESTORE_KEY = f"{OLD_KEY}, then airflow rotate-fernet-key; if that key is lost: airflow-bootstrap register --overwrite"


class Empty(Malformed):
    """The secret is there, and its value is the empty string."""


class Conflict(StoreError):
    """Somebody else changed the secret since it was read."""


class Denied(StoreError):
    """The store refused: the credential is wrong, expired, or not allowed to do this."""

    exit_code = Exit.STORE


class FileDenied(Denied):
    """A file of the user's can't be read or written: no store had a say in it."""

    exit_code = Exit.FAILED


class Unavailable(StoreError):
    """The store could not be reached, is sealed, or failed."""

    exit_code = Exit.STORE


class IssuerError(BootstrapError):
    """Who mints keys did not do what it was asked."""


class IssuerDenied(IssuerError):
    """The issuer refused, for good or until something is fixed: it has done nothing."""


class IssuerUnavailable(IssuerError):
    """The issuer could not be reached, or failed: it may or may not have done what it was asked."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


@dataclass(frozen=True)
class Finding:
    """One thing that `doctor` looked at. `fix` is the command that fixes it; `exit_code` is OK where nothing is wrong.

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
