"""The index of what is ours, kept as a variable of the Airflow that it describes.

Whoever may see Airflow's variables can read the list, and not the secrets. So a mark of a secret is made by scrypt, under
a salt of its own for each name: who guesses pays some milliseconds for each guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bootstrap.domain.connection import Connection
from bootstrap.errors import Conflict, Malformed
from bootstrap.manifest.models import INDEX
from bootstrap.targets.base import Change, Content, Key, Registered
from bootstrap.targets.index import Index, content_hash
from bootstrap.targets.rest_api.shown import Shown
from bootstrap.util.json_text import loads

if TYPE_CHECKING:
    from bootstrap.targets.rest_api.v1 import V1
    from bootstrap.targets.rest_api.v2 import V2

_COST: Any = {"n": 2**12, "r": 8, "p": 1, "dklen": 16}  # 4 MB and about 10 ms
_KEY = Key("variable", INDEX)
_DESCRIPTION = "What airflow-bootstrap registered here. It holds no secret."


class Marks:
    """Marks under the salt of one list. Each has two parts: of the secrets, and of what never is hidden."""

    def __init__(self, salt: str) -> None:
        self._salt = salt

    def of(self, contents: Mapping[Key, Content]) -> dict[Key, str]:
        """A mark for each."""
        slow = self._slow(contents)
        return {key: f"{slow[key]}.{self._fast(key, Shown.of(content).lasting)}" for key, content in contents.items()}

    def known(self, marks: Mapping[Key, str], contents: Mapping[Key, Content]) -> set[Key]:
        """Those whose secrets are what they were when the mark was made."""
        made = self._slow({key: contents[key] for key in marks})
        return {key for key, mark in marks.items() if hmac.compare_digest(mark.partition(".")[0], made[key])}

    def is_as_written(self, key: Key, lasting: Any, mark: str) -> bool:
        """True if what never is hidden still is what it was when the mark was made."""
        return mark.partition(".")[2] == self._fast(key, lasting)

    def _slow(self, contents: Mapping[Key, Content]) -> dict[Key, str]:
        """In several threads: scrypt lets others run meanwhile."""
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="mark") as pool:
            return dict(zip(contents, pool.map(self._digest, contents.items()), strict=True))

    def _digest(self, item: tuple[Key, Content]) -> str:
        key, content = item
        secrets: Any = [content.password, content.extra] if isinstance(content, Connection) else content.value
        if isinstance(content, Connection) and not content.password and not content.extra:
            return ""  # nothing of it is hidden
        text = json.dumps(secrets, sort_keys=True)
        return hashlib.scrypt(text.encode(), salt=f"{self._salt}:{key.kind}:{key.name}".encode(), **_COST).hex()

    def _fast(self, key: Key, lasting: Any) -> str:
        text = json.dumps([key.kind, key.name, lasting])
        return hmac.new(self._salt.encode(), text.encode(), "sha256").hexdigest()[:16]


class StoredIndex:
    """The list, and what it says of what the API shows.

    Airflow masks texts in a variable that look like one of its secrets, but no names of JSON fields. So the list's text
    stands in the variable as the name of its only field.
    """

    def __init__(self, rest: V1 | V2, place: str) -> None:
        self._rest = rest
        self._where = f"{place}: variable {INDEX}"
        self._text: str | None = None
        self._index = self._before = Index.read(None, "")

    def read(self) -> Index:
        """As it is now. Raises StoreError; Malformed for one that can't be read."""
        self._text = self._stored()
        self._index = self._before = Index.read(self._text, self._where)
        return self._index

    def known(self, contents: Mapping[Key, Content]) -> set[Key]:
        """Those whose secrets are what was written last."""
        marks = {key: mark for key in contents if (mark := self._mark(key)) is not None}
        return self._marks.known(marks, contents)

    def marked(self, key: Key, shown: Shown, wanted: Content | None, *, known: bool) -> Registered:
        """What the API shows, with its owner and whether somebody else changed it."""
        entry, mark = self._index.entries.get(key), self._mark(key)
        return Registered(
            fields=shown.fingerprints(wanted, known=known),
            version=self.version(key, shown),
            malformed=shown.malformed,
            seen=content_hash(json.dumps(shown.fields, sort_keys=True)),
            owner=entry.owner if entry else None,
            changed=mark is not None
            and (
                not self._marks.is_as_written(key, shown.lasting, mark)
                or (wanted is not None and known and shown.differs_in_secrets(wanted))
            ),
            pending=entry is not None and mark is None,
        )

    def version(self, key: Key, shown: Shown) -> str:
        """What tells apart two states as far as Airflow always shows them."""
        return content_hash(json.dumps([key.kind, key.name, shown.lasting]))

    def begin(self, changes: Sequence[Change], owner: str) -> None:
        """Before these are written. Raises Conflict where another run has begun since this one looked."""
        begun = self._index.begun(changes, owner)
        if begun.entries == self._index.entries:
            return
        if self._stored() != self._text:
            raise Conflict(f"{self._where}: another run registers there; nothing was written", "run this again")
        self._write(begun)

    def finish(self, done: Mapping[Key, Content | None], undone: Iterable[Key], owner: str) -> None:
        """After these were written (None: deleted), and those were not. Raises StoreError."""
        text = self._stored()
        stored = Index.read(text, self._where)
        index = stored if text is not None else self._index
        listed = {}
        for (
            key,
            content,
        ) in (
            done.items()
        ):  # what is written is listed even where another run was about to write it, and tells if it did
            entry = index.entries.get(key)
            if self._is_ours(key, index) or (content is not None and (entry is None or entry.mark is None)):
                listed[key] = content
        marks: dict[Key, str | None] = dict.fromkeys(listed)
        marks |= Marks(index.salt).of({key: content for key, content in listed.items() if content is not None})
        after = index.restored((key for key in undone if self._is_ours(key, index)), self._before).done(marks, owner)
        if after != stored:
            self._write(after)

    def _is_ours(self, key: Key, index: Index) -> bool:
        """True if its entry is what this run left there: else another run has written it meanwhile."""
        return index.entries.get(key) == self._index.entries.get(key)

    def _mark(self, key: Key) -> str | None:
        entry = self._index.entries.get(key)
        return entry.mark if entry else None

    @property
    def _marks(self) -> Marks:
        return Marks(self._index.salt)

    def _stored(self) -> str | None:
        shown = self._rest.read([_KEY]).get(_KEY)
        if shown is None:
            return None
        try:
            (text,) = loads(str(shown.fields.get("value")))
        except (ValueError, TypeError) as err:
            hint = "delete it and run airflow-bootstrap register: what is registered correctly is listed again"
            raise Malformed(f"{self._where} is damaged", hint) from err
        return str(text)

    def _write(self, index: Index) -> None:
        self._index, self._text = index, index.text()
        self._rest.put(INDEX, json.dumps({self._text: 1}), _DESCRIPTION)
