"""Parses JSON from outside, stricter than Python's parser, each error with its place; and writes equal data as equal text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from bootstrap.util.input_text import DEPTH, BadInput, place

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str) -> Any:
    """The data of one value's JSON; of a key that is there twice, the last one, as everywhere. Raises BadInput."""
    return _require_text(text, _loaded(text, _ANY), unique=False)


def loads_unique(text: str, number: Callable[[str], Any] | None = None) -> Any:
    """As `loads`; no key may be there twice. `number` makes something of a number with a point or an exponent."""
    decoder = json.JSONDecoder(parse_float=number or _finite, parse_constant=_constant, object_pairs_hook=_unique)
    return _require_text(text, _loaded(text, decoder), unique=True)


def loads_file(text: str) -> Any:
    """As `loads_unique`, but that half of a surrogate pair and NaN are left to whoever uses the value that they are in."""
    return _loaded(text, json.JSONDecoder(object_pairs_hook=_unique))


class _Refused(ValueError):
    """Something that is refused stands somewhere in the text."""


def _loaded(text: str, decoder: json.JSONDecoder) -> Any:
    try:
        data = decoder.decode(text)
    except json.JSONDecodeError as err:
        raise BadInput("not valid JSON", line=err.lineno, column=err.colno) from None  # its `doc` is the text
    except (RecursionError, ValueError):  # ValueError: also a number of more digits than Python takes
        _locate(text, unique=decoder.object_pairs_hook is not None)
    level = [data]
    for _ in range(DEPTH + 1):
        containers = [node for node in level if isinstance(node, dict | list)]
        if not containers:
            break
        level = [item for node in containers for item in (node.values() if isinstance(node, dict) else node)]
    else:
        _locate(text, unique=False)  # it is nested too deep
    return data


def _finite(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise _Refused
    return found


def _constant(_: str) -> NoReturn:
    raise _Refused


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused
    return found


_ANY = json.JSONDecoder(parse_float=_finite, parse_constant=_constant)


def _require_text(text: str, data: Any, *, unique: bool) -> Any:
    if _SURROGATE.search(text) and not _is_text(data):
        _locate(text, unique=unique)
    return data


def _is_text(data: Any) -> bool:
    """JSON can spell half of a surrogate pair, and nothing else can."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _locate(text: str, *, unique: bool) -> NoReturn:
    """Raises BadInput for the first thing that is refused."""
    for position, problem, hint in _problems(text, unique=unique):
        line, column = place(text, position)
        raise BadInput(problem, hint, line=line, column=column)
    raise BadInput("not valid JSON")


def _problems(text: str, *, unique: bool) -> Iterator[tuple[int, str, str]]:
    keys: list[set[str]] = []  # of each object around; lists have none
    last: tuple[int, str] = (0, "")
    for token in _TOKEN.finditer(text):
        position, word = token.start(), token[0]
        if word in "[{":
            keys.append(set())
            if len(keys) > DEPTH:
                yield position, f"nested deeper than {DEPTH} levels", "make it flatter"
        elif word in "]}" and keys:
            keys.pop()
        elif word == ":" and keys:
            name = _string(last[1])
            if unique and name in keys[-1]:
                yield last[0], f"the key {name!r} appears twice", "keep one of them"
            keys[-1].add(name)
        elif word not in "]}:," and (problem := _problem(word)):
            yield position, problem, "correct it there"
        last = (position, word)


def _problem(word: str) -> str:
    """What is wrong with a string or a word; '' for nothing."""
    if word.startswith('"'):
        return "" if _is_text(_string(word)) else "half of a surrogate pair, which is not text"
    try:
        json.loads(word, parse_float=_finite, parse_constant=_constant)
    except json.JSONDecodeError:
        return "not valid JSON"
    except ValueError:
        return "a number that is none to JSON, or too large"
    return ""


def _string(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return ""


_ENCODER = json.JSONEncoder(sort_keys=True)  # made once: `json.dumps` makes one each time


def canonical(value: Any) -> str:
    """Plain data as JSON: the order of keys makes no difference, nor does 2.0 for 2: a Vault gives back the one for the other."""
    return _ENCODER.encode(value if isinstance(value, str) else _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))  # the digits that JSON writers write, not those of the binary number
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
