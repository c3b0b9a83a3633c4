"""YAML with places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import ManifestError
from bootstrap.util.yaml_document import Document, Path_, overlay, parse

FILE = Path("bootstrap.yaml")
CANARY = "canary-7f3a"


def read(text: str) -> Document:
    return parse(text, FILE)


def refusal(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        read(text)
    return caught.value.message


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "bootstrap.yaml:2:1"),
        (("a",), "bootstrap.yaml:2:1"),
        (("a", "b"), "bootstrap.yaml:3:3"),
        (("a", "b", 0), "bootstrap.yaml:3:7"),
        (("a", "b", 1), "bootstrap.yaml:3:10"),
        (("a", "b", 1, "c"), "bootstrap.yaml:3:11"),
        (("d", 0), "bootstrap.yaml:5:5"),
    ],
)
def test_every_key_and_item_has_its_place(path: Path_, place: str) -> None:
    document = read("# a comment\na:\n  b: [x, {c: y}]\nd:\n  - z\n")
    assert document.has(path)
    assert str(document.place(path)) == place


def test_what_is_not_there_has_the_place_of_what_is_around_it() -> None:
    document = read("a:\n  b: 1\n")
    assert str(document.place(("a", "missing", 3))) == "bootstrap.yaml:1:1"
    assert str(document.place(("a", "b", "c"))) == "bootstrap.yaml:2:3"


def test_a_step_that_the_file_lacks_is_passed_over() -> None:
    document = read("auth:\n  method: approle\n  rol_id: x\n")
    assert str(document.place(("auth", "approle", "rol_id"))) == "bootstrap.yaml:3:3"


def test_an_empty_file_has_no_data_and_begins_at_the_beginning() -> None:
    document = read("")
    assert document.data is None
    assert str(document.place(("a",))) == "bootstrap.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5432", 5432),
        ('"00123"', "00123"),
        ("'yes'", "yes"),
        ("1.5", 1.5),
        ("~", None),
        ("2024-01-31", "2024-01-31"),
        ("2024-99-99", "2024-99-99"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
    ],
)
def test_scalars_become_json_values_and_a_date_stays_text(text: str, value: object) -> None:
    assert read(f"a: {text}").data == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 2, d: 3, c: 4}\n", "bootstrap.yaml:2:17: the key 'c' appears twice"),
        ("a: 1\nb: 2\na: 3\n", "bootstrap.yaml:3:1: the key 'a' appears twice"),
    ],
)
def test_a_repeated_key_is_refused_with_its_place(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\nb: 3\n", "2:2"),
        ("a: 1\n\tb: 2\n", "2:1"),
        ("a: 1\n---\nb: 2\n", "2:1"),
        ("a: *nothing\n", "1:4"),
        ("a: \x00\n", "1:4"),
        ("a: 1\nbc: \x07\n", "2:5"),
    ],
)
def test_a_syntax_error_has_its_place(text: str, place: str) -> None:
    assert refusal(text).startswith(f"bootstrap.yaml:{place}: not valid YAML: ")


@pytest.mark.parametrize("key", ["5", "true", "on", "~", "1.5", "? [x]\n"])
def test_a_key_that_is_not_text_is_refused_with_its_place(key: str) -> None:
    place = "bootstrap.yaml:2:3" if key.startswith("?") else "bootstrap.yaml:2:1"
    assert refusal(f"a: 1\n{key}: 2\n") == f"{place}: a key must be text"


def test_the_hint_quotes_the_key_as_it_was_written() -> None:
    with pytest.raises(ManifestError) as caught:
        read("on: 1\n")
    assert caught.value.hint == "write 'on' in quotes"


@pytest.mark.parametrize("text", ["!!int 0x_", "!!int abc", ".nan", ".inf", "!!binary aGk="])
def test_a_value_that_json_has_not_is_refused_with_its_place(text: str) -> None:
    assert refusal(f"a: 1\nb: {text}\n").startswith("bootstrap.yaml:2:4: ")


@pytest.mark.parametrize(
    "text", [f"!{CANARY}", f"!{CANARY} x", f"!!{CANARY} x", f"{{{{{CANARY}}}}}", f"!!int {CANARY}"]
)
def test_an_unquoted_password_is_not_echoed(text: str) -> None:
    message = refusal(f"password: {text}\n")
    assert message.startswith("bootstrap.yaml:1:1")
    assert CANARY not in message


def test_an_alias_is_what_it_stands_for() -> None:
    assert read("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_an_own_key_wins_over_a_merged_one() -> None:
    document = read("a: &x {b: 1, c: 1}\nd:\n  <<: *x\n  b: 2\n")
    assert document.data["d"] == {"b": 2, "c": 1}
    assert str(document.place(("d", "b"))) == "bootstrap.yaml:4:3"


def test_an_alias_of_a_mapping_with_a_merge_has_no_repeated_key() -> None:
    assert read("a: &x {b: 1}\nd: &y\n  <<: *x\n  b: 2\ne: *y\n").data["e"] == {"b": 2}


def test_an_alias_of_itself_is_refused_with_its_place() -> None:
    assert refusal("a: &x\n  b: [*x]\n") == "bootstrap.yaml:1:4: this holds an alias of itself"


# A profile over the rest


def laid_over(under: str, over: str) -> Any:
    """`over` merged over `under`, both in flow style."""
    document = read(f"x: {under}\nprofile: {{x: {over}}}\n")
    return overlay(document, ("profile",)).data["x"]


@pytest.mark.parametrize(
    ("under", "over", "merged"),
    [
        ("{a: 1, b: {c: 2}}", "{b: {d: 3}}", {"a": 1, "b": {"c": 2, "d": 3}}),
        ("{a: 1}", "{a: 2}", {"a": 2}),
        ("{a: 1}", "{a: null}", {"a": None}),
        ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
        ("{a: 1}", "2", 2),
        ("{a: 1}", "{}", {"a": 1}),
        ("{kind: vault, url: u}", "{kind: vault, mount: m}", {"kind": "vault", "url": "u", "mount": "m"}),
        ("{kind: vault, url: u}", "{mount: m}", {"kind": "vault", "url": "u", "mount": "m"}),
        ("{kind: vault, url: u}", "{kind: env}", {"kind": "env"}),
        ("{method: approle, role_id: r}", "{method: token}", {"method": "token"}),
        ('{secret: "s:a"}', '{secret: "s:b"}', {"secret": "s:b"}),
        ("{prefix: A_}", "{kind: env}", {"prefix": "A_", "kind": "env"}),
        ("{env: A}", "{file: F}", {"file": "F"}),
        ("{a: 1, b: 2}", '{secret: "s:a"}', {"secret": "s:a"}),
        ("{conn_type: http, host: h}", '{from: {secret: "s:a"}}', {"from": {"secret": "s:a"}}),
    ],
)
def test_mappings_merge_and_anything_else_is_replaced(under: str, over: str, merged: object) -> None:
    assert laid_over(under, over) == merged


def test_places_point_to_where_the_merged_value_was_written() -> None:
    text = "x:\n  a: 1\n  b: {c: 2}\nprofile:\n  x:\n    b:\n      d: [3]\n"
    merged = overlay(read(text), ("profile",))
    assert [merged.place(path).line for path in (("x", "a"), ("x", "b"), ("x", "b", "c"), ("x", "b", "d", 0))] == [
        2,
        6,
        3,
        7,
    ]


def test_what_is_laid_over_stays_as_it_was() -> None:
    document = read("x: {a: 1}\nprofile: {x: {a: 2}}\n")
    overlay(document, ("profile",))
    assert document.data["x"] == {"a": 1}
    assert document.place(("x", "a")).line == 1
