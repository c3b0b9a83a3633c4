"""Decides which values of a connection, a variable or a configuration are secret: one rule for all who read, write or show them.

First what the provider itself declares a password (`providers.installed`), then the name of the field by its words (`x-api-key`,
`accessToken`), then what the value looks like. The words of Airflow's own masker are among ours, but for `proxy`, `proxies`,
`service_account` and `dsn`, whose values decide: `http://proxy:3128` is no secret, `http://u:p@proxy` is one.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from bootstrap.domain import secret_shapes
from bootstrap.providers.installed import declared

_SPLIT = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORDS = _set(
    "apikey bearer connstr cookie cookies cred creds fernet jwt otp passcode passphrase pat pin psk pw pwd sessionid totp"
)
_PARTS = re.compile(  # in a name without its separators
    r"password|passwd|assertion|passphrase|secret(?!ary)|token(?!i[sz])|credential|authorization|keyfile(?:dict|json|content)"
    r"|connectionstring|connstr(?:ing)?$|authheader|privatekey|accesskey|basicauth"
)
_KEYS = _set(  # what a key is for, where it is a secret
    """access account admin api app application auth authentication bot cipher client crypto decryption deploy developer
    encryption fernet function functions gpg hmac ingest ingestion instrumentation integration license licence master
    mgmt management pgp preshared private push routing secret security sendgrid server service session shared sign
    signature signing ssh subscription symmetric vault webhook write writer"""
)
_KEY_ENDS = tuple(f"{kind}key" for kind in _KEYS)
_PLAIN_KEYS = _set(  # and where it is none, whatever stands there
    """bucket cache cluster clustering composite config consumer dedup destination dest dict dist distribution foreign
    hash host index join lookup map message natural object order partition path prefix primary public publishable range
    record row s3 secondary shard site sort source src state storage surrogate table target task translation unique
    variable xcom"""
)
_ABOUT = _set(  # the last word of a name that only tells of a secret
    """age alg algorithm alias audience auth authority backend bucket cache class client column count dir directory domain email
    enabled endpoint endpoints engine env expires expiration expiry exp field file filename files flow folder format grant
    header headers host id ids interval issuer label length lifetime limit location manager method mode mount name names
    namespace optional param parameter path paths period policy port prefix principal project provider providers ref
    queue reference refresh region required role rotation scheme scope scopes separator size source status store strategy suffix
    table timeout topic ttl type types uri uris url urls usage user username var variable version arn"""
)
_FLAGS = _set(
    "allow disable enable has hide ignore is max no num require requires show skip use uses verify with without"
)
_PUBLIC = _set(  # the last word of a name whose value is random, and public
    """arn ca cert certificate certificates checksum commit digest etag fingerprint fingerprints hash hashes id ids image
    images md revision sha thumbprint version"""
)
_WEAK = _set("auth code dsn key keys keyfile keytab oauth pem salt sas seed sig signature")
_NO_VALUE = _set("true false none null yes no on off")
_MAYBE = re.compile(
    r"assertion|fernet|pass|pwd|pw|secret|token|key|cred|auth|bearer|conn|cookie|jwt|otp|pat|pin|psk|session|hook",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(?<![\w.-])([A-Za-z][\w.-]{1,60})\s*=\s*(\{\{.*?\}\}|\$\{[^}]*\}|\"[^\"]*\"|'[^']*'|[^\s&;,\"']+)")
_HEADER = re.compile(r"(?<![\w.-])([A-Za-z][\w-]{2,60})\"?\s*:\s+(\"[^\"\n]*\"|'[^'\n]*'|\S+)[ \t\r]*$", re.MULTILINE)
_QUERY = _set("code key sig signature sas")  # names that are a secret's in a URL's query
_ID_OF_A_KEY = "private_key_id"  # tells a Google account's keys apart, in public listings too: people must see it
_LEAST_PIN = 1000
_REPEATED = 6  # characters of a secret that is looked for in fields that are none


@lru_cache(8192)
def names_secret(key: str) -> bool:
    """True if a field of this name is expected to hold a secret, not the place, the name or the kind of one."""
    words = _words(key) if _MAYBE.search(key) else []
    if not words:
        return False
    joined = "".join(words)
    if "webhook" in joined:
        return words[-1] not in {"id", "name", "events", "enabled", "timeout", "type"}
    if words[0] in _FLAGS or (words[-1] in _ABOUT and not _is_secret_after_all(words)):
        return False
    if words[-1] == "pass" or _WORDS & set(words) or _PARTS.search(joined):
        return "per" not in words
    return "public" not in words and _is_key(words, joined)


def is_secret(key: str, value: str, conn_type: str | None = None) -> bool:
    """True if the text of a field or of a key of `extra` is a secret. A gap that nobody filled in is none."""
    return bool(why_secret(key, value, conn_type))


@lru_cache(maxsize=4096)  # and many of them the same host, login and schema
def why_secret(key: str, value: str, conn_type: str | None = None) -> str:
    """Why a text is a secret, for people: "is a secret", "looks like …"; "" where it is none."""
    text = value.strip()
    named = is_secret_name(key, conn_type)
    if not text or not (named or secret_shapes.may_be_secret(text)) or secret_shapes.is_gap(text):
        return ""
    no_value = text.lower() in _NO_VALUE and key != "password"
    words = _words(key)
    last = words[-1] if words else ""
    # `ssh_key: /etc/key.pem`, `encryption_key: arn:aws:kms:…`; a password begins as it likes
    is_place_of_key = last in {"key", "keys"} and secret_shapes.is_place(text)
    if named and not no_value and not is_place_of_key:
        return "is a secret"
    if found := looks_secret(text):
        return f"looks like {found}"
    if last in _PUBLIC or (set(words) & _PLAIN_KEYS and last in {"key", "keys"}):
        return ""
    if last in _WEAK and secret_shapes.is_dense(text):
        return "looks like a key"
    return "looks like a key: no word, and random" if secret_shapes.is_random(text) else ""


def looks_secret(text: str) -> str:
    """What kind of secret a text is, or holds: "a private key", "a webhook's address"; "" where it looks like none."""
    if not secret_shapes.may_be_secret(text):
        return ""
    if found := secret_shapes.shape(text):
        return found
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            if data_is_secret(json.loads(text)):
                return "data with a secret in it"
    assigned = "=" in text and any(_is_assigned(*pair) for pair in _PAIR.findall(text))
    said = ": " in text and any(_is_said(*pair) for pair in _HEADER.findall(text))
    return "a text with a secret in it" if assigned or said else ""


def tells(text: str) -> bool:
    """True if a text below a name that says secret is one: neither blank, nor a gap, nor a mere `true`."""
    return bool(text.strip()) and text.strip().lower() not in _NO_VALUE and not secret_shapes.is_gap(text)


def data_is_secret(value: Any, *, inside: bool = False) -> bool:
    """True if there is a secret anywhere in plain JSON data; `inside`: below a name that says so."""
    return next(secret_texts(value, inside=inside), None) is not None


def secret_texts(node: Any, *, key: str = "", inside: bool = False, conn_type: str | None = None) -> Iterator[str]:
    """Every text in plain JSON data that is a secret: by its name, or by what it looks like. Numbers only by their names."""
    if isinstance(node, Mapping):
        for name, item in named_items(node):
            below = name != _ID_OF_A_KEY and (inside or is_secret_name(name, conn_type))
            yield from secret_texts(item, key=name, inside=below, conn_type=conn_type)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from secret_texts(item, key=key, inside=inside, conn_type=conn_type)
    elif isinstance(node, str):
        if is_secret(key, node, conn_type) or (inside and tells(node)):
            yield node
    elif inside and is_number(node):
        yield str(node)


def named_items(node: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """A mapping's items; `value` has the name that its neighbour says: `{name: API_KEY, value: …}`, as Kubernetes writes it."""
    name = next((node[key] for key in ("name", "key") if isinstance(node.get(key), str) and "value" in node), None)
    for key, item in node.items():
        yield (f"{name}" if key == "value" and name is not None else str(key)), item


@lru_cache(maxsize=4096)  # the fields of many connections have few names
def is_secret_name(key: str, conn_type: str | None = None) -> bool:
    """True if the provider declares a password of this name, or the name says so."""
    bare = key.split("__", 2)[-1] if key.startswith("extra__") else key  # Airflow's old form: extra__TYPE__password
    return (bare in declared(conn_type) and not bare.endswith(("_path", "_file"))) or names_secret(bare)


def is_number(value: object) -> bool:
    """A number of four digits and more may be a PIN; true, false and null tell nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _LEAST_PIN


def repeats(text: str, secrets: Iterable[str]) -> bool:
    """True if a text has a secret in it. A password that is a word (`postgres`) tells nothing of a host of that name."""
    return any(
        len(secret) >= _REPEATED and not secret_shapes.is_common(secret) and secret in text for secret in secrets
    )


def _words(key: str) -> list[str]:
    """`X-API-Key2` → x, api, key."""
    return [word for part in _SPLIT.split(key) if (word := part.lower().rstrip("0123456789"))]


def _is_secret_after_all(words: list[str]) -> bool:
    """AppRole's `secret_id`, headers that authorize, and what HTTP's basic authentication takes."""
    if words[-2:] == ["secret", "id"]:
        return "client" not in words
    before = words[-2] if len(words) > 1 else ""
    return before in {"header": ("auth", "authorization"), "auth": ("basic", "http", "proxy")}.get(
        words[-1].rstrip("s"), ()
    )


def _is_key(words: list[str], joined: str) -> bool:
    """`app_key`, `fs.azure.account.key.NAME`, `Ocp-Apim-Subscription-Key`, `signingkey`."""
    pairs = pairwise(words)
    return any(key in {"key", "keys"} and kind in _KEYS for kind, key in pairs) or joined.endswith(_KEY_ENDS)


def _is_assigned(name: str, value: str) -> bool:
    """`Password=…;` in a connection string, `?sig=…` in a URL."""
    text = value.strip("\"'")
    if not tells(text):
        return False
    return names_secret(name) or (
        name.lower() in _QUERY
        and (name.lower() == "sig" or secret_shapes.is_dense(text) or secret_shapes.is_random(text))
    )


def _is_said(name: str, value: str) -> bool:
    """`password: …` at the end of a line, as in YAML; in a sentence it would be followed by more."""
    text = value.strip("\"'")
    return tells(text) and not text.startswith(("|", ">", "/")) and names_secret(name)
