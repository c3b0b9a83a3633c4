"""Secret values: never printed by accident, and masked in whatever is printed.

Whatever leaves a `Secret` by `reveal` is remembered for the life of the process, so that `redact` can mask it in any
text: an exception of a library, a line of a server's log. Nothing else keeps values.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus

MASK = "***"
SHORT = 4  # a value shorter than this is masked only where it stands alone: elsewhere the gaps would spell it out
SENSITIVE_KEYS = (  # names of fields that hold secrets; the same words as Airflow's own masker, and a few more
    "access_token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "token",
)

_ABOUT_A_SECRET = ("_file", "_path", "_url", "_uri", "_name")  # private_key_file: /etc/key.pem
_ID_OF_A_KEY = "private_key_id"  # tells a Google account's keys apart, in public listings too: people must see it
_FINGERPRINT_KEY = os.urandom(32)
_known: set[str] = set()
_index: Mapping[str, Sequence[str]] | None = None
_lock = threading.Lock()


class Secret:
    """A value from a secret store; it shows as ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, masked in all output from now on."""
        remember(self._value)
        return self._value

    def as_public(self) -> str:
        """The value of a field that is no secret by its nature (a host, a port, a login): stays readable in messages."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    __str__ = __repr__


class PublicText(Secret):
    """A text that stores take as they take a secret, and that is none: nothing of it is masked."""

    __slots__ = ()

    def reveal(self) -> str:
        """The text."""
        return self._value


def is_sensitive(key: str) -> bool:
    """Whether a field of this name is expected to hold a secret, not the place or the name of one."""
    name = key.lower().replace("-", "_")
    return not name.endswith(_ABOUT_A_SECRET) and any(word in name for word in SENSITIVE_KEYS)


def masks(key: str, *, inside: bool) -> bool:
    """Whether texts below this key are to be masked; `inside`: it is itself below one that does."""
    return key != _ID_OF_A_KEY and (inside or is_sensitive(key))


def remember(value: str) -> None:
    """Mask this value, its lines and its usual encodings from now on."""
    global _index  # noqa: PLW0603  one cache for the process, rebuilt when it is next needed
    if value and value not in _known:
        forms = set(_forms(value))
        with _lock:
            _known.update(forms)
            _index = None


def redact(text: str) -> str:
    """`text` with every remembered secret replaced by ``***``; longest first, so that none shines through."""
    index = _indexed()
    parts: list[str] = []
    done = at = 0
    while index and at < len(text):
        form = _form_at(text, at, index)
        if form:
            parts += (text[done:at], MASK)
            done = at = at + len(form)
        else:
            at += 1
    return "".join((*parts, text[done:]))


def _indexed() -> Mapping[str, Sequence[str]]:
    """What is remembered, by its first characters, longest first. A regex of thousands takes minutes for a long text."""
    global _index  # noqa: PLW0603
    with _lock:  # else one thread's index, made without it, could hide that another has just remembered a secret
        if _index is None:
            found: dict[str, list[str]] = {}
            for form in sorted(_known, key=len, reverse=True):
                found.setdefault(form[:SHORT], []).append(form)
            _index = found
        return _index


def _form_at(text: str, at: int, index: Mapping[str, Sequence[str]]) -> str | None:
    start = text[at : at + SHORT]
    if len(start) == SHORT:
        for form in index.get(start, ()):
            if text.startswith(form, at):
                return form
    for length in range(SHORT - 1, 0, -1):
        form = start[:length]
        if form in index and len(form) == length and not _joined(text, at, at + length):
            return form
    return None


def _joined(text: str, at: int, end: int) -> bool:
    """Whether what is there is only a part of a word."""
    return any(char.isalnum() or char == "_" for char in (text[at - 1 : at], text[end : end + 1]))


def redact_value(value: object) -> object:
    """`redact` for every string inside plain JSON data."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(item) for item in value]
    return value


def _forms(value: str) -> Iterator[str]:
    for part in (value, *_parts(value)):
        yield part
        yield from (form for form in _encodings(part) if form and form != part)


def _parts(value: str) -> Iterator[str]:
    """What of a value gives it away on its own: the lines of a PEM, the strings of a JSON document."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORT and not line.startswith("-----"))
    if value.lstrip().startswith(("{", "[")):
        try:
            document = json.loads(value)
        except ValueError:
            return
        yield from _sensitive_strings(document)


def _sensitive_strings(node: object, *, inside: bool = False) -> Iterator[str]:
    """Every string below a key whose name is that of a secret, and its lines."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from _sensitive_strings(item, inside=masks(str(key), inside=inside))
    elif isinstance(node, list):
        for item in node:
            yield from _sensitive_strings(item, inside=inside)
    elif isinstance(node, str) and inside and len(node) >= SHORT:
        yield node
        yield from _parts(node)


def _encodings(value: str) -> Iterable[str]:
    import base64

    raw = value.encode("utf-8", "surrogateescape")
    return (
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    )


def fingerprint(value: object) -> str:
    """Tells two values apart without showing either: a MAC under a key that never leaves this process.

    `value` is plain JSON data; the order of keys doesn't matter.
    """
    import hmac

    from bootstrap.canonical import canonical

    return hmac.new(_FINGERPRINT_KEY, canonical(value).encode(), "sha256").hexdigest()
