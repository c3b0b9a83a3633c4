"""Parses JSON from outside, stricter than Python's parser; each error has its place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
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
    if _is_deep(data):
        _locate(text, unique=False)
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


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(DEPTH):
        level = [item for node in level if isinstance(node, dict | list) for item in _items(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _items(node: dict[str, Any] | list[Any]) -> Any:
    return node.values() if isinstance(node, dict) else node


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
