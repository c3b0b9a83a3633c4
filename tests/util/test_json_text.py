"""What JSON can't tell apart has the same text, and nothing else has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootstrap.util.json_text import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (2.0, 2),
        (-0.0, 0),
        (-4.638609404865616e16, -46386094048656160),
        (1e23, 10**23),
        ({"b": [1.0], "a": 2}, {"a": 2, "b": [1]}),
        ((1, 2), [1, 2]),
    ],
)
def test_the_same(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other) == canonical(json.loads(canonical(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [(2.5, 2), (True, 1), ("2", 2), (None, 0), (10**23, 10**23 + 1), (2**53, 2**53 + 1), ([], {}), (0.1, 0.2)],
)
def test_another(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)
