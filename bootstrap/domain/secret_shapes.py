"""Recognizes texts by their shape: private keys, tokens of known services, webhooks, random text, unfilled gaps of templates.

Shapes are those that the services themselves publish (GitHub's and GitLab's token prefixes, Slack's, Discord's and Microsoft's
webhooks, …). What is public by its nature has a random part, too, and is none: a UUID, a digest in hex, an SSH server's public
key, a certificate, an ARN, a path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_DENSE, _RANDOM, _LONG = 16, 22, 32  # characters
_PUBLIC_BLOCK = re.compile(
    r"-----BEGIN (?:CERTIFICATE|PUBLIC KEY|SSH2 PUBLIC KEY)[^-]*-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL
)
_PUBLIC = re.compile(
    r"(?:ssh-[a-z0-9-]+ |ecdsa-[a-z0-9-]+ |sk-(?:ssh|ecdsa)-[a-z0-9@.-]+ )?AAAA[A-Z][0-9A-Za-z]{2}[0-9A-Za-z+/]{8,}={0,2}"  # an SSH public key
    r"|[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"  # a UUID
    r"|sha\d{3}[-:][0-9A-Za-z+/=_-]+"  # a digest
    r"|0x[0-9a-fA-F]+|arn:[\w-]+:\S+|(?:docs|drive)\.google\.com/\S+"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|AGE-SECRET-KEY-1|PuTTY-User-Key-File")
_TOKENS = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?<![\w-])eyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]*"  # JWT
    r"|gh[opsur]_\w{20,}|github_pat_\w{20,}|gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{16,}|dckr_pat_[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}"  # Slack
    r"|[sr]k_(?:live|test)_\w{10,}|whsec_\w{16,}"  # Stripe
    r"|sk-(?:ant-|proj-|svcacct-)?[\w-]{20,}"  # OpenAI, Anthropic
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}|AIza[\w-]{35}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}"
    r"|hv[sbr]\.[\w-]{16,}|dapi[0-9a-f]{32}(?:-\d)?|dop_v1_[0-9a-f]{32,}|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{20,}"
    r"|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{16,}|glsa_\w{20,}|NRAK-\w{20,}|ATATT3[\w=-]{20,}|PMAK-[\w-]{20,}|pat-[a-z]{2}\d-[\w-]{20,}"
    r"|lin_api_\w{20,}|ntn_\w{20,}|dt0[a-z]\d{2}\.\w{20,}\.\w{20,}|EAACEdEose0cBA\w+|sntry[su]_[\w=-]{20,}|figd_[\w-]{20,}"
    r"|\d{8,10}:AA[\w-]{32,}"  # Telegram
    r")"
)
_HEADERS = re.compile(r"\b(?:Bearer|Basic|Splunk|GenieKey|Token token=?)\s+([\w+/=.~-]{6,})", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"\bAuthorization\"?\s*[:=]\s*\"?\w+\s+([\w+/=.~-]+)", re.IGNORECASE)
_WEBHOOKS = re.compile(
    r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/\S"
    r"|(?:^|/)services/T\w+/B\w+/\w|^/?T[0-9A-Z]{2,}/B[0-9A-Z]{2,}/\w"
    r"|(?:^|/)(?:api/(?:v\d+/)?)?webhooks/\d+/[\w-]"  # Discord
    r"|\.webhook\.office\.com/\S|outlook\.office(?:365)?\.com/webhook|(?:^|/)webhookb2/\S|/IncomingWebhook/\S"
    r"|(?:^|/)integration/\w{6,}/enqueue"  # PagerDuty
    r"|http-intake\.logs\.[\w.]*/(?:v1|api/v2)/\w*/\w"  # Datadog
    r"|hooks\.zapier\.com/hooks/\S|hook[\w.-]{0,40}\.make\.com/\w|hooks?\.(?:tray|integromat|eu\d)\.\w+/\S|maker\.ifttt\.com/trigger/\S+/key/\S"
    r"|hooks\.chime\.aws/incomingwebhooks/\S|/open-apis/bot/v\d/hook/\S|alert\.victorops\.com/integrations/\S|/bot\d{5,}:[\w-]{8,}"
    r"|webhook\.site/\w|hc-ping\.com/\w|\w\.m\.pipedream\.net"
    r"|(?:^|/)(?:hooks|incoming-?webhooks?|webhooks?|webhook-test)/(?=[\w-]{0,200}\d)[\w-]{8,}",  # Mattermost, Rocket.Chat, n8n, …
    re.IGNORECASE,
)
_HINTS = re.compile(r"hook|services|integration|intake|ifttt|bot\d|hc-ping|pipedream|^/?T[0-9A-Z]{2}", re.IGNORECASE)
_URL_PARTS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://(?:([^/?#]*)@)?[^/?#]*([^#]*)")  # what is no URL hides nothing
_URL = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,40})://([^\s/?#@]+(?::[^\s@]*)?)@")
_ORACLE = re.compile(r"jdbc:oracle:\w{1,10}:[^\s/@]{1,100}/([^\s@]+)@", re.IGNORECASE)
_BY_TOKEN = ("http", "https", "git+https")  # what stands before their @ alone is one, but abfss://CONTAINER@ACCOUNT
_NAMES = ("anonymous", "git", "user")
_SUSPECT = re.compile(r"[@%=:/{]|-----|[\w+.-]{16}|\b(?:Bearer|Basic|Splunk|GenieKey|Token)\s", re.IGNORECASE)
_GAP = re.compile(
    r"\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]{2,}|\$\([^)]*\)|\{\{.*\}\}|\{%.*%\}|%\([^)]*\)s|%[A-Z_]{3,}%|<[^<>]*[A-Za-z][^<>]*>|\[[A-Za-z _-]+\]|\{[A-Za-z_]+\}"
    r"|__[A-Z_]+__|[xX]{3,}|[*]{3,}|[.]{3,}|…"
    r"|change[ _-]?(?:me|it|this)(?:[ _-]?(?:now|please))?!*|replace[ _-]?(?:me|this)!*|fill[ _-]?(?:me|this)?[ _-]?in!*|to[ _-]?be[ _-]?\w+|todo|tbd|fixme|placeholder"
    r"|(?:my|enter|insert|put|add|paste)?[ _-]?your[ _-][A-Za-z0-9 _-]*|(?:enter|insert|put|add|paste)[ _-][A-Za-z _-]+[ _-]here|(?:[A-Za-z]+[ _-])+(?:here|goes[ _-]here)|redacted|removed|hidden",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z]+)*\d{0,2}")
_RUN = re.compile(r"[0-9A-Za-z+/_=-]{22,}")
_BASE64 = re.compile(r"[0-9A-Za-z+][0-9A-Za-z+/_-]{20,}={0,2}")
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_KINDS = (str.isupper, str.islower, str.isdigit)
_AWS = 40  # characters of a secret access key, the documentation's example of which is half words
_TOGETHER = 10  # characters; a date has less between its hyphens
_SHARE, _SHARE_OF_AWS = 0.38, 0.27
_PATH = re.compile(
    r"(?:~|\.{1,2})?/[^\s:;,=]*|[A-Za-z]:\\\S*|arn:[\w-]+:\S+|projects/[\w.-]+/\S+|[a-z][a-z0-9+-]*://[^\s?@]+"
)


def is_gap(text: str) -> bool:
    """True if a text is a template's gap: `<YOUR PASSWORD HERE>`, `${PASSWORD}`, `{{ … }}`, `xxx`, `changeme`."""
    return _GAP.fullmatch(text.strip().strip("\"'").strip()) is not None


def may_be_secret(text: str) -> bool:
    """True if there is anything in a text that a shape could begin with: most have nothing, and a manifest may have a million."""
    return _SUSPECT.search(text) is not None


def shape(text: str) -> str:
    """What kind of secret a text is or holds, for people; "" where it looks like none. Says nothing of random texts."""
    if _PRIVATE_KEY.search(text):
        return "a private key"
    if "@" in text and _has_password(text):
        return "an address with a password"
    if _is_webhook(unquote(text) if "%" in text else text):
        return "a webhook's address, whose path is the secret"
    if _TOKENS.search(text) or (" " in text and _has_credential(text)):
        return "a token"
    return ""


def is_random(text: str) -> bool:
    """True if a part of a text can only be made by chance: capitals, small letters and digits in no order that words have."""
    if len(text) < _RANDOM:
        return False
    plain = _PUBLIC.sub(" ", _PUBLIC_BLOCK.sub(" ", text)).strip()
    # Base64 has a slash now and then; a path has more of them, and words between
    whole = _BASE64.fullmatch(plain) is not None and plain.count("/") <= len(plain) // _LONG + 1
    parts = [plain] if whole else [part for run in _RUN.findall(plain) for part in run.split("/")]
    return any(map(_is_random_run, parts))


def is_dense(text: str) -> bool:
    """True if a text may be a key: one run of letters and digits, also in hex, and neither a path nor a word."""
    return (
        len(text) >= _DENSE
        and re.fullmatch(r"[0-9A-Za-z+/_=.~-]+", text) is not None
        and sum(map(str.isdigit, text)) > 1
        and any(map(str.isalpha, text))
        and not is_place(text)
        and re.search(r"[0-9A-Za-z]{12,}", text) is not None
    )


def is_place(text: str) -> bool:
    """True if a text says where something is: a path, an ARN, a URL without a login or a query, a name of Google's."""
    return _PATH.fullmatch(text) is not None


def is_common(text: str) -> bool:
    """True if it is a word (`postgres`, `my-project`, `etl2`): nothing that stands elsewhere because it is a secret here."""
    return _WORD.fullmatch(text) is not None


def own_parts(text: str) -> list[str]:
    """What of a URL is the secret, as libraries quote it alone: its path with the query, and the password."""
    found = _URL_PARTS.match(text)
    if found is None:
        return []
    login, path = found.groups()
    password = (login or "").partition(":")[2]
    return [part for part in dict.fromkeys((path, password, unquote(password))) if len(part) > _DENSE // 2]


def _has_password(text: str) -> bool:
    for scheme, login in _URL.findall(text):
        name, colon, password = login.partition(":")
        is_token = not colon and scheme.lower() in _BY_TOKEN and name not in _NAMES
        secret = password or (name if is_token else "")
        if secret and not is_gap(unquote(secret)):
            return True
    return not all(map(is_gap, _ORACLE.findall(text)))


def _is_webhook(text: str) -> bool:
    """Not so where the last part is a gap: `…/services/<TOKEN>`, `…/T00000000/B00000000/XXXXXXXXXXXX`."""
    if not _HINTS.search(text) or not _WEBHOOKS.search(text):
        return False
    return not is_gap(re.split(r"[?#]", text.rstrip("/"))[0].rpartition("/")[2])


def _has_credential(text: str) -> bool:
    found = _AUTHORIZATION.findall(text)
    for value in _HEADERS.findall(text):  # what follows `Basic` or `Bearer`, and no word: `Basic authentication`
        if len(value) >= _DENSE or any(char.isdigit() or char.isupper() for char in value[1:]):
            found.append(value)
    return not all(map(is_gap, found))


def _is_random_run(run: str) -> bool:
    """By chance, every other character is of another kind than the one before; in CamelCase, every fourth."""
    letters = [char for char in run if char.isalnum()]
    if (
        len(letters) < _RANDOM
        or not all(any(map(is_kind, letters)) for is_kind in _KINDS)
        or len(set(run)) < _DENSE * 3 // 4
        or max(map(len, re.split(r"[^0-9A-Za-z]", run))) < _TOGETHER
    ):
        return False
    share = len(_PIECES.findall(run)) / len(letters)
    return share > (_SHARE if len(run) != _AWS else _SHARE_OF_AWS)
