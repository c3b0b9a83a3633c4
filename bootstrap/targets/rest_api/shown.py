"""What Airflow's REST API shows of a connection or variable, which isn't all, against what it should be.

A password is hidden, and so is what stands in `extra` or in a variable below a key that is named like a secret. What else
holds a password of any connection is shown with a hole in it: "***" may stand for any part of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.domain.connection import Connection
from bootstrap.domain.secret import fingerprint
from bootstrap.targets.base import Content
from bootstrap.util.json_text import loads

HIDDEN = "***"
_FAILED = "<redaction-failed>"
_UNKNOWN = "not shown"  # in place of a fingerprint, and never equal to one
NO_SECRETS = ("conn_type", "description", "host", "login", "schema", "port")  # never hidden


@dataclass(frozen=True)
class Shown:
    """`fields` as the API shows them: a connection's, with `extra` as an object, or a variable's `value`.

    `exact`: a variable's value is shown as it is, not as JSON that was read and written anew. `blind`: it isn't even shown
    whether there is a password. `malformed` says why the connection can't be compared. `description` is a variable's.
    """

    fields: Mapping[str, Any]
    team: str | None = None
    exact: bool = False
    blind: bool = False
    malformed: str = ""
    description: str | None = None

    @classmethod
    def of(cls, content: Content) -> Shown:
        """All of it, as Airflow keeps it: it has no empty password."""
        fields = content.as_fields() if isinstance(content, Connection) else {"value": content.value}
        return cls({name: value for name, value in fields.items() if name != "password" or value})

    @property
    def lasting(self) -> Any:
        """What of it never is hidden, and so says whether somebody changed it: equal for what is as it was."""
        if "value" in self.fields:
            return None
        extra = self.fields.get("extra")
        return [self.fields.get(name) for name in NO_SECRETS] + [sorted(extra) if isinstance(extra, Mapping) else []]

    def may_be(self, other: Shown) -> bool:
        """True if both may be the same, as far as is shown."""
        ours, theirs = _flat(self.fields), _flat(other.fields)
        return set(ours) == set(theirs) and all(
            _same(ours[name], theirs[name]) is not False or _same(theirs[name], ours[name]) is not False
            for name in ours
        )

    def needs_mark(self, wanted: Content) -> bool:
        """True if it takes the mark of what was written last to compare it with what is wanted."""
        return None in self._verdicts(wanted).values() or self.differs_in_secrets(wanted)

    def differs_in_secrets(self, wanted: Content) -> bool:
        """True if it certainly is another password, `extra` or value than what is wanted."""
        verdicts = self._verdicts(wanted)
        return any(verdict is False for name, verdict in verdicts.items() if name not in NO_SECRETS)

    def fingerprints(self, wanted: Content | None, *, known: bool) -> dict[str, str]:
        """One for each field. Of what is hidden it is that of what is wanted, if that is `known` to be what was written
        last.
        """
        shown = _flat(self.fields)
        if wanted is None:
            return {name: fingerprint(value) for name, value in shown.items()}
        aims, verdicts = _flat(Shown.of(wanted).fields), self._verdicts(wanted)
        found = {name: fingerprint(shown[name]) for name in shown if verdicts[name] is False}
        for name, verdict in verdicts.items():
            if verdict or (verdict is None and known and name in aims):
                found[name] = fingerprint(aims[name])
            elif verdict is None and not known:
                found[name] = _UNKNOWN
        if "password" not in found and isinstance(wanted, Connection) and wanted.password == "":
            found["password"] = fingerprint("")
        return found

    def _verdicts(self, wanted: Content) -> dict[str, bool | None]:
        """For each field, True if it is as desired; None if that is unknown. What is hidden is there."""
        shown, aims = _flat(self.fields), _flat(Shown.of(wanted).fields)
        same = _same_text if "value" in shown and not self.exact else _same
        found = {name: name in shown and name in aims and same(shown[name], aims[name]) for name in {**shown, **aims}}
        return {**found, "password": None} if self.blind else found


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are set, each key of `extra` as `Connection.fingerprints` names it."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "extra" and isinstance(value, Mapping):
            found |= {f"extra.{key}": item for key, item in value.items()}
        elif value is not None:
            found[name] = value
    return found


def _same(shown: Any, wanted: Any) -> bool | None:
    if shown in (HIDDEN, _FAILED):
        return None
    if isinstance(shown, str) and isinstance(wanted, str):
        pattern = ".*".join(map(re.escape, shown.split(HIDDEN)))
        maybe = HIDDEN in shown and re.fullmatch(pattern, wanted, re.DOTALL) is not None
        return None if maybe else shown == wanted
    if isinstance(shown, Mapping) and isinstance(wanted, Mapping):
        if set(shown) != set(wanted):
            return False
        return _all(_same(shown[key], wanted[key]) for key in shown)
    if isinstance(shown, list) and isinstance(wanted, list | tuple):
        return len(shown) == len(wanted) and _all(map(_same, shown, wanted))
    return fingerprint(shown) == fingerprint(wanted)  # 1 is not True


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    found = list(verdicts)
    return False if False in found else None if None in found else True


def _same_text(shown: str, wanted: str) -> bool | None:
    """A value that is JSON is shown read and written anew: `1.10` as `1.1`. So it may always be another than it looks."""
    there, aim = _read(shown), _read(wanted)
    verdict = _same(there, aim)
    if isinstance(there, _Text):  # and so isn't JSON, even where `abc` looks like `"abc"` read
        return verdict if isinstance(aim, _Text) else False
    if verdict and isinstance(aim, _Text):  # JSON that is shown without a hole isn't what a text was masked to
        return False
    return False if verdict is False else None


class _Text(str):
    """A text that isn't JSON."""

    __slots__ = ()


def _read(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return _Text(text)
