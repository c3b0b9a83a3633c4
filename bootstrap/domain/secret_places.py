"""Finds secrets that nobody has registered: in a manifest, where a reference to a store belongs; and in foreign text, in a URL
or after a name such as `password`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bootstrap.domain.secret import MASK
from bootstrap.domain.secret_shapes import is_gap
from bootstrap.domain.sensitive import is_secret_name, named_items, names_secret, tells, why_secret
from bootstrap.util.yaml_document import Path_

_FIELDS = ("description", "host", "login", "password", "schema", "extra", "checks")
# A login up to the last @ of the word: whoever writes a password into a URL often forgets to encode it
_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(://)([^\s:/?#@\"']*)(:[^\s\"]*)?@")
_BLOCK = re.compile(r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_QUERY = re.compile(r"([?&;]([^\s=&?;\"'#]+)=)([^\s&\"'#]+)")
_NAMED = re.compile(r"([\"']?)\b([A-Za-z][\w.-]*)\1\s*[=:]\s*")
_VALUE = re.compile(
    r"(?:(?:Bearer|Basic|Token)\s+)?(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&\"'}\]]+)", re.IGNORECASE
)
_REST = re.compile(r".+")
_OF_A_QUERY = frozenset({"__extra__", "auth", "code", "key", "pass", "pwd", "sig", "signature", "x-amz-signature"})
_TOKENS_ALONE = frozenset({"http", "https", "git+https"})  # what stands before an @ without a colon is a token there


def hide(text: str, names: Collection[str] = ()) -> str:
    """`text` with a mask for the login of each URL, for what its query says of secrets, and for `password=…`.

    `names`: in lower case, of what is a secret to the end of the line.
    """
    text = _BLOCK.sub(rf"\1{MASK}\2", text)
    text = _LOGIN.sub(_without_login, text)
    return _hide_named(_QUERY.sub(_without_secret, text), names)


def _without_login(found: re.Match[str]) -> str:
    scheme, separator, login, password = found.groups()
    alone = scheme.lower() in _TOKENS_ALONE and password in (None, ":", ":x-oauth-basic")
    if password is None and not alone:
        return found[0]
    return f"{scheme}{separator}{MASK if alone and login else login}{'' if password is None else f':{MASK}'}@"


def _without_secret(found: re.Match[str]) -> str:
    name = found[2].lower()
    return f"{found[1]}{MASK}" if name in _OF_A_QUERY or names_secret(name) else found[0]


def _hide_named(text: str, names: Collection[str]) -> str:
    shown: list[str] = []
    at = 0
    for named in _NAMED.finditer(text):
        known = named[2].lower() in names
        value = (_REST if known else _VALUE).match(text, named.end())
        if value is None or named.start() < at or not (known or names_secret(named[2])):
            continue
        quote = value[0][-1] if value[0][-1] in "\"'" and value[0][0] == value[0][-1] and len(value[0]) > 1 else ""
        shown += (text[at : named.end()], f"{quote}{MASK}{quote}")
        at = value.end()
    return "".join((*shown, text[at:]))


def parts(data: Any, profile: str | None) -> Iterator[tuple[Path_, Any, str | None]]:
    """What of a manifest, as it is written, may hold secrets: its place, the data, and the conn_type it is about.

    Also of each profile but the one that is laid over the rest: whichever is asked for, it stands in the file.
    """
    yield from _parts(data, data, ())
    for name, part in _mapping(_mapping(data).get("profiles")).items():
        if name != profile:
            yield from _parts(part, data, ("profiles", name))


def _parts(data: Any, base: Any, path: Path_) -> Iterator[tuple[Path_, Any, str | None]]:
    types = _mapping(_mapping(base).get("connections"))
    for conn_id, fields in _mapping(_mapping(data).get("connections")).items():
        known = {key: value for key, value in _mapping(fields).items() if key in _FIELDS}
        said = _mapping(fields).get("conn_type") or _mapping(types.get(conn_id)).get("conn_type")
        yield (*path, "connections", conn_id), known, str(said) if said else None
    yield (*path, "variables"), _mapping(_mapping(data).get("variables")), None
    yield (*path, "airflow", "env"), _mapping(_mapping(_mapping(data).get("airflow")).get("env")), None


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def plain_secrets(node: Any, path: Path_, conn_type: str | None = None) -> Iterator[tuple[Path_, str]]:
    """The place of each, and what is said of it: "is a secret in plain text". `path`: of `node`; its last step is a name."""
    yield from _found(node, path, str(path[-1]), conn_type, inside=False)


def _found(node: Any, path: Path_, key: str, conn_type: str | None, *, inside: bool) -> Iterator[tuple[Path_, str]]:
    if isinstance(node, Mapping) and set(node) != {"secret"}:  # which is a reference
        for step, (name, item) in zip(node, named_items(node), strict=True):
            below = inside or is_secret_name(name, conn_type)
            yield from _found(item, (*path, step), name, conn_type, inside=below)
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _found(item, (*path, index), key, conn_type, inside=inside)
    elif isinstance(node, str) and (inside or is_secret_name(key, conn_type)) and is_gap(node):
        yield path, "is a gap of a template that nobody filled in"
    elif isinstance(node, str):
        why = why_secret(key, node, conn_type) or ("is a secret" if inside and tells(node) else "")
        if why:
            yield path, f"{why} in plain text"
