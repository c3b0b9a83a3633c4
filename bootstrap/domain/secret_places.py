"""Finds secrets in foreign text that nobody has registered: in a URL, or after a name such as `password`."""

from __future__ import annotations

import re
from collections.abc import Collection

from bootstrap.domain.secret import MASK
from bootstrap.domain.sensitive import names_secret

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
    parts: list[str] = []
    at = 0
    for named in _NAMED.finditer(text):
        known = named[2].lower() in names
        value = (_REST if known else _VALUE).match(text, named.end())
        if value is None or named.start() < at or not (known or names_secret(named[2])):
            continue
        quote = value[0][-1] if value[0][-1] in "\"'" and value[0][0] == value[0][-1] and len(value[0]) > 1 else ""
        parts += (text[at : named.end()], f"{quote}{MASK}{quote}")
        at = value.end()
    return "".join((*parts, text[at:]))
