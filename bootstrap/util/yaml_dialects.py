"""How the YAML specifications, and programs whose files we read, resolve a bare word."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bootstrap.util.input_text import BadInput

TAG = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL, MERGE = (f"{TAG}{name}" for name in ("str", "int", "float", "bool", "null", "merge"))
_AMBIGUOUS = f"{TAG}ambiguous"  # ours
_KNOWN = ("binary", "omap", "pairs", "set", "timestamp")  # may be named in a message; any other may be a password
_BITS = 14_000  # Python writes no number of more than 4,300 digits
_FIRST = frozenset("-+.0123456789~tTfFnNyYoO<")  # what begins a word that may be no text, in any dialect
_QUOTE = "put text in quotes"


@dataclass(frozen=True)
class Dialect:
    """`words` tells which tag a bare word has, the first that matches; without any it is text. `make` makes their values."""

    words: Mapping[str, re.Pattern[str]]
    make: Mapping[str, Callable[[str], Any]]

    def tag_of(self, word: str) -> str:
        """The tag of a bare word."""
        if word and word[0] not in _FIRST:
            return STR
        return next((tag for tag, pattern in self.words.items() if pattern.fullmatch(word)), STR)

    def scalar(self, text: str, tag: str | None, *, plain: bool) -> Any:
        """The value of a scalar; `plain`: there are no quotes around it. Raises BadInput, without a place."""
        if tag in {None, "!"}:
            found = self.tag_of(text) if plain and tag is None else STR
        elif tag not in {STR, *self.make} or tag == _AMBIGUOUS:
            raise BadInput(*self.unknown_tag(str(tag)))
        elif tag != STR and not self._may_be(text, str(tag)):
            raise BadInput(f"not what its tag !!{str(tag).removeprefix(TAG)} says", _QUOTE)
        else:
            found = str(tag)
        return self._made(text, found)

    def unknown_tag(self, tag: str) -> tuple[str, str]:
        """What is wrong with it, and the next step."""
        name = tag.removeprefix(TAG)
        known = name in _KNOWN
        return f"the tag !!{name} makes what JSON has not" if known else "not valid YAML: an unknown tag", _QUOTE

    def _may_be(self, text: str, tag: str) -> bool:
        pattern = self.words.get(tag)
        return pattern is None or pattern.fullmatch(text) is not None or (tag == FLOAT and self._may_be(text, INT))

    def _made(self, text: str, tag: str) -> Any:
        if tag in {STR, MERGE}:
            return text
        try:
            value = self.make[tag](text)
        except BadInput:
            raise
        except (ValueError, IndexError, OverflowError):  # 0x_, or more digits than Python takes
            raise BadInput("not a number", _QUOTE) from None
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise BadInput("a number that is too large", _QUOTE)
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput("JSON knows no such value", _QUOTE)
        return value


def _words(**patterns: str) -> dict[str, re.Pattern[str]]:
    return {f"{TAG}{name}": re.compile(pattern) for name, pattern in patterns.items()}


def _ambiguous(text: str) -> Any:
    boolean = "true" if text.lower() in {"yes", "on"} else "false"
    hint = f"write {boolean}, or '{text}' in quotes where it is text"
    raise BadInput(f"{text}: text to YAML 1.2, and {boolean} to YAML 1.1", hint)


_MAKE: Mapping[str, Callable[[str], Any]] = {
    NULL: lambda _: None,
    BOOL: lambda text: text.lower() == "true",
    INT: lambda text: int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)),
    FLOAT: lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}
_NULL = r"~|null|Null|NULL|"
_BOOL = r"true|True|TRUE|false|False|FALSE"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"

CORE = Dialect(  # YAML 1.2.2, 10.3.2, and what two versions read differently is refused. `<<` is its 1.1's, and widely known
    _words(
        null=_NULL,
        bool=_BOOL,
        int=r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
        float=_FLOAT,
        merge="<<",
        ambiguous=r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF",
    ),
    {**_MAKE, _AMBIGUOUS: _ambiguous},
)


GO = Dialect(  # gopkg.in/yaml.v3, resolve.go: what the Astro CLI reads its settings with
    _words(
        null=_NULL,
        bool=_BOOL,
        int=r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)",
        float=_FLOAT,
        merge="<<",
    ),
    {**_MAKE, INT: lambda text: int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", text.replace("_", "")), 0)},
)

WORDS = Dialect({MERGE: re.compile("<<")}, dict.fromkeys((NULL, BOOL, INT, FLOAT), str))  # each as it stands there

# For secrets: what isn't exactly how JSON writes a value (00123, 1.10, yes) stays the text that it is
JSON_WORDS = Dialect(
    _words(
        int=r"0|-?[1-9][0-9]*",
        float=r"-?(?:0|[1-9][0-9]{0,7})\.(?:0|[0-9]{0,3}[1-9])",
        bool=r"true|false",
        null=r"~|null|",
        merge="<<",
    ),
    _MAKE,
)


def _by_pyyaml(name: str) -> Callable[[str], Any]:
    """PyYAML's own way to make the value of a scalar with that tag."""
    construct = getattr(yaml.constructor.SafeConstructor(), f"construct_yaml_{name}")
    return lambda text: construct(yaml.ScalarNode(f"{TAG}{name}", text))


_PYYAML = {tag: pattern for words in yaml.SafeLoader.yaml_implicit_resolvers.values() for tag, pattern in words}
YAML_1_1 = Dialect(  # what Airflow reads its files with: yaml.safe_load. A date is left as the text that it is, for JSON has none
    {tag: _PYYAML[tag] for tag in (BOOL, INT, FLOAT, NULL, MERGE)},
    {f"{TAG}{name}": _by_pyyaml(name) for name in ("bool", "int", "float", "null")},
)
