"""Secret values: never printed by accident, and masked in whatever is printed.

Whatever leaves a `Secret` by `reveal` is masked for the life of the process. A message is made of trusted parts (our
sentences, the manifest's identifiers), which stand as they are, and of foreign parts (an exception of a library, the
output of a program, a value), which go through `foreign` where they enter it: it masks every secret. Where a message
leaves, `safety_net` masks once more what can be nothing but a secret, in case that `foreign` was forgotten.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator

from bootstrap.domain.secret_forms import forms, masks, parts
from bootstrap.domain.secret_matcher import MASK, Matcher, utf8
from bootstrap.domain.sensitive import names_secret as is_sensitive
from bootstrap.errors import BootstrapError
from bootstrap.util.human import plain

__all__ = ["MASK", "is_sensitive", "masks"]  # from here, too

_DISTINCT = 6  # characters; what is shorter can stand in any text by chance
_PLAIN = re.compile(r"[A-Za-z]{1,16}|[0-9]+(?:[_./:-][0-9]+)*")  # a word; a number, an address, a date
_OURS = """airflow-bootstrap airflow_bootstrap_smoke airflow_bootstrap_index bootstrap.yaml airflow.cfg airflow_settings.yaml
    connections.json variables.json app.kubernetes.io AIRFLOW_HOME AIRFLOW_CONN_ AIRFLOW_VAR_ google_cloud_default aws_default
    sql_alchemy_conn fernet_key secret_key jwt_secret secrets_backend_kwargs http_default postgres_default"""  # our own words with a mark in them
_FINGERPRINT_KEY = os.urandom(32)
_LONGEST_LINE = 1 << 20  # characters
_ENCODED = 20_000  # values; of more, not every encoding has room
_FEW = 100  # values; more are looked for in one pass
_lock = threading.Lock()


class Secret:
    """A value from a secret store; it shows as ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, masked in all output from now on."""
        mask(self._value)
        return self._value

    def unmasked(self) -> str:
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


class _Known:
    """The values to mask. Forms are made when a text is to be masked: most processes that read secrets print little."""

    def __init__(self, values: Iterable[str] = (), trusted: Iterable[str] = (_OURS,)) -> None:
        self.values, self.trusted = set(values), list(trusted)
        self.pending = list(self.values)
        self.all = Matcher()
        self.weak: set[str] = set()  # of its forms, those that can be mistaken for something else

    def settle(self) -> None:
        """Make the forms of what is new."""
        pending, self.pending = self.pending, []
        room = _ENCODED - len(self.values) + len(pending)
        found = set[str]()
        for number, value in enumerate(pending):
            found |= forms(value, everywhere=number < room)
        self.all.add(found)
        self._judge(found, pending)

    def trust(self, text: str) -> None:
        """All are judged anew."""
        self.trusted.append(text)
        self._judge(self.all.forms, self.values)

    def _judge(self, found: set[str], values: Iterable[str]) -> None:
        self.weak |= {form for form in found if len(form) < _DISTINCT or _PLAIN.fullmatch(form)}
        self.weak |= self._trusted({part for value in values for part in parts(value)} & self.all.forms - self.weak)

    def _trusted(self, found: set[str]) -> set[str]:
        """Those of them that stand in a trusted text."""
        if len(found) <= _FEW:
            return {form for form in found if any(form in text for text in self.trusted)}
        from ahocorasick_rs import AhoCorasick

        listed = list(found)
        automaton = AhoCorasick(list(map(utf8, listed)), store_patterns=False)
        hits = (automaton.find_matches_as_indexes(utf8(text), overlapping=True) for text in self.trusted)
        return {listed[index] for matches in hits for index, _, _ in matches}


_known = _Known()


def mask(value: str) -> None:
    """Mask this value, its lines and its usual encodings from now on."""
    if value and value not in _known.values:
        with _lock:
            _known.values.add(value)
            _known.pending.append(value)


def trust(text: str) -> None:
    """What stands in this text (a manifest, which holds no secret; a path) is no secret to the safety net."""
    with _lock:
        if not any(text in known for known in _known.trusted):
            _known.trust(text)


def foreign(said: object) -> str:
    """A text or an exception of somebody else's, fit for a message: no secret in it, and nothing that a terminal obeys.

    What is left of a secret that was cut off is masked as well. Our own errors are messages already.
    """
    if isinstance(said, BootstrapError):
        return said.message
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if not text and isinstance(said, BaseException):
        return type(said).__name__
    masked = redact(plain(text))
    with _lock:
        return _known.all.mask_cut(masked)


def foreign_stream(chunks: Iterable[str]) -> Iterator[str]:
    """`foreign` for the parts of one long text, as a program prints it; a line and a secret's length are held back."""
    with _lock:
        masked = _settled().all.stream(map(plain, _lines(chunks)))
    last = ""
    for text in masked:
        yield last
        last = text
    yield foreign(last)


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """The same text in parts that end with a line: what a terminal obeys is seen as a whole."""
    kept: list[str] = []
    for chunk in chunks:
        head, newline, rest = chunk.rpartition("\n")
        if newline or sum(map(len, kept)) > _LONGEST_LINE:
            yield "".join((*kept, head, newline))
            kept.clear()
        kept.append(rest)
    yield "".join(kept)


def safety_net(text: str) -> str:
    """`text` with every secret replaced that can't be mistaken for a word of ours or for an identifier.

    Left alone is what is shorter than six characters, a word (`postgres`), a number or a date, and what stands in a trusted
    text: in the manifest, or in the identifiers that we bring along. `foreign` masks these, too, where they enter.
    """
    with _lock:
        known = _settled()
        return known.all.mask(text, known.weak)


def safe_value(value: object) -> object:
    """`safety_net` for every string inside plain JSON data; keys are names."""
    if isinstance(value, str):
        return safety_net(value)
    if isinstance(value, dict):
        return {key: safe_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [safe_value(item) for item in value]
    return value


def safe_json(document: object, indent: int | None = 2) -> str:
    """Plain data as JSON, masked value by value: a mask over its text could break the syntax."""
    return json.dumps(safe_value(document), indent=indent, ensure_ascii=False) + "\n"


def redact(text: str) -> str:
    """`text` with every known secret replaced by ``***``; the leftmost first, and the longest of those."""
    with _lock:
        return _settled().all.mask(text)


def _settled() -> _Known:
    if _known.pending:
        _known.settle()
    return _known


def fingerprint(value: object) -> str:
    """Tells two values apart without showing either: a MAC under a key that never leaves this process.

    `value` is plain JSON data; the order of keys doesn't matter.
    """
    import hmac

    from bootstrap.util.json_text import canonical

    return hmac.digest(_FINGERPRINT_KEY, canonical(value).encode(), "sha256").hex()
