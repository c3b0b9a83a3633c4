"""What of a connection or variable is a secret: by the name of its field, or by what it looks like.

When in doubt it is one: a host in the store does no harm, a password in the manifest does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bootstrap.domain.secret import is_sensitive

_MORE_NAMES = ("access_key", "account_key", "connection_string", "conn_str", "dsn", "keyfile", "pwd", "webhook")
_NO_SECRETS = ("_id", "_path", "_file", "_name")  # aws_access_key_id, keyfile_path
_LOOKS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://\S*@"  # userinfo
    r"|(?:pass(?:word|wd)?|pwd|secret|token|sig(?:nature)?|access_?key|account_?key|api_?key|credentials?)\s*[=:]",
    re.IGNORECASE,
)
_REPEATED = 6  # characters of a secret that is looked for in fields that are none


def names_secret(key: str) -> bool:
    """True if a field of this name is expected to hold a secret."""
    name = key.lower().replace("-", "_")
    return is_sensitive(name) or (not name.endswith(_NO_SECRETS) and any(word in name for word in _MORE_NAMES))


def looks_secret(text: str) -> bool:
    """True if a text is, or holds, what is usually a secret: a URL with a password, a private key, `password=…`."""
    return bool(_LOOKS.search(text)) or data_is_secret(_json(text))


def data_is_secret(value: Any, *, inside: bool = False) -> bool:
    """True if there is a secret anywhere in plain JSON data; `inside`: below a name that says so."""
    if isinstance(value, Mapping):
        return any(data_is_secret(item, inside=inside or names_secret(str(key))) for key, item in value.items())
    if isinstance(value, list):
        return any(data_is_secret(item, inside=inside) for item in value)
    if isinstance(value, str):
        return bool(value) and (inside or looks_secret(value))
    return inside and is_number(value)


def secret_texts(node: Any, *, inside: bool = False) -> Iterator[str]:
    """Every text in plain JSON data that is a secret by its name."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from secret_texts(item, inside=inside or names_secret(str(key)))
    elif isinstance(node, list):
        for item in node:
            yield from secret_texts(item, inside=inside)
    elif inside and node and (isinstance(node, str) or is_number(node)):
        yield str(node)


def is_number(value: object) -> bool:
    """A number may be a PIN; true, false and null tell nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def repeats(text: str, secrets: Iterable[str]) -> bool:
    """True if a text has a secret in it."""
    return any(len(secret) >= _REPEATED and secret in text for secret in secrets)


def _json(text: str) -> Any:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except RecursionError:
            return {"secret": text}  # nobody can look into it
        except ValueError:
            return None
    return None
