"""Masks the lines of an airflow.cfg: what Airflow calls sensitive, and what is named or looks like a secret."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from bootstrap.airflow.releases import RELEASES
from bootstrap.domain.secret import MASK
from bootstrap.domain.secret_forms import forms
from bootstrap.domain.secret_matcher import Matcher
from bootstrap.domain.secret_places import hide
from bootstrap.domain.sensitive import is_secret, secret_texts
from bootstrap.providers.installed import sensitive_options

_OPTION = re.compile(
    r"(?P<head>(?P<indent>\s*)(?P<comment>[#;][#;\s]*)?(?:export\s+)?(?P<name>[\w.-]+)\s*[=:][ \t]*)(?P<value>.*)",
    re.DOTALL,
)
_COMMENT = re.compile(r"\s*[#;]")
_SET_IN = re.compile(r"([^\S\r\n]*(?:[#;][^\S\r\n]*)?)(.*)", re.DOTALL)
_NEXT = re.compile(r"\s*[#;]\s{2,}\S")  # a comment's line that goes on with the value of the line before
_AS_JSON = frozenset({"backend_kwargs", "secrets_backend_kwargs"})  # whose keys tell which of it is a secret
# Of releases that the table does not go back to, and of providers that may not be installed here
_OF_OTHERS = frozenset(
    {"auth_backend_kwargs", "broker_url", "celery_result_backend", "flower_basic_auth", "rabbitmq_url", "redis_url"}
    | {"result_backend", "secret_key", "smtp_password", *_AS_JSON}
)
_BEGIN, _END = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"), re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY")


@dataclass
class _Option:
    """An option with all its lines."""

    head: str
    name: str
    lines: list[str] = field(default_factory=list)  # its value's, with their ends


def masked(text: str) -> list[str]:
    """Each line of the file as it may be shown."""
    inside, lines = False, []
    shown = (line for option in _options(text) for line in _shown(option))
    for line, whole in zip(shown, lines_of(text), strict=True):
        ends = _END.search(whole) is not None
        lines.append(_with_mask(line) if inside and not ends else line)
        inside = not ends and (inside or _BEGIN.search(whole) is not None)
    return lines


def lines_of(text: str) -> list[str]:
    """With their ends, and ending where configparser's do: `str.splitlines` knows more ends."""
    return list(io.StringIO(text, newline=""))


@cache
def _sensitive() -> frozenset[str]:
    """What Airflow, in any of its releases, and the installed providers call sensitive; by name: options move."""
    found = (*sensitive_options(), *(name for release in RELEASES.values() for name in release.sensitive))
    return _OF_OTHERS | {name.rpartition(".")[2].lower() for name in found}


def _options(text: str) -> Iterator[_Option]:
    """The file in parts: an option with the lines that go on with its value, or a line of another kind, without a name."""
    current = last = _Option("", "")  # the last option that is no comment: its value goes on after one
    for line in lines_of(text):
        found = _OPTION.fullmatch(line)
        if _goes_on(line, current):
            current.lines.append(line)
            continue
        yield current
        if _goes_on(line, last):
            current = _Option("", last.name, [line])
            continue
        current = _Option(found["head"], found["name"], [found["value"]]) if found else _Option("", "", [line])
        last = last if _COMMENT.match(line) else current
    yield current


def _goes_on(line: str, current: _Option) -> bool:
    """As configparser has it: what is indented more than the option, and empty lines. In a comment, what is set in."""
    if not current.name:
        return False
    if _COMMENT.match(current.head):
        return _NEXT.match(line) is not None
    indent = len(current.head) - len(current.head.lstrip())
    return not line.strip() or (len(line) - len(line.lstrip()) > indent and not _COMMENT.match(line))


def _shown(option: _Option) -> Iterator[str]:
    name = option.name.lower().rpartition("__")[2]  # AIRFLOW__CORE__FERNET_KEY in a comment
    if name in _AS_JSON:
        yield from _shown_json(option)
    elif name in _sensitive():
        yield from _masked(option)
    else:
        stem = re.sub(r"_(cmd|secret)$", "", name)  # of which `name` says where it is
        values = [hide(line, _sensitive()) for line in option.lines]
        secret = is_secret("" if stem in _sensitive() else name, "".join(values))
        yield from _masked(option) if secret else _lines(option, values)


def _lines(option: _Option, values: list[str]) -> list[str]:
    """The option with these lines of its value."""
    return [option.head + values[0], *values[1:]] if values else []


def _shown_json(option: _Option) -> Iterator[str]:
    """Of JSON, what is named like a secret is masked; of what is no JSON, everything."""
    text = re.sub(r"(?m)^\s*[#;]", "", "".join(option.lines)).replace("%%", "%")
    try:
        secrets = list(secret_texts(json.loads(text or "{}")))
    except (ValueError, RecursionError):
        yield from _masked(option)
        return
    values = option.lines
    for secret in secrets:
        known = Matcher(forms(secret))
        shown = [known.mask(line) for line in values]
        if shown == values:  # it is written in a way that we don't know
            yield from _masked(option)
            return
        values = shown
    yield from _lines(option, [hide(line, _sensitive()) for line in values])


def _masked(option: _Option) -> Iterator[str]:
    """The lines with a mask for all there is of the value."""
    yield from _lines(option, [_with_mask(line) for line in option.lines])


def _with_mask(line: str) -> str:
    """A mask instead of all there is, but for how the line is set in and how it ends."""
    before, rest = _SET_IN.fullmatch(line).groups()  # type: ignore[union-attr]  # it matches everything
    return f"{before}{MASK}{rest[len(rest.rstrip()) :]}" if rest.strip() else line
