"""An issuer: keys in the JSON file that Acme's gateway reads, by their ids; a key that is disabled is kept there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import IssuerDenied
from bootstrap.issuers.base import Attempt, IssuerOptions, Key, KeyFields, KeyInfo, Surroundings
from bootstrap.util.files import expanded, folder_locked, write_atomic


class Options(IssuerOptions):
    """`{issuer: acme_key_file, file: keys.json}`; the file is relative to the manifest's folder."""

    issuer: Literal["acme_key_file"]
    file: str


def fields(options: Options) -> tuple[str, ...]:  # noqa: ARG001
    """A key's id and the key."""
    return ("login", "password")


def open_issuer(options: Options, surroundings: Surroundings) -> KeyFile:
    """The issuer; reads nothing yet."""
    return KeyFile((surroundings.folder / expanded(options.file)).absolute())


@dataclass(frozen=True)
class KeyFile:
    """Each key is `{"key": …, "enabled": …}`. Its id is the name of the run that made it."""

    file: Path

    @property
    def account(self) -> str:
        """Whose keys these are: the file's."""
        return f"the gateway of {self.file}"

    def issue(self, attempt: Attempt) -> Key:
        """A new one beside the others."""
        key = secrets.token_urlsafe(32)
        with self._changed() as keys:
            keys[attempt.run] = {"key": key, "enabled": True}
        return Key(attempt.run, {"login": Secret(attempt.run), "password": Secret(key)})

    def lost(self, attempt: Attempt) -> Sequence[str]:
        """The one of this run, if it was written."""
        return [key_id for key_id in self._keys() if key_id == attempt.run]

    def keys(self) -> Sequence[KeyInfo]:
        """All."""
        return [KeyInfo(name, "enabled" if it["enabled"] else "disabled") for name, it in self._keys().items()]

    def identify(self, fields: KeyFields) -> str | None:
        """By the key, which counts more than the id beside it."""
        key = fields["password"].reveal()
        return next((name for name, it in self._keys().items() if it["key"] == key), None)

    def disable(self, key_id: str) -> None:
        """The gateway refuses it."""
        with self._changed() as keys:
            if key_id in keys:
                keys[key_id]["enabled"] = False

    def enable(self, key_id: str) -> None:
        """The gateway takes it again."""
        with self._changed() as keys:
            if key_id not in keys:
                raise IssuerDenied(f"{self.file}: the key {key_id} is gone", "rotate again")
            keys[key_id]["enabled"] = True

    def destroy(self, key_id: str) -> None:
        """It is taken out."""
        with self._changed() as keys:
            keys.pop(key_id, None)

    def _keys(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # the latter quotes the keys
            raise IssuerDenied(
                f"{self.file} can't be read, or is no JSON", "name the gateway's file in `file`"
            ) from None
        return found

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        with folder_locked(self.file.parent, busy=f"{self.file} is in use"):
            keys = self._keys()
            yield keys
            write_atomic(self.file, json.dumps(keys))
