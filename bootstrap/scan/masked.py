"""Code as a report may show it: nobody has told the tool which secrets stand in it."""

from __future__ import annotations

import re

from bootstrap.domain.secret import MASK, foreign
from bootstrap.domain.secret_places import hide
from bootstrap.domain.sensitive import looks_secret

_LITERAL = re.compile(r"(['\"])((?:\\.|(?!\1).)*)\1", re.DOTALL)


def masked(text: str) -> str:
    """Source code without the logins of its URLs, without what a name says is a secret, and without literals that look like one."""
    return foreign(_LITERAL.sub(_without_secret, hide(text)))


def masked_name(text: str) -> str:
    """The same for a name: of a bucket, an endpoint, a path. A webhook's address is nothing but a secret."""
    shown = masked(text)
    return MASK if looks_secret(shown) else shown


def without_literals(sql: str) -> str:
    """SQL that nobody can read: a literal in it could be anything, as in CREATE USER x PASSWORD '…'."""
    return _LITERAL.sub(lambda found: f"{found[1]}{MASK}{found[1]}", sql)


def _without_secret(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}{found[1]}" if looks_secret(found[2]) else found[0]
