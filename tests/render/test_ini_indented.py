"""Sections and options that are indented: what Airflow's parser takes for a header is one, and what it doesn't is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.errors import AirflowError
from bootstrap.render import ini

FILE = "airflow.cfg"
NEW = {"secrets": "[secrets]\nbackend = b\n"}
_LINES = st.sampled_from(
    ["[core]", "[secrets]", "[a] [b]", "# [x]", ";", "", "a = b", "b = [secrets]", "[", "c =", "é = 1", "backend = z"]
)
TEXTS = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["", " ", "  ", "\t"]), _LINES, st.sampled_from(["", " "]))
).map("\n".join)


@settings(max_examples=300, deadline=None, database=None)
@given(text=TEXTS)
def test_a_section_is_found_where_the_parser_finds_it(text: str) -> None:
    try:
        read = ini.values(text, FILE)
    except AirflowError:
        return
    for name in ("core", "secrets", "a] [b"):
        assert (ini.find(text, name) is not None) == (name in read), name
        assert ini.section_values(text, name, FILE) == read.get(name, {})


@settings(max_examples=300, deadline=None, database=None)
@given(text=TEXTS)
def test_an_option_of_an_indented_section_is_set_and_nothing_else(text: str) -> None:
    """It is that, or it is refused with the line: another value never changes."""
    before: dict[str, dict[str, str]] = {}
    after = said = ""
    try:
        before = {name: dict(options) for name, options in ini.values(text, FILE).items()}
        after = ini.edited(text, {"secrets": {"backend": "b"}}, NEW, FILE).text
    except AirflowError as err:
        said = err.message
    if said:
        assert re.match(rf"{FILE}:\d+: ", said)
        return
    before["secrets"] = {**before.get("secrets", {}), "backend": "b"}
    assert ini.values(after, FILE) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[core]\n\n  [secrets]\n  backend = a.B\n", "[core]\n\n  [secrets]\n  backend = b\n  x = 1\n"),
        ("[core]\n\n  [secrets]\n  backend = a.B", "[core]\n\n  [secrets]\n  backend = b\n  x = 1\n"),
        (
            "  [secrets]\n  y = 2\n  [core]\n  a = b\n",
            "  [secrets]\n  y = 2\n  backend = b\n  x = 1\n  [core]\n  a = b\n",
        ),
        ("[secrets]\n    y = 2\n    # z\n", "[secrets]\n    y = 2\n    backend = b\n    x = 1\n    # z\n"),
        ("[secrets]\n  backend = a\n  y = 1\n", "[secrets]\n  backend = b\n  y = 1\n  x = 1\n"),
        (" [secrets]\n", " [secrets]\nbackend = b\nx = 1\n"),
        (
            "[core]\na = b\n  [secrets]\n",  # a's value goes on
            "[core]\na = b\n  [secrets]\n\n[secrets]\nbackend = b\nx = 1\n",
        ),
        ("[core]\r\n\r\n\t[secrets]\r\n\tbackend = a\r\n", "[core]\r\n\r\n\t[secrets]\r\n\tbackend = b\r\n\tx = 1\r\n"),
    ],
)
def test_what_is_written_has_the_indentation_of_what_is_there(before: str, after: str) -> None:
    new = {"secrets": "[secrets]\nbackend = b\nx = 1\n"}
    assert ini.edited(before, {"secrets": {"backend": "b", "x": "1"}}, new, FILE).text == after
