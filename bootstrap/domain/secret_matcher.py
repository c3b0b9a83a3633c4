"""Finds thousands of secrets in a text at once, the leftmost first and the longest of those, and masks them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from bootstrap.domain.secret_forms import SHORT

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

MASK = "***"
Span = tuple[int, int]  # where it begins and ends
_FIRST_WINDOW, _LARGEST_WINDOW = 1 << 12, 1 << 20  # characters that are searched at once
_WALK = 6  # characters that are walked through in the time that it takes to build one more form into an automaton
_MANY = 50_000  # forms; of more, each takes longer: they don't fit into the processor's cache
_CUT = 8  # characters of a secret's head or tail that are too many to show
_ELLIPSIS = re.compile(r"\.\.\.|…|\Z")


_PRIVATE = {code: code - 0xD800 + 0xF0000 for code in range(0xD800, 0xE000)}


def utf8(text: str) -> str:
    """What an automaton takes: each half of a surrogate pair, as of a byte that is no UTF-8, is a character for private use."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_PRIVATE)
    return text


class _Automaton(NamedTuple):
    """Made of so many forms. None: there are none of that length."""

    forms: int
    long: AhoCorasick | None
    short: re.Pattern[str] | None


class Matcher:
    """The forms of secrets. One that is shorter than SHORT counts only where it stands alone.

    A short text is walked through, for each new form would have to be built into the automaton that finds them all in
    one pass. Not thread-safe while forms are added.
    """

    def __init__(self, found: Iterable[str] = ()) -> None:
        self.forms: set[str] = set()
        self._lengths: dict[str, int] = {}  # of the forms with these first characters: a bit for each length
        self._short: set[str] = set()
        self._longest = 0
        self._automata: dict[bool, _Automaton] = {}  # of all forms; and without some
        self._sorted: tuple[list[str], list[str]] = [], []  # those that can be cut; and the same turned round
        self._unsorted: list[str] = []
        self._ends: set[str] = set()
        self.add(found)

    def add(self, found: Iterable[str]) -> None:
        """Mask these, too."""
        for form in found:
            if form in self.forms:
                continue
            self.forms.add(form)
            self._longest = max(self._longest, len(form))
            if len(form) < SHORT:
                self._short.add(form)
                continue
            self._lengths[form[:SHORT]] = self._lengths.get(form[:SHORT], 0) | 1 << len(form)
            if len(form) > _CUT and not form.startswith("-----"):
                self._unsorted.append(form)

    def mask(self, text: str, but: AbstractSet[str] = frozenset()) -> str:
        """`text` with a mask for each form but these."""
        if not self.forms:
            return text
        return self._masked(text, 0, len(text), but)[0]

    def mask_cut(self, text: str) -> str:
        """`text` with a mask for what is left of a form that was cut off: at its end, and around an ellipsis."""
        if self._longest < _CUT:
            return text
        parts: list[str] = []
        at = 0
        for gap in _ELLIPSIS.finditer(text):
            head = self._head_before(text[at : gap.start()])
            tail = self._tail_after(text[gap.end() :]) if gap[0] else 0
            parts += (text[at : gap.start() - head], MASK if head else "", gap[0], MASK if tail else "")
            at = gap.end() + tail
        return "".join(parts)

    def stream(self, chunks: Iterable[str]) -> Iterator[str]:
        """The masked text of these parts of one text: a form may begin in one and end in another."""
        kept, done = "", 0  # one character that is out already stays in front: a short form must stand alone
        for chunk in chunks:
            kept += chunk
            sure = len(kept) - self._longest - 1
            if sure > done:
                out, at = self._masked(kept, done, sure)
                yield out
                kept, done = kept[at - 1 :], 1
        yield self._masked(kept, done, len(kept))[0]

    def _masked(self, text: str, at: int, until: int, but: AbstractSet[str] = frozenset()) -> tuple[str, int]:
        """What was masked from `at` on, of forms that begin before `until`; and where it ends."""
        parts: list[str] = []
        for start, end in self._matches(text, at, but):
            if start >= until:
                break
            parts += (text[at:start], MASK)
            at = end
        parts.append(text[at:until])
        return "".join(parts), max(at, until)

    def _matches(self, text: str, at: int, but: AbstractSet[str]) -> Iterator[Span]:
        count = len(self.forms) - len(but)
        known = self._automata.get(bool(but))
        if known is None or known.forms != count:
            if len(text) - at < _WALK * count * (1 + count // _MANY):
                return self.walk(text, at, but)
            known = self._automata[bool(but)] = self._built(count, but)
        found = iter(()) if known.long is None else self._search(known.long, text, at)
        return found if known.short is None else self._with_short(found, known, text, at)

    def _built(self, count: int, but: AbstractSet[str] = frozenset()) -> _Automaton:
        """Short forms apart: a regex looks at their neighbours, and begins with a set of characters, which `re` is quick to find."""
        from ahocorasick_rs import AhoCorasick, MatchKind

        long = [utf8(form) for form in self.forms if len(form) >= SHORT and form not in but]
        automaton = AhoCorasick(long, matchkind=MatchKind.LeftmostLongest, store_patterns=False) if long else None
        escaped = [re.escape(form) for form in sorted(self._short - but, key=len, reverse=True)]
        alone = "|".join(rf"{form}(?<!\w{form})" for form in escaped)
        return _Automaton(count, automaton, re.compile(rf"(?:{alone})(?!\w)") if escaped else None)

    def _search(self, automaton: AhoCorasick, text: str, at: int) -> Iterator[Span]:
        """In windows that grow: a search may end after the first match."""
        size = _FIRST_WINDOW
        while at < len(text):
            sure = at + size  # a match that begins before it ends in the window
            begin = at
            for _, start, end in automaton.find_matches_as_indexes(utf8(text[begin : sure + self._longest])):
                if begin + start >= sure:
                    break
                at = begin + end
                yield begin + start, at
            at = max(at, sure)
            size = min(2 * size, _LARGEST_WINDOW)

    def _with_short(self, found: Iterator[Span], known: _Automaton, text: str, at: int) -> Iterator[Span]:
        """Merge the two: the leftmost counts, and what overlaps it is looked for anew."""
        pattern: re.Pattern[str] = known.short  # type: ignore[assignment]  # there are short ones
        long, short = next(found, None), pattern.search(text, at)
        while long or short:
            if long and (short is None or long[0] <= short.start()):
                at, span, long = long[1], long, next(found, None)
            else:
                at, span = short.end(), short.span()  # type: ignore[union-attr]  # one of the two is there
                if long and long[0] < at:
                    found = self._search(known.long, text, at)  # type: ignore[arg-type]  # it found `long`
                    long = next(found, None)
            if short and short.start() < at:
                short = pattern.search(text, at)
            yield span

    def walk(self, text: str, at: int = 0, but: AbstractSet[str] = frozenset()) -> Iterator[Span]:
        """Where forms are, character by character; nothing has to be built for it."""
        while at < len(text):
            length = self._length_at(text, at, but)
            if length:
                yield at, at + length
            at += length or 1

    def _length_at(self, text: str, at: int, but: AbstractSet[str]) -> int:
        lengths = self._lengths.get(text[at : at + SHORT], 0)
        while lengths:
            length = lengths.bit_length() - 1
            form = text[at : at + length]
            if form in self.forms and form not in but:
                return length
            lengths ^= 1 << length
        for length in range(SHORT - 1, 0, -1) if self._short else ():
            form = text[at : at + length]
            around = (text[at - 1 : at], text[at + length : at + length + 1])
            is_part = any(char.isalnum() or char == "_" for char in around)  # of a word
            if form in self._short and form not in but and not is_part:
                return len(form)
        return 0

    def _head_before(self, text: str) -> int:
        """How long the head of a form is with which the text ends."""
        for start in range(max(0, len(text) - self._longest), len(text) - _CUT + 1):
            if text[start : start + SHORT] in self._lengths and _begins(self._in_order()[0], text[start:]):
                return len(text) - start
        return 0

    def _tail_after(self, text: str) -> int:
        """How long the tail of a form is with which the text begins."""
        tails, ends = self._in_order()[1], self._ends
        for end in range(min(self._longest, len(text)), _CUT - 1, -1):
            if text[end - SHORT : end] in ends and _begins(tails, text[:end][::-1]):
                return end
        return 0

    def _in_order(self) -> tuple[list[str], list[str]]:
        """Sorted anew where forms came to it: quick, for most are in order already."""
        if self._unsorted:
            heads, tails = self._sorted
            heads += sorted(self._unsorted)
            tails += sorted(form[::-1] for form in self._unsorted)
            self._ends.update(form[-SHORT:] for form in self._unsorted)
            self._unsorted.clear()
            heads.sort()
            tails.sort()
        return self._sorted


def _begins(forms: list[str], head: str) -> bool:
    """True if one of these, which are sorted, begins so."""
    place = bisect_left(forms, head)
    return place < len(forms) and forms[place].startswith(head)
