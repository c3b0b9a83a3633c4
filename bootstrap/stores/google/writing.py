"""Check-and-set for Google Secret Manager, which has none for versions.

Adding a version takes no etag, and changes none. So a writer first leaves a mark in the secret's annotations, by an
update that names the etag it has read: "I am about to write version 3". Of two writers at once one gets the mark; the
other sees it, and waits for version 3 to appear. A mark is spent once its version is there, so nobody has to remove it.
A writer that was killed before that holds the others up for `LEASE` seconds, as they count them, and no longer; one that
comes back later than that doesn't write. Who deletes waits for a mark in the same way, and names the etag that he has read.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bootstrap.errors import Conflict, Denied, NotFound, Unavailable
from bootstrap.stores.base import Version
from bootstrap.stores.google.client import TIMEOUT, Client
from bootstrap.stores.place import Place
from bootstrap.util.retrying import retried

MARK = "airflow-bootstrap-writes"
LEASE = 30.0  # seconds that a mark keeps others from writing
_POLL = 0.5  # seconds between two looks at somebody else's mark


@dataclass
class _Changing:
    """One change of one secret, `name` in full."""

    client: Client
    place: Place
    name: str
    lease: float = field(default=LEASE, kw_only=True)
    nonce: str = field(default_factory=lambda: secrets.token_hex(8), kw_only=True)

    def _unmarked(self, expect: Version | None) -> Iterator[tuple[Any, int, float]]:
        """The secret, the number of its next version, and when we asked: each time that nobody else is about to write it.

        Ends when that was so for long enough. Raises Conflict if the newest version is not what we expect.
        """
        seen, since = "", time.monotonic()
        end = since + 2 * self.lease
        while time.monotonic() < end:
            now = time.monotonic()
            secret = self._secret()
            number = self._next(expect)
            mark = secret.annotations.get(MARK, "")
            if mark != seen:
                seen, since = mark, now
            if mark.startswith(f"{number} ") and mark != f"{number} {self.nonce}" and now - since < self.lease:
                time.sleep(_POLL)
            else:
                yield secret, number, now

    def _secret(self) -> Any:
        try:
            return self.client.ask(self.place, "get_secret", {"name": self.name})
        except NotFound as err:
            raise self._deleted() from err

    def _deleted(self) -> Conflict:
        return self.place.conflict("somebody else deleted it meanwhile")

    def _next(self, expect: Version | None) -> int:
        """The number of the version that we would write. Raises Conflict if the newest one is not what we expect."""
        newest = newest_version(self.client, self.place, self.name)
        number = 0 if newest is None else int(number_of(newest))
        readable = newest is not None and newest.state.name == "ENABLED"
        if readable != (expect is not None) or (readable and str(number) != expect):
            raise self.place.conflict()
        return number + 1


@dataclass
class Deleting(_Changing):
    """The end of one secret."""

    def delete(self, expect: Version) -> None:
        """Delete it if the newest version still is `expect`, and nobody is about to write another. Raises Conflict."""
        from google.api_core.exceptions import Aborted, FailedPrecondition

        for secret, _, _ in self._unmarked(expect):
            request = {"name": self.name, "etag": secret.etag}
            try:
                self.client.ask(self.place, "delete_secret", request, let=(FailedPrecondition, Aborted))
            except (FailedPrecondition, Aborted):
                continue
            except NotFound:  # somebody else was first, or the answer to an earlier attempt was lost
                pass
            return
        raise self.place.conflict("somebody else is writing it all the time")


@dataclass
class Writing(_Changing):
    """One write of one secret; `new` is how it is made."""

    payload: Any
    new: Any

    def write(self, expect: Version | None) -> Version:
        """Add a version if the newest one still is `expect` (None: there is none that can be read). Raises Conflict."""
        if expect is not None or not self._create():
            number, since = self._mark(expect)
        else:
            number, since = 1, time.monotonic()
        return self._add(number, since)

    def _create(self) -> bool:
        """Make the secret, with our mark; False if it is there. Who may not create one may write those that are there."""
        from google.api_core.exceptions import AlreadyExists

        self.new.annotations[MARK] = f"1 {self.nonce}"
        parent, _, secret_id = self.name.partition("/secrets/")
        request = {"parent": parent, "secret_id": secret_id, "secret": self.new}
        try:
            self.client.ask(self.place, "create_secret", request, let=(AlreadyExists,))
        except AlreadyExists:
            return False
        except Denied:
            if not self._exists():
                raise
            return False
        return True

    def _exists(self) -> bool:
        try:
            self.client.ask(self.place, "get_secret", {"name": self.name})
        except (NotFound, Denied):
            return False
        return True

    def _mark(self, expect: Version | None) -> tuple[int, float]:
        """Get the mark for the next version; its number, and since when we have it at the latest."""
        for secret, number, now in self._unmarked(expect):
            mark = f"{number} {self.nonce}"
            if secret.annotations.get(MARK) == mark or self._update(secret, mark):
                return number, now
        raise self.place.conflict("somebody else is writing it all the time")

    def _update(self, secret: Any, mark: str) -> bool:
        """Write our mark into the secret that was read; False if it was changed since then."""
        from google.api_core.exceptions import Aborted, FailedPrecondition

        changed = {"name": self.name, "etag": secret.etag, "annotations": {**secret.annotations, MARK: mark}}
        request = {"secret": changed, "update_mask": {"paths": ["annotations"]}}
        try:
            self.client.ask(self.place, "update_secret", request, let=(FailedPrecondition, Aborted))
        except (FailedPrecondition, Aborted):
            return False
        except NotFound as err:
            raise self._deleted() from err
        return True

    def _add(self, number: int, since: float) -> Version:
        """Add the version while the mark is ours. The answer may get lost on its way: then look before adding it again."""
        from google.api_core import exceptions as api

        left = since + self.lease - time.monotonic()
        if left < self.lease / 2:
            raise Unavailable(f"{self.place}: too slow to write it safely; nothing was written", "run this again")
        attempts = 0

        def attempt() -> str:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and self._arrived(number):
                return str(number)
            request = {"parent": self.name, "payload": self.payload}
            return number_of(self.client.once("add_secret_version", request, timeout=min(TIMEOUT, left / 2)))

        def after(err: BaseException) -> float | None:
            blips = api.ServiceUnavailable | api.InternalServerError | api.TooManyRequests
            return 0.0 if isinstance(err, blips) else None

        try:
            added = retried(attempt, after, give_up=left / 2)
        except Exception as err:
            if not self._arrived(number):
                failure = self.client.failure(self.place, err)
                raise (self._deleted() if isinstance(failure, NotFound) else failure) from err
            added = str(number)
        if added != str(number):
            raise self.place.overtaken(str(number), added)
        return added

    def _arrived(self, number: int) -> bool:
        """True if the version that we added is there after all."""
        try:
            answer = self.client.attempt("access_secret_version", {"name": f"{self.name}/versions/{number}"})
        except Exception:
            return False
        return bool(answer.payload.data == self.payload.data)


def newest_version(client: Client, place: Place, name: str) -> Any:
    """The newest version of a secret, whatever its state; None if it has none."""
    try:
        return client.ask(place, "get_secret_version", {"name": f"{name}/versions/latest"})
    except NotFound:
        return None


def number_of(version: Any) -> str:
    """The number at the end of a version's name."""
    return str(version.name.rpartition("/")[2])
