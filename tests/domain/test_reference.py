"""The one way to point at a secret."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.domain.reference import Reference, parse_reference
from bootstrap.errors import Exit, UsageError

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters=":#@", exclude_categories=["Z", "C"]), min_size=1)
_PARTS = st.text(st.characters(codec="utf-8", exclude_characters="#@\0"), min_size=1)
_REFERENCES = st.builds(Reference, store=_NAMES, path=_PARTS, field=_PARTS | st.none(), version=_PARTS | st.none())


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("local:a", Reference("local", "a")),
        ("team:databases/warehouse#password", Reference("team", "databases/warehouse", "password")),
        ("team:a@3", Reference("team", "a", version="3")),
        ("team:a/b#c@3", Reference("team", "a/b", "c", "3")),
        ("team:projects/p:x", Reference("team", "projects/p:x")),
    ],
)
def test_a_reference_has_store_path_field_and_version(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["", "warehouse", ":a", "team:", "te am:a", "team:#password", "team:a#", "team:a@", "team:a@3#password"]
)
def test_any_other_syntax_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a secret reference") as caught:
        parse_reference(text)
    assert caught.value.exit_code == Exit.USAGE


@given(_REFERENCES)
@settings(deadline=None, max_examples=100)
def test_a_reference_reads_back_as_it_was_written(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference
