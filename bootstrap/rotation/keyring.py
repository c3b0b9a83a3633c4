"""Every key that the manifest says how to rotate, with its journal and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from bootstrap.errors import BootstrapError, UsageError
from bootstrap.issuers.kind import KnowsKeyless
from bootstrap.manifest.models import FernetKey as FernetSpec
from bootstrap.rotation import backend_credential
from bootstrap.rotation.backend_credential import BackendSubject
from bootstrap.rotation.connection_key import ConnectionSubject
from bootstrap.rotation.engine import Engine
from bootstrap.rotation.fernet import rotatable as fernet_key
from bootstrap.rotation.fernet.rotatable import FernetKey
from bootstrap.rotation.journal import Document, Journal, now
from bootstrap.rotation.rotatable import Subject, Voice
from bootstrap.rotation.status import Item, State
from bootstrap.rotation.steps import due

if TYPE_CHECKING:
    from bootstrap.airflow.environment import Environment
    from bootstrap.desired.resolve import SecretReader
    from bootstrap.manifest.loader import Manifest
    from bootstrap.smoke.run import Settings


Rotatable: TypeAlias = ConnectionSubject | BackendSubject


@dataclass
class Keyring:
    """The manifest's keys; each is opened when it is asked for."""

    manifest: Manifest
    environment: Environment
    secrets: SecretReader
    settings: Settings
    say: Callable[[str], None]

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever can be rotated, in the manifest's order; Airflow's own credential last."""
        own = (backend_credential.NAME,) if self.manifest.backend_rotation is not None else ()
        fernet = (fernet_key.NAME,) if self.manifest.airflow.fernet_key is not None else ()
        return (*self.manifest.rotations, *own, *fernet)

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Those of these names; all without names. Raises UsageError."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            known = ", ".join(self.names) or "none"
            raise UsageError(f"the manifest rotates no {', '.join(unknown)}", f"it rotates: {known}")
        if not self.names:
            hint = "say how, beside a connection: rotate: {issuer: …, every: 90d, grace: 48h}; see docs/rotation.md"
            raise UsageError("the manifest has nothing to rotate", hint)
        return list(dict.fromkeys(names or self.names))

    def engine(self, name: str, voice: Voice, *, despite_use: bool) -> Engine | FernetKey:
        """What rotates one of them. Raises StoreError, IssuerError, ManifestError."""
        if name == fernet_key.NAME:
            return self.fernet_key()
        subject = self.subject(name)
        return Engine(subject, self.journal(subject), voice, despite_use=despite_use)

    def fernet_key(self) -> FernetKey:
        """Airflow's own key."""
        return FernetKey(self.environment, self.manifest.airflow.fernet_key or FernetSpec(), self.say)

    def subject(self, name: str) -> Rotatable:
        """A key that is in a store."""
        kind: type[Rotatable] = BackendSubject if name == backend_credential.NAME else ConnectionSubject
        return kind(self.manifest, self.environment, name, self.secrets, self.settings, self.say, self.journaled)

    def item(self, name: str) -> Item:
        """What is known of a key. What can't be asked is in the item's `error`."""
        if name == fernet_key.NAME:
            return self.fernet_key().item()
        subject = self.subject(name)
        kind = subject.kind
        known = Item(
            name=subject.name,
            issuer=subject.issuer_name,
            place=f"{subject.store_name}:{subject.path}",
            state="unknown",
            keyless=kind.KEYLESS if isinstance(kind, KnowsKeyless) else "",
        )
        try:
            known = replace(known, account=subject.issuer.account)
            document = self.journal(subject).look()
            stored = subject.store.read(subject.path)
            fields = subject.fields_of(stored)
        except BootstrapError as err:
            return replace(known, error=err)
        known = replace(known, journal=document, version=stored.version)
        try:
            key, keys = subject.issuer.identify(fields), subject.issuer.keys()
        except BootstrapError as err:
            key, keys, known = None, (), replace(known, error=err)
        info = next((each for each in keys if each.id == key), None)
        since = document.rotated or (info.created if info else None) or stored.created
        every = subject.spec.options.every
        upcoming = since + every if since is not None and every is not None else None
        state, until = _state(document, subject.grace)
        if state == "good" and every is not None and (upcoming is None or upcoming < now()):
            state = "overdue"  # a key whose age nobody knows can't be shown to be young enough
        return replace(
            known,
            key=key,
            keys=tuple(keys),
            since=since,
            expires=info.expires if info else None,
            next=upcoming,
            grace_until=until,
            state=state,
        )

    def journal(self, subject: Subject) -> Journal:
        """The journal of one, not read yet."""
        place = f"{subject.store_name}:{subject.path}"
        new = Document(place=place, issuer=subject.issuer_name, account=subject.issuer.account)
        return Journal(subject.store, subject.store_name, subject.path, new)

    def journaled(self, account: str, place: str) -> frozenset[str]:
        """The ids of this account's keys in the journals of other secrets than the one at `place`."""
        subjects = (self.subject(name) for name in self.names if name != fernet_key.NAME)
        documents = (self.journal(each).look() for each in subjects if f"{each.store_name}:{each.path}" != place)
        return frozenset(key for document in documents if document.account == account for key in document.keys)


def _state(document: Document, grace: timedelta) -> tuple[State, datetime | None]:
    """What the journal says of it, and until when both keys work, in a grace; whether it is overdue isn't asked."""
    rotation = document.rotation
    if rotation is None:
        return "good", None
    if rotation.step != "grace" or not rotation.promoted:
        return "unfinished", None
    until = due(rotation, grace)
    return "grace" if now() < until else "grace over", until
