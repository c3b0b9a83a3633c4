"""What the two issuers of a Vault have in common: requests through a store's log-in, and keys that go by an accessor.

Facts: developer.hashicorp.com/vault/api-docs/auth/approle and …/auth/token; the answers to what is gone differ by version, and
were seen with OpenBao 2.7.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, IssuerDenied, IssuerError, IssuerUnavailable, ManifestError, NotFound, StoreError
from bootstrap.issuers.base import WINDOW, Attempt, KeyInfo, Surroundings
from bootstrap.stores.vault.errors import errors_of
from bootstrap.stores.vault.kv import Kv
from bootstrap.stores.vault.session import Act, Session
from bootstrap.util import durations

if TYPE_CHECKING:
    import hvac

_AT_ONCE = 8  # look-ups
_GONE = re.compile(  # with status 400, 403, 404 or 500
    r"(1 error occurred: \* )?(bad token|invalid accessor|failed to find accessor entry .*)"
)
_ZERO = "0001-01-01"  # a time that isn't set
_CHECK_URL = "check the store's url, and run this again"


class Missing(IssuerDenied):
    """The server answered: there is none."""


class Vault:
    """The server of a store. Every method raises IssuerDenied (Missing) or IssuerUnavailable."""

    def __init__(self, name: str, session: Session) -> None:
        self.name = name
        self._session = session

    def where(self, path: str) -> str:
        """What a message is about."""
        return f"store {self.name}, {path}"

    def listed(self, path: str, *, capability: str = "list") -> Sequence[str]:
        """The keys below `path`, which ends in a slash."""
        try:
            answer = self._ask(path, capability, lambda client: client.adapter.list(f"/v1/{path}"))
        except Missing:
            return ()
        keys = self.part(answer, "data", path).get("keys")
        if not isinstance(keys, list):
            raise IssuerUnavailable(f"{self.where(path)}: the answer has no keys: not that of a Vault", _CHECK_URL)
        return tuple(keys)

    def read(self, path: str) -> Mapping[str, Any]:
        """What is at `path`."""
        return self.part(self._ask(path, "read", lambda client: client.adapter.get(f"/v1/{path}")), "data", path)

    def look_up(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the server knows of what `body` names; None: nothing."""
        try:
            answer = self._ask(path, "update", lambda client: client.adapter.post(f"/v1/{path}", json=body))
        except Missing:
            return None
        return self.part(answer, "data", path) if answer else None

    def destroy(self, path: str, body: Mapping[str, Any]) -> None:
        """Take away what `body` names; it may be gone."""
        with contextlib.suppress(Missing):
            self._ask(path, "update", lambda client: client.adapter.post(f"/v1/{path}", json=body), writes=True)

    def create(self, attempt: Attempt, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request that is not sent late, nor again unless the server surely did nothing."""

        def send(client: hvac.Client) -> Any:
            if datetime.now(timezone.utc) > attempt.since + timedelta(seconds=WINDOW):
                message = f"{self.where(path)}: no key was asked for within {WINDOW:.0f} s"
                raise IssuerUnavailable(message, "run this again")
            return client.adapter.post(f"/v1/{path}", json=body)

        return self._ask(path, "update", send, writes=True)

    def part(self, answer: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
        """`data` or `auth` of an answer."""
        found = answer.get(name)
        if not isinstance(found, dict):
            raise IssuerUnavailable(f"{self.where(path)}: the answer has no {name}: not that of a Vault", _CHECK_URL)
        return found

    def text(self, part: Mapping[str, Any], name: str, path: str) -> str:
        """One value of an answer."""
        found = part.get(name)
        if not isinstance(found, str) or not found:
            raise IssuerUnavailable(f"{self.where(path)}: the answer has no {name}", _CHECK_URL)
        return found

    def _ask(
        self, path: str, capability: str, send: Callable[[hvac.Client], Any], *, writes: bool = False
    ) -> Mapping[str, Any]:
        act = Act(self.where(path), capability, path, writes=writes)
        try:
            return self._session.ask(act, send)
        except StoreError as err:
            raise _as_issuers(act, err) from err


def vault_of(store: str, surroundings: Surroundings) -> Vault:
    """The server of a store of the manifest; sends no request. Raises ManifestError for a store of another kind."""
    opened = surroundings.store(store)
    if not isinstance(opened, Kv):
        message = f"store {store} is no Vault, so it can't mint this key"
        raise ManifestError(message, "name a store of kind vault or embedded")
    return Vault(store, opened.session)


def _as_issuers(act: Act, err: StoreError) -> IssuerError:
    """What a store's failure is to an issuer. A Vault that answers 400 or 404 has understood, and done nothing."""
    import hvac.exceptions as vault

    cause: Any = err.__cause__
    errors = errors_of(cause) if isinstance(cause, vault.VaultError) else None
    if errors is None:  # nobody answered, or no Vault
        kind = IssuerDenied if isinstance(err, Denied) else IssuerUnavailable
        return kind(err.message, err.hint)
    said = " ".join(foreign("; ".join(errors)).split())
    if (isinstance(err, NotFound) and not said) or _GONE.fullmatch(said):
        return Missing(f"{act.where}: there is none", "check its name in the manifest")
    if isinstance(err, Denied):
        return IssuerDenied(err.message, err.hint)
    if isinstance(cause, vault.InvalidPath | vault.InvalidRequest):
        message = f"{act.where}: the server refused: {said}"
        return IssuerDenied(message, "correct `rotate` in the manifest, or the server")
    return IssuerUnavailable(err.message, err.hint)


@dataclass(frozen=True)
class Api:
    """Where a kind of key is listed, looked up and destroyed by its accessor, and what the API calls its parts.

    `mark` is what the metadata of a key calls the rotation that made it. It differs by kind: whoever logs in with a
    secret_id gets a token with the secret_id's metadata. `listing` is the capability that a policy must allow to list.
    """

    noun: str
    list: str
    look_up: str
    destroy: str
    accessor: str
    metadata: str
    mark: str
    expires: str
    listing: str = "list"


class ByAccessor:
    """An issuer's part about keys that are there. An accessor names a key, and is no secret: it lets nobody in."""

    can_disable = False  # a Vault destroys a key, or leaves it as it is

    def __init__(self, vault: Vault, api: Api, account: str) -> None:
        self.account = account
        self._vault = vault
        self._api = api

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """Those whose metadata names this run: nobody else's have it."""
        others = {*attempt.known, attempt.current}
        return [
            key_id for key_id, about in self._all(others) if self._metadata(about).get(self._api.mark) == attempt.run
        ]

    def keys(self) -> Sequence[KeyInfo]:
        """Those that are there, and therefore work. A Vault doesn't tell when one was used."""
        return [
            KeyInfo(key_id, "enabled", moment(about.get("creation_time")), moment(about.get(self._api.expires)))
            for key_id, about in self._all()
            if self._is_own(key_id, about)
        ]

    def _is_own(self, _key_id: str, _about: Mapping[str, Any]) -> bool:
        """Whether a key that is listed is of the account."""
        return True

    def disable(self, key_id: str) -> None:
        """Nothing does that. Raises IssuerDenied for a key that is there."""
        if self._about(key_id) is not None:
            message = f"{self._named(key_id)}: a Vault can't disable it, only destroy it"
            raise IssuerDenied(message, "destroy it instead")

    def enable(self, key_id: str) -> None:
        """It never was anything else."""
        if self._about(key_id) is None:
            raise IssuerDenied(f"{self._named(key_id)} is gone: nothing brings it back", "issue a new one")

    def destroy(self, key_id: str) -> None:
        """At once, and for good."""
        self._vault.destroy(self._api.destroy, {self._api.accessor: key_id})

    def _named(self, key_id: str) -> str:
        return f"store {self._vault.name}: the {self._api.noun} with accessor {key_id}"

    def _about(self, key_id: str) -> Mapping[str, Any] | None:
        return self._vault.look_up(self._api.look_up, {self._api.accessor: key_id})

    def _all(self, but: Collection[str | None] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each key that is listed, with what the server knows of it; what ends meanwhile is left out."""
        listed = self._vault.listed(self._api.list, capability=self._api.listing)
        ids = [key_id for key_id in listed if key_id not in but]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vault-keys") as pool:
            for key_id, about in zip(ids, pool.map(self._about, ids), strict=True):
                if about is not None:
                    yield key_id, about

    def _metadata(self, about: Mapping[str, Any]) -> Mapping[str, Any]:
        return about.get(self._api.metadata) or {}


def moment(text: object) -> datetime | None:
    """A Vault's time, as text or in seconds; None for one that isn't set."""
    if isinstance(text, int):
        return datetime.fromtimestamp(text, timezone.utc)
    with contextlib.suppress(ValueError):
        return durations.moment(text) if isinstance(text, str) and not text.startswith(_ZERO) else None
    return None


def end(begin: datetime, seconds: object) -> datetime | None:
    """When what lasts so long ends; 0: never."""
    return begin + timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else None
