"""The forms in which a secret can appear in a text: whole, in part, and encoded."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from bootstrap.domain.sensitive import names_secret
from bootstrap.util.human import plain

SHORT = 4  # a value shorter than this is masked only where it stands alone: elsewhere the gaps would spell it out
_ID_OF_A_KEY = "private_key_id"  # tells a Google account's keys apart, in public listings too: people must see it
_BARE = re.compile(r"[A-Za-z0-9_.-]+")  # nobody quotes or escapes it
_BASE64_LINE = 76  # characters; MIME's, and the `base64` command's
_NESTED = 3  # how often a text is put as JSON into JSON


def masks(key: str, *, inside: bool) -> bool:
    """True if texts below this key are to be masked; `inside`: it is itself below one that does."""
    return key != _ID_OF_A_KEY and (inside or names_secret(key))


def forms(value: str, *, everywhere: bool = True) -> set[str]:
    """The value, what of it gives it away on its own, and each of these in every usual encoding.

    `everywhere`: in hex, too, and in base64 wherever in the encoded bytes it begins.
    """
    found = set[str]()
    for part in parts(value):
        found |= {part} if _BARE.fullmatch(part) else {part, *_escaped(part), *_quoted(part)}
        if len(part) >= SHORT:  # else the mask would hide every `31` because of a password `1`
            found |= {*_base64(_bytes(part)), *(_inside_bytes(part) if everywhere else ())}
    return {form for form in found if form}


def parts(value: str) -> Iterator[str]:
    """The value, and what of it gives it away on its own: the lines of a PEM, the strings of a JSON document."""
    yield value
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORT and not line.startswith("-----"))
    if value.lstrip().startswith(("{", "[")):
        try:
            yield from list(_sensitive_strings(json.loads(value)))
        except (ValueError, RecursionError):
            return


def _sensitive_strings(node: object, *, inside: bool = False) -> Iterator[str]:
    """Every string below a key whose name is that of a secret, and its parts."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from _sensitive_strings(item, inside=masks(str(key), inside=inside))
    elif isinstance(node, list):
        for item in node:
            yield from _sensitive_strings(item, inside=inside)
    elif isinstance(node, str) and inside and len(node) >= SHORT:
        yield from parts(node)


def _escaped(value: str) -> Iterator[str]:
    """As Python, JSON, a shell, YAML, CSV, an ini file and a compose file write it; without its quotation marks."""
    raw = _bytes(value)
    yield plain(value)
    for other in ("", '"'):  # Python's quotation marks, and with them its escapes, depend on what else is in the text
        for shown in (repr(other + value)[1:-1], ascii(other + value)[1:-1], repr(other.encode() + raw)[2:-1]):
            yield shown[len(other) :]
    for ascii_only in (True, False):
        nested = value
        for _ in range(_NESTED):
            nested = json.dumps(nested, ensure_ascii=ascii_only)[1:-1]
            yield nested
    quoted = shlex.quote(value)
    yield quoted[1:-1] if quoted != value else value
    yield value.replace("'", r"'\''")
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", value)
    yield from (value.replace(mark, mark * 2) for mark in "'\"%$")


def _quoted(value: str) -> Iterator[str]:
    """As a URL and as HTML."""
    for quoted in (
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        quote(value, safe=" +", errors="replace"),  # SQLAlchemy 2's URL
        re.sub(r"[:@/]", lambda found: quote(found[0], safe=""), value),  # SQLAlchemy 1.4's
    ):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")  # MarkupSafe's and Go's


def _inside_bytes(value: str) -> Iterator[str]:
    """As hex, and as base64 of a longer text: `login:password` of an HTTP header."""
    raw = _bytes(value)
    yield raw.hex()
    yield raw.hex().upper()
    for shift in (0, 1, 2):
        whole = base64.b64encode(b"\0" * shift + raw).decode()
        skipped, sure = -(-shift * 4 // 3), (shift + len(raw)) * 4 // 3
        aligned = whole[skipped:sure]
        if len(aligned) >= 2 * SHORT:  # of a short value, too little is left to tell it from other text
            yield aligned
            yield aligned.replace("+", "-").replace("/", "_")


def _base64(raw: bytes) -> Iterator[str]:
    encoded = base64.b64encode(raw).decode()
    for form in (encoded, base64.urlsafe_b64encode(raw).decode()):
        yield form
        yield form.rstrip("=")
    lines = (encoded[start : start + _BASE64_LINE] for start in range(0, len(encoded), _BASE64_LINE))
    yield from (line for line in lines if len(line) >= 2 * SHORT)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
