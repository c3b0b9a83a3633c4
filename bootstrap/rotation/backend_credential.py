"""The credential with which Airflow itself reads its secrets backend: kept in a store, and in a file on each machine of Airflow's."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bootstrap.airflow.environment import Environment, require_airflow
from bootstrap.domain.secret import Secret
from bootstrap.errors import Conflict, ManifestError, UsageError
from bootstrap.manifest.key_place import KeyPlace
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import RotateSpec, StoreSpec
from bootstrap.render import cfg_file, verify
from bootstrap.render.settings import settings
from bootstrap.rotation.candidate import Content, require_place
from bootstrap.rotation.rotatable import Proof
from bootstrap.rotation.stored_key import StoredKey
from bootstrap.rotation.verification import Prover
from bootstrap.smoke.run import select
from bootstrap.stores.base import Stored
from bootstrap.stores.credential import Credential, PlainCredential
from bootstrap.util import git
from bootstrap.util.files import write_atomic

NAME = "airflow:backend"  # no conn_id has a colon


class BackendSubject(StoredKey):
    """See `Subject`. The secret at `keep` is where the credential is the same for every machine."""

    @property
    def spec(self) -> RotateSpec:
        """What the manifest says. Raises ManifestError if it says nothing."""
        if self.manifest.backend_rotation is None:
            raise ManifestError(f"{self.manifest.file}: backend: there is no `rotate:`", "see docs/rotation.md")
        return self.manifest.backend_rotation

    @property
    def place(self) -> KeyPlace:
        """Where the credential is kept."""
        if self.spec.keep is None:
            hint = 'keep: {secret: "STORE:PATH#FIELD"}: where every machine and every run finds it'
            raise ManifestError(f"{self.manifest.file}: backend.rotate: the key `keep` is missing", hint)
        return KeyPlace(self.spec.keep, {self.kind.fields(self.spec.options)[-1]: self.spec.keep.field})

    def require(self) -> None:
        """Raises UsageError without a check to prove it by; Conflict if the file holds another one; StoreError, AirflowError."""
        if not select(self.manifest, []):
            raise UsageError(f"{self.name}: nothing would prove it: no connection has checks", "give one checks")
        require_place(self.name, self.store, self.store_name)
        require_airflow(self.environment)
        kept = self._value(self.store.read(self.path))
        if self._credential.read(str(self._backend_store), self.manifest.folder) != Secret(kept.unmasked().strip()):
            message = f"{self.name}: {self._file} holds another credential than {self.place.reference}"
            raise Conflict(message, f"airflow-bootstrap store put {self.place.reference} --from-file {self._file}")

    def prove(self, candidate: Content) -> Proof:
        """All checks, in processes whose backend logs in with the candidate, which they get through a pipe."""
        manifest = self._with(PlainCredential(self._value(candidate.stored())))
        found = settings(manifest)
        kwargs = {"AIRFLOW__SECRETS__BACKEND_KWARGS": found.secrets}
        kwargs |= {"AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": found.workers}
        more = {name: json.dumps(part.kwargs) for name, part in kwargs.items() if part is not None}
        environment = replace(self.environment, variables={**self.environment.variables, **more})
        return self._prover(manifest, environment).live()

    def publish(self) -> None:
        """Into the file of this machine, and where it is inline, into airflow.cfg. Raises OSError, AirflowError."""
        value = self._value(self.store.read(self.path)).unmasked()
        if not self._file.exists() or self._file.read_text(encoding="utf-8").strip() != value.strip():
            if notice := git.keep_out(self._file):
                self.say(notice.text)
            write_atomic(self._file, value)
        found = settings(self.manifest)
        rendering = cfg_file.render(found, self.environment.config)
        if rendering.changed:
            verify.write_verified(rendering, found, self.environment)

    def prove_live(self) -> Proof:
        """All checks, as Airflow runs them."""
        return self._prover(self.manifest, self.environment).live()

    def _value(self, stored: Stored) -> Secret:
        return next(iter(self.fields_of(stored).values()))

    def _prover(self, manifest: Manifest, environment: Environment) -> Prover:
        blame = ("store_denied",)
        return Prover(manifest, environment, select(manifest, []), self.settings, self.say, blame)

    @property
    def _backend_store(self) -> str | None:
        return self.manifest.backend.store if self.manifest.backend is not None else None

    @property
    def _options(self) -> Any:
        if self._backend_store is None:
            message = f"{self.manifest.file}: backend.rotate is for a backend with a `store`"
            raise ManifestError(message, "see docs/rotation.md")
        return self.manifest.stores[self._backend_store].options

    @cached_property
    def _credential_name(self) -> str:
        """The one field of the store's `auth` that is a credential."""
        auth = getattr(self._options, "auth", None)
        named = type(auth).model_fields if isinstance(auth, BaseModel) else {}
        found = [name for name in named if isinstance(getattr(auth, name), Credential | PlainCredential)]
        if len(found) != 1:
            message = f"{self.name}: the auth of store {self._backend_store} has no credential to rotate"
            raise ManifestError(message, "it is for an AppRole's secret_id, a token or a key in a file")
        return found[0]

    @property
    def _credential(self) -> Credential:
        found = getattr(self._options.auth, self._credential_name)
        if not isinstance(found, Credential) or found.file is None:
            message = f"{self.name}: the credential of store {self._backend_store} is not in a file, so nobody can replace it for you"
            raise UsageError(message, f"say {self._credential_name}: {{file: PATH}} in its auth")
        return found

    @property
    def _file(self) -> Path:
        return self._credential.path(self.manifest.folder)

    def _with(self, credential: PlainCredential) -> Manifest:
        """The manifest, with this credential in the store's auth."""
        options = self._options
        auth = options.auth.model_copy(update={self._credential_name: credential})
        spec = StoreSpec(self.manifest.stores[str(self._backend_store)].kind, options.model_copy(update={"auth": auth}))
        return replace(self.manifest, stores={**self.manifest.stores, str(self._backend_store): spec})
