"""What Airflow's REST API shows against what is wanted: equal, another, or not to be told."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.domain.connection import Connection
from bootstrap.domain.variable import Variable
from bootstrap.targets.base import Content, Key
from bootstrap.targets.rest_api.index import Marks
from bootstrap.targets.rest_api.shown import Shown

SAME, OTHER, HIDDEN = "same", "other", "hidden"
KEY = Key("connection", "a")


def verdict(shown: Shown, wanted: Content) -> str:
    """As a plan would see it, with the mark of what was written last, and without."""
    told = [shown.fingerprints(wanted, known=known) == wanted.fingerprints() for known in (True, False)]
    return {(True, True): SAME, (False, False): OTHER, (True, False): HIDDEN}[told[0], told[1]]


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        ({"host": "h"}, Connection("http", host="h"), SAME),
        ({"host": "h"}, Connection("http", host="H"), OTHER),
        ({}, Connection("http", host="h"), OTHER),
        ({"host": "h"}, Connection("http"), OTHER),
        ({"host": ""}, Connection("http"), OTHER),
        ({"host": "***"}, Connection("http", host="***"), HIDDEN),
        ({"password": "***"}, Connection("http", password="p"), HIDDEN),
        ({"password": "***"}, Connection("http"), OTHER),
        ({}, Connection("http", password="p"), OTHER),
        ({}, Connection("http", password=""), SAME),
        ({"password": "p"}, Connection("http", password="p"), SAME),
        ({"extra": {"a": "***"}}, Connection("http", extra={"a": {"any": 1}}), HIDDEN),
        ({"extra": {"a": "x***y***"}}, Connection("http", extra={"a": "x1y\n2"}), HIDDEN),
        ({"extra": {"a": "x***y"}}, Connection("http", extra={"a": "xz"}), OTHER),
        ({"extra": {"a": {"b": "***", "c": 1}}}, Connection("http", extra={"a": {"b": "b", "c": 1}}), HIDDEN),
        ({"extra": {"a": {"b": "***", "c": 1}}}, Connection("http", extra={"a": {"b": "b", "c": 2}}), OTHER),
        ({"extra": {"a": {"b": "***"}}}, Connection("http", extra={"a": {"b": "b", "c": 1}}), OTHER),
        ({"extra": {"a": ["***", 1]}}, Connection("http", extra={"a": ["s", 1]}), HIDDEN),
        ({"extra": {"a": ["***"]}}, Connection("http", extra={"a": ["s", 1]}), OTHER),
        ({"extra": {"a": 1}}, Connection("http", extra={"a": True}), OTHER),
        ({"extra": {"a": "<redaction-failed>"}}, Connection("http", extra={"a": "s"}), HIDDEN),
        ({"extra": {}}, Connection("http"), SAME),
        ({"extra": {"a": "***"}}, Connection("http"), OTHER),
    ],
)
def test_a_connection(shown: dict[str, Any], wanted: Connection, expected: str) -> None:
    assert verdict(Shown({"conn_type": "http", **shown}), wanted) == expected


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        ("text", "text", SAME),
        ("text", "other", OTHER),
        ("***", "text", HIDDEN),
        ("a ***", "a text", HIDDEN),
        ("a ***", "text", OTHER),
        ("1.1", "1.10", HIDDEN),
        ("1.1", "1.2", OTHER),
        ('{"a": 1}', '{"a":1}', HIDDEN),
        ('{"token": "***"}', '{"token":"t"}', HIDDEN),
        ('{"token": "***"}', '{"other":"t"}', OTHER),
        ('{"a": 1}', "text", OTHER),
        ("text", '{"a": 1}', OTHER),
        (None, "text", OTHER),
        ("abc", '"abc"', OTHER),
        ("***", '"abc"', OTHER),
        ('"abc"', "abc", OTHER),
        ('"abc"', '"abc"', HIDDEN),
        ('"***"', '"abc"', HIDDEN),
        ('"***"', '"a"b"', HIDDEN),  # a text, and a"b is a secret
    ],
)
def test_a_variable(shown: str | None, wanted: str, expected: str) -> None:
    assert verdict(Shown({"value": shown}), Variable(wanted)) == expected


def test_airflow_2_does_not_show_whether_there_is_a_password() -> None:
    for wanted in (Connection("http", password="p"), Connection("http"), Connection("http", password="")):
        assert verdict(Shown({"conn_type": "http"}, blind=True), wanted) == HIDDEN
    assert verdict(Shown({"conn_type": "other"}, blind=True), Connection("http")) == OTHER


def test_airflow_2_shows_a_variable_as_it_is() -> None:
    assert verdict(Shown({"value": "1.10"}, exact=True), Variable("1.10")) == SAME
    assert verdict(Shown({"value": "1.1"}, exact=True), Variable("1.10")) == OTHER


def test_what_is_masked_only_now_may_still_be_the_same() -> None:
    before, after = Shown({"extra": {"a": "a secret"}}), Shown({"extra": {"a": "a ***"}})
    assert before.may_be(after)
    assert after.may_be(before)
    assert not before.may_be(Shown({"extra": {"a": "b ***"}}))
    assert not before.may_be(Shown({"extra": {"a": "a secret", "b": 1}}))


def test_a_mark_is_of_its_secrets_its_name_and_its_list() -> None:
    wanted: Content = Connection("http", host="h", password="p")
    (mark,) = Marks("salt").of({KEY: wanted}).values()
    assert Marks("salt").known({KEY: mark}, {KEY: Connection("http", host="other", password="p")}) == {KEY}
    assert Marks("salt").known({KEY: mark}, {KEY: Connection("http", host="h", password="q")}) == set()
    assert Marks("other").known({KEY: mark}, {KEY: wanted}) == set()
    other = Key("connection", "b")
    assert Marks("salt").known({other: mark}, {other: wanted}) == set()


def test_a_mark_tells_what_is_never_hidden() -> None:
    wanted = Connection("http", host="h", extra={"b": 1, "a": 2})
    (mark,) = Marks("salt").of({KEY: wanted}).values()
    assert Marks("salt").is_as_written(KEY, Shown(wanted.as_fields()).lasting, mark)
    assert not Marks("salt").is_as_written(KEY, Shown({**wanted.as_fields(), "host": "x"}).lasting, mark)
    assert not Marks("salt").is_as_written(KEY, Shown({**wanted.as_fields(), "extra": {"b": 1}}).lasting, mark)
