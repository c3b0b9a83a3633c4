"""The index of what a manifest registered in a target, kept in the target itself.

For each connection and variable that a manifest registered it holds the manifest's owner, and a mark by which the
target knows whether somebody else has written it since. It holds nothing of a value: a mark is a version, or a digest
under a salt that lies where the values lie.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bootstrap.domain.connection import Connection
from bootstrap.errors import Malformed
from bootstrap.targets.base import Change, Content, Key, Registered
from bootstrap.util.json_text import canonical as canonical_text
from bootstrap.util.json_text import loads

_DIGITS = 16  # of a digest: the list has to fit into one secret
_SECTIONS: Any = {"connection": "connections", "variable": "variables"}


class Entry(NamedTuple):
    """`mark` None: a run was about to write it, and may have; `before` is the owner and the mark that it had till then."""

    owner: str
    mark: str | None
    before: tuple[str, str] | None = None


@dataclass(frozen=True)
class Index:
    """The list as a value."""

    salt: str
    entries: Mapping[Key, Entry]

    @classmethod
    def read(cls, text: str | None, where: str) -> Index:
        """From its text; an empty one where there is none. Raises Malformed."""
        if not text:
            return cls(secrets.token_hex(16), {})
        try:
            document = loads(text)
            entries = {
                Key(kind, name): Entry(str(owner), mark, (str(before[0]), str(before[1])) if before else None)
                for kind, section in _SECTIONS.items()
                for name, (owner, mark, *before) in document[section].items()
            }
            return cls(str(document["salt"]), entries)
        except (ValueError, TypeError, LookupError, AttributeError) as err:
            hint = "delete it and run airflow-bootstrap register: what is registered correctly is listed again"
            raise Malformed(f"{where}: the list of what airflow-bootstrap registered there is damaged", hint) from err

    def text(self) -> str:
        """As JSON, in one line."""
        sections: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS.values()}
        for key, entry in sorted(self.entries.items()):
            sections[_SECTIONS[key.kind]][key.name] = [entry.owner, entry.mark, *(entry.before or ())]
        return json.dumps({"version": 1, "salt": self.salt, **sections}, separators=(",", ":"))

    def digest(self, content: Content) -> str:
        """A mark for targets that know no versions."""
        return self.digest_of(canonical(content))

    def digest_of(self, text: str) -> str:
        """The same of what else tells two states apart. It may hold secrets."""
        return hmac.new(self.salt.encode(), text.encode(), "sha256").hexdigest()[:_DIGITS]

    def owned(self, owner: str) -> Iterable[Key]:
        """What this owner has registered, or was about to."""
        return (
            key
            for key, entry in self.entries.items()
            if entry.owner == owner or (entry.before is not None and entry.before[0] == owner)
        )

    def marked(self, key: Key, found: Registered, mark: str | None) -> Registered:
        """What a target found, with its owner, and whether its mark is another than then."""
        entry = self.entries.get(key)
        if entry is None:
            return found
        pending = entry.mark is None
        if entry.before is not None and entry.before[1] == mark:  # it wasn't written
            return replace(found, owner=entry.before[0], pending=True)
        return replace(found, owner=entry.owner, pending=pending, changed=not pending and entry.mark != mark)

    def begun(self, changes: Iterable[Change], owner: str) -> Index:
        """Before these are written: so that a run that is killed leaves nothing which nobody knows of."""
        entries = dict(self.entries)
        for change in changes:
            if change.action in {"create", "update"}:
                known = self.entries.get(change.key)
                before = known.before if known is not None else None
                if known is not None and known.mark is not None:
                    before = (known.owner, known.mark)
                entries[change.key] = Entry(owner, None, before)
        return replace(self, entries=entries)

    def done(self, marks: Mapping[Key, str | None], owner: str) -> Index:
        """After these are written; a mark of None: it was deleted."""
        entries = {key: entry for key, entry in self.entries.items() if key not in marks}
        return replace(self, entries=entries | {key: Entry(owner, mark) for key, mark in marks.items() if mark})

    def restored(self, keys: Iterable[Key], before: Index) -> Index:
        """With what these were before."""
        names = set(keys)
        entries = {key: entry for key, entry in self.entries.items() if key not in names}
        return replace(self, entries=entries | {key: before.entries[key] for key in names & before.entries.keys()})


def canonical(content: Content) -> str:
    """A text that is the same for equal contents. It holds their secrets."""
    return canonical_text(content.as_fields() if isinstance(content, Connection) else content.value)


def content_hash(text: str) -> str:
    """The version of a text that has none of its own."""
    return hashlib.sha256(text.encode()).hexdigest()
