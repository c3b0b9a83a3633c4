"""The key of a connection: in a secret of a store, proven by the checks of every connection that is made of that secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from bootstrap import plugins
from bootstrap.airflow.environment import require_airflow
from bootstrap.desired.resolve import resolve_all
from bootstrap.domain.connection import Connection
from bootstrap.errors import Denied, StoreError, Unavailable, UsageError
from bootstrap.explain.registered import ExpectedKey
from bootstrap.manifest.key_place import KeyPlace, place_of
from bootstrap.manifest.models import INDEX, RotateSpec, find_references
from bootstrap.manifest.secret_variables import GivesVariables
from bootstrap.register.plan import Plan, plan
from bootstrap.rotation.candidate import Content, require_place
from bootstrap.rotation.rotatable import Proof, State
from bootstrap.rotation.stored_key import StoredKey
from bootstrap.rotation.verification import Prover
from bootstrap.smoke.run import select
from bootstrap.targets.base import Key
from bootstrap.targets.kind import TargetKind


class ConnectionSubject(StoredKey):
    """See `Subject`."""

    @property
    def spec(self) -> RotateSpec:
        """What the manifest says."""
        return self.manifest.rotations[self.name]

    @cached_property
    def place(self) -> KeyPlace:
        """Where the key is kept."""
        return place_of(self.name, self.manifest.connections[self.name], self.kind.fields(self.spec.options))

    def require(self) -> None:
        """Raises UsageError without a check to prove a key by; StoreError, AirflowError, Unsafe."""
        if not self.manifest.checks[self.name]:
            hint = "give it checks: airflow-bootstrap rotates only what it can prove"
            raise UsageError(f"{self.name}: nothing would prove a new key: the connection has no checks", hint)
        require_place(self.name, self.store, self.store_name)
        shown = any(  # Airflow's processes that checks run in find what is registered there
            target.name == "metadata" or isinstance(plugins.TARGETS.get(target.name, TargetKind), GivesVariables)
            for target in self.manifest.register
        )
        if self.manifest.backend is None and not shown:
            raise UsageError(
                f"{self.name}: nothing would prove a new key in use: the Airflow on this machine doesn't find the connection",
                "register it where checks find it, too: backend, env or metadata",
            )
        require_airflow(self.environment)
        for each in self._plans():
            each.raise_if_unsafe()

    def prove(self, candidate: Content) -> Proof:
        """See `Subject`."""
        secrets = self.secrets.fresh()
        fresh = secrets.replaced(self.store_name, self.path, candidate.stored())
        resolved = resolve_all(self.manifest, fresh, self.manifest.connections)
        ours = {name: resolved[name] for name in self._connections}
        wrong = next((found for found in ours.values() if isinstance(found, StoreError)), None)
        if wrong is not None:
            state: State = "undecided" if isinstance(wrong, Unavailable | Denied) else "refused"
            return Proof(state, (), "secret_malformed", wrong.message, wrong.hint, wrong.exit_code)
        expected = ExpectedKey(
            {name: it for name, it in ours.items() if isinstance(it, Connection)}, tuple(self.place.parts)
        )
        current = resolve_all(self.manifest, secrets, self.manifest.connections)
        return self._prover().candidate(resolved, expected, current)

    def publish(self) -> None:
        """See `Subject`. Raises Unsafe, StoreError."""
        for each in self._plans():
            for applied in each.apply():
                if applied.error is not None:
                    raise applied.error

    def prove_live(self) -> Proof:
        """See `Subject`."""
        found = resolve_all(self.manifest, self.secrets.fresh(), self._connections)
        for each in found.values():
            if isinstance(each, StoreError):
                raise each
        ours = {name: it for name, it in found.items() if isinstance(it, Connection)}
        return self._prover().live(ExpectedKey(ours, tuple(self.place.parts)))

    @property
    def _connections(self) -> tuple[str, ...]:
        """Whatever is made of the secret."""
        return tuple(name for name, spec in self.manifest.connections.items() if self._is_of_it(spec))

    def _is_of_it(self, node: Any) -> bool:
        references = (reference for _, reference in find_references(node))
        return any((each.store, each.path) == (self.store_name, self.path) for each in references)

    def _plans(self) -> Iterator[Plan]:
        """The changes of what is made of the secret, for each target."""
        keys = {Key("connection", name) for name in self._connections}
        keys.add(Key("variable", INDEX))  # the list of what is registered: what is wrong with it is wrong with all
        keys |= {Key("variable", name) for name, value in self.manifest.variables.items() if self._is_of_it(value)}
        for spec in self.manifest.register:
            found = plan(self.manifest, self.secrets.fresh(), spec)
            yield replace(
                found,
                changes=tuple(change for change in found.changes if change.key in keys),
                errors={key: err for key, err in found.errors.items() if key in keys},
                conflicts={key: err for key, err in found.conflicts.items() if key in keys},
            )

    def _prover(self) -> Prover:
        checks = [
            spec for name in self._connections for spec in select(self.manifest, [name]) if spec.connection == name
        ]
        return Prover(self.manifest, self.environment, checks, self.settings, self.say)
