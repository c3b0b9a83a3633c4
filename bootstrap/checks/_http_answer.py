"""What the check `http` asks for, and whether its answer is what it must be. Of the body, no more is read than necessary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import AliasChoices, ConfigDict, Field

from bootstrap.checks._errors import summary
from bootstrap.checks._http_session import same_origin
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed
from bootstrap.domain.secret import foreign
from bootstrap.util.urls import BadUrl, join, split

_BY_STATUS: dict[int, CauseName] = {
    **dict.fromkeys((401, 407), "auth"),
    403: "permission",
    **dict.fromkeys((404, 410), "not_found"),
    **dict.fromkeys((408, 504), "timeout"),
}
HINTS = {
    407: "the proxy asks for a login: put it into the proxy's URL (HTTPS_PROXY, or `proxies` in the connection's extra)",
    429: "the server limits how often it is asked: try again later",
}
_BROKEN = "the server itself fails: see its log"
_REDIRECT = "put the right address into `host` and `path`, or allow it with `redirects: true`"
_NAME = "expect_text or expect_json"
_LIMIT = 16 * 2**20  # bytes that `expect_text` and `expect_json` look at
_PAGE = 2**17  # bytes of a page that are enough to see what it asks for
_SHORT = 600  # characters of a page that says no more than "sign in"
_CHUNK = 2**16
_SIGN_IN = r"(log|sign)(ging|ning)?[-_ ]?(in|on)\b|\bsso\b|single sign|saml|oauth|authori[sz]e|authenticat|password|anmelden|connexion|acceder"
LOGIN = re.compile(_SIGN_IN, re.IGNORECASE)
_PASSWORD = re.compile(r"<input[^>]+type\s*=\s*[\"']?password", re.IGNORECASE)
_TITLE = re.compile(
    r"<(title|h1|h2)\b[^>]*>(.*?)</\1>|http-equiv=[\"']?refresh[^>]*>|location(?:\.href)?\s*=[^;<]*",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)


Status = Annotated[int, Field(ge=200, le=599)]
_EARLIER = {"expect_status": "status", "expect_text": "contains"}  # their names in older manifests


def _with_earlier_names(schema: dict[str, Any]) -> None:
    for name, earlier in _EARLIER.items():
        schema["properties"][earlier] = {**schema["properties"][name], "deprecated": True}


def _expectation(name: str) -> Any:
    return Field(None, validation_alias=AliasChoices(name, _EARLIER[name]))


class Params(CheckParams):
    """`path` is appended to the connection's host. What the answer must be: `expect_status` is a number or a list of them
    (default: anything below 400), `expect_text` a text that must be in its first 16 MB, and `expect_json` what must be in its JSON, which may say more.
    Without one of these, the check proves an answer and no more; a page that asks to sign in fails it.

    An answer from another address than the one asked for fails the check unless `redirects` is true. The credential is sent to no other host or port.
    """

    model_config = ConfigDict(json_schema_extra=_with_earlier_names)

    path: str = ""
    method: Literal["GET", "HEAD"] = "GET"
    expect_status: Status | Annotated[list[Status], Field(min_length=1)] | None = _expectation("expect_status")
    expect_text: str | None = _expectation("expect_text")
    expect_json: Any = None
    redirects: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        """Those that are expected; empty: anything below 400."""
        wanted = self.expect_status
        return tuple(wanted) if isinstance(wanted, list) else () if wanted is None else (wanted,)

    @property
    def expects_json(self) -> bool:
        """`expect_json: null` is an expectation, too."""
        return "expect_json" in self.model_fields_set

    @property
    def expects_content(self) -> bool:
        """Whether more is expected than an answer."""
        return self.expect_text is not None or self.expects_json


def require(response: Any, params: Params) -> bool:
    """Returns True. Raises Diagnosed where the answer has another status, address or content."""
    wanted = params.statuses
    if response.status_code not in wanted if wanted else response.status_code >= 400:  # noqa: PLR2004
        raise Diagnosed(_of_status(response, wanted))
    _require_address(response, params)
    if params.expects_content:
        _require_content(response, params)
    elif _is_success(response) and _is_page(response) and _asks_to_sign_in(_beginning(response)):
        hint = "correct the path or the login; if it is the right page, name expect_text"
        raise Diagnosed(Cause("auth", "the answer is a page that asks to sign in", hint))
    return True


def closed(response: Any, params: Params) -> Mapping[str, Any]:
    """What the task returns instead of a body of any size: what is to be said of the answer."""
    response.close()
    said, moved = str(response.status_code), _moved_to(response)
    if moved:
        said += f" from {_shown(moved)}"
    if not (params.expects_content or params.statuses):
        said += f": an answer, and no more; {_NAME} proves which"
    warnings = []
    if not params.expects_content and moved and LOGIN.search(_shown(moved)):
        warnings = [f"the answer comes from what looks like a log-in page, {_shown(moved)}: name {_NAME}"]
    elif not params.expects_content and _is_success(response) and _is_page(response):
        warnings = [f"the answer is an HTML page, and may be any: name {_NAME}"]
    return {"said": said, "warnings": warnings}


def _of_status(response: Any, wanted: tuple[int, ...]) -> Cause:
    status: int = response.status_code
    instead = f" instead of {' or '.join(map(str, wanted))}" if wanted else ""
    said = f"{status} {summary(response.reason)}" if response.reason else str(status)
    hint = HINTS.get(status, _BROKEN if status >= 500 else "")  # noqa: PLR2004
    message = f"{said}{instead} for {foreign(split(response.url).path or '/')}"
    return Cause(_BY_STATUS.get(status, "check_error"), message, hint)


def _require_address(response: Any, params: Params) -> None:
    """The answer comes from the address that was asked; an expected redirect is an answer as well."""
    if response.is_redirect and response.status_code in params.statuses:
        return
    moved = _moved_to(response)
    if moved is None or (params.redirects and not response.is_redirect):
        return
    first = _first(response)
    elsewhere = "" if same_origin(first, moved) else ", another host or port"
    message = foreign(f"{split(first).path or '/'} redirects to {_shown(moved)}{elsewhere}")
    if LOGIN.search(_shown(moved)):
        raise Diagnosed(Cause("auth", message, f"correct the login; if this is the right page, {_REDIRECT}"))
    raise Diagnosed(Cause("check_error", message, _REDIRECT))


def _first(response: Any) -> str:
    return str((response.history[0] if response.history else response).url)


def _moved_to(response: Any) -> str | None:
    """The address that the answer comes from, or sends to, where that is another; a slash at the end makes none."""
    last = join(response.url, response.headers["Location"]) if response.is_redirect else response.url
    first = _first(response)
    same = same_origin(first, last) and _resource(first) == _resource(last)
    return None if same else str(last)


def _resource(url: str) -> tuple[str, str]:
    parts = split(url)
    return parts.path.rstrip("/"), parts.query


def _shown(url: str) -> str:
    """Without what a query or a login in it may tell: of the query, the names."""
    try:
        parts = split(url)
    except BadUrl:
        return "a malformed address"
    names = "&".join(f"{name}=…" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    address = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return f"{address}?{names}" if names else address


def _require_content(response: Any, params: Params) -> None:
    head = ": HEAD has no body" if response.request.method == "HEAD" else ""
    body = _read(response, _LIMIT) if params.expects_json else b""
    if params.expect_text is not None:
        words = {params.expect_text.encode(encoding, errors="replace") for encoding in ("utf-8", _encoding(response))}
        if not _found([body] if body else response.iter_content(_CHUNK), words):
            raise Diagnosed(Cause("check_error", f"the answer has no {params.expect_text!r} in it{head}"))
    if params.expects_json:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            kind = response.headers.get("Content-Type", "nothing").partition(";")[0]
            raise Diagnosed(Cause("check_error", f"the answer is no JSON, but {kind}{head}")) from None
        if where := _difference(params.expect_json, found, "the answer"):
            raise Diagnosed(Cause("check_error", where, "correct `expect_json`, or the path"))


def _difference(wanted: Any, found: Any, where: str) -> str:
    """Where `found` has not all of `wanted` in it, '' if it has; what it has instead may be a secret, and isn't quoted.

    Of a list each wanted item must be there, in any order.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return f"{where} is no object"
        each = (
            _difference(value, found[key], f"{where}.{key}") if key in found else f"{where} has no {key!r}"
            for key, value in wanted.items()
        )
        return next(filter(None, each), "")
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return f"{where} is no list"
        missing = (item for item in wanted if all(_difference(item, other, "") for other in found))
        return next((f"{where} has no item {json.dumps(item, ensure_ascii=False)}" for item in missing), "")
    same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return "" if same else f"{where} isn't {json.dumps(wanted, ensure_ascii=False)}"


def _is_success(response: Any) -> bool:
    return bool(200 <= response.status_code < 300)  # noqa: PLR2004


def _is_page(response: Any) -> bool:
    """Whether it says that it is HTML, or doesn't say what it is and is something that browsers would take for it."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind:
        return kind in ("text/html", "application/xhtml+xml")
    return _beginning(response).lstrip()[:1] == "<"


def _beginning(response: Any) -> str:
    """The begin of the body as text. What was read is kept: it is asked for more than once."""
    if not hasattr(response, "beginning"):
        response.beginning = _read(response, _PAGE).decode(_encoding(response), errors="replace")
    return str(response.beginning)


def _asks_to_sign_in(html: str) -> bool:
    """A field for a password, a title or a way on that says so, or a page with no more to say. A link to a login is none."""
    if _PASSWORD.search(html) or any(LOGIN.search(found[0]) for found in _TITLE.finditer(html)):
        return True
    text = " ".join(_TAG.sub(" ", html).split())
    return len(text) < _SHORT and LOGIN.search(text) is not None


def _encoding(response: Any) -> str:
    import codecs

    try:
        return codecs.lookup(response.encoding or "utf-8").name
    except LookupError:
        return "utf-8"


def _read(response: Any, limit: int) -> bytes:
    read = bytearray()
    for chunk in response.iter_content(_CHUNK):
        read += chunk
        if len(read) >= limit:
            break
    return bytes(read[:limit])


def _found(chunks: Iterable[bytes], words: set[bytes]) -> bool:
    """Whether any of the words is in the first _LIMIT bytes; what two chunks share is looked at together."""
    overlap, kept, seen = max(map(len, words)) - 1, b"", 0
    for chunk in chunks:
        window = kept + chunk
        if any(word in window for word in words):
            return True
        seen += len(chunk)
        if seen >= _LIMIT:
            return False
        kept = window[-overlap:] if overlap else b""
    return b"" in words
