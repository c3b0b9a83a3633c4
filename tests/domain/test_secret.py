"""Secret values, and what is masked in all output."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import markupsafe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.domain import secret
from bootstrap.domain.secret import (
    Secret,
    fingerprint,
    foreign,
    foreign_stream,
    is_sensitive,
    mask,
    redact,
    safe_value,
    safety_net,
    trust,
)
from bootstrap.domain.secret_forms import SHORT
from bootstrap.domain.secret_matcher import Matcher
from bootstrap.errors import Denied

ROOT = Path(__file__).parents[2]
VALUE = 'pä ss/w+"ö\\rd\n&?'
KEY_LINES = ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", "C7VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dV")
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *KEY_LINES, "-----END PRIVATE KEY-----", ""])


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", secret._Known())


# Secret


@pytest.mark.parametrize(
    "show", [repr, str, format, "%s".__mod__, lambda value: f"{value!r} {value}", lambda value: repr([value])]
)
def test_a_secret_never_shows(show: Any) -> None:
    shown = show(Secret("hunter2"))
    assert "hunter2" not in shown
    assert "***" in shown


def test_a_secret_has_no_dictionary_of_attributes() -> None:
    with pytest.raises(TypeError):
        vars(Secret("hunter2"))


def test_a_revealed_secret_is_masked_from_then_on() -> None:
    value = Secret("hunter2")
    assert redact("hunter2") == "hunter2"
    assert value.reveal() == "hunter2"
    assert redact("login with hunter2 failed") == "login with *** failed"


def test_a_public_value_stays_readable() -> None:
    assert Secret("db.internal").unmasked() == "db.internal"
    assert redact("no route to db.internal") == "no route to db.internal"


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("0")


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "api-key", "aws_secret_access_key", "private_key", "keyfile_dict", "refreshToken", "pass"],
)
def test_a_field_with_such_a_name_holds_a_secret(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        "host",
        "login",
        "sslmode",
        "region_name",
        "project",
        "pass_through",
        "private_key_file",
        "token_url",
        "secret_name",
    ],
)
def test_a_field_with_such_a_name_holds_none(name: str) -> None:
    assert not is_sensitive(name)


# redact


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        repr(VALUE)[1:-1],
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
        quote(VALUE, safe="").replace("%2F", "%2f").replace("%C3%A4", "%c3%a4").replace("%5C", "%5c").lower(),
        quote(VALUE, safe=" +"),
        html.escape(VALUE),
        str(markupsafe.escape(VALUE)),
        repr(VALUE.encode())[2:-1],
        ascii(VALUE)[1:-1],
        json.dumps(json.dumps(VALUE))[3:-3],
        json.dumps(json.dumps(json.dumps(VALUE, ensure_ascii=False), ensure_ascii=False), ensure_ascii=False)[7:-7],
        shlex.quote(VALUE)[1:-1],
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        VALUE.replace('"', '""'),
    ],
    ids=[
        *("plain", "url", "url, no slash", "form", "json", "json, unicode", "repr", "base64", "base64, url"),
        *("url, lower case", "url of SQLAlchemy", "html", "html of MarkupSafe", "bytes", "ascii", "json in json"),
        *("json in json in json, unicode", "shell", "hex", "hex, upper case", "csv"),
    ],
)
def test_a_secret_is_masked_in_every_usual_form(form: str) -> None:
    mask(VALUE)
    assert redact(f"before {form} after") == "before *** after"


def test_the_signs_of_base64_in_a_url_are_others() -> None:
    value = "ab?>>ab??~~ab>>?"
    form = base64.urlsafe_b64encode(value.encode()).decode()
    assert {"-", "_"} <= set(form)
    mask(value)
    assert redact(f"before {form} after") == "before *** after"


@pytest.mark.parametrize("around", ["it's {}", 'say "{}"', """it's "{}" """])
@pytest.mark.parametrize("quoted", [repr, ascii, lambda text: repr(text.encode()), shlex.quote])
def test_the_quotation_marks_around_a_text_do_not_hide_a_secret_in_it(quoted: Any, around: str) -> None:
    value = "o'clock-Ü$%-7"
    mask(value)
    masked = redact(quoted(around.format(value)))
    assert "***" in masked
    assert "clock" not in masked


@pytest.mark.parametrize("before", ["a:", "ab:", "abc:", "abcd:"])
def test_a_secret_is_masked_inside_a_longer_text_in_base64(before: str) -> None:
    mask("hunter2-canary-0815")
    header = base64.b64encode(f"{before}hunter2-canary-0815".encode()).decode()
    left = redact(f"Basic {header}").removeprefix("Basic ").replace("***", "")
    assert len(left) <= len(before) * 4 / 3 + 4


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_line_of_a_pem_is_masked_on_its_own(newline: str) -> None:
    mask(PEM.replace("\n", newline))
    for line in KEY_LINES:
        assert redact(f"can't read {line}, sorry") == "can't read ***, sorry"
        assert redact(quote(line, safe="")) == "***"


def test_the_head_of_a_pem_stays_readable() -> None:
    mask(PEM)
    assert redact("expected -----BEGIN PRIVATE KEY-----") == "expected -----BEGIN PRIVATE KEY-----"


def test_the_secrets_inside_a_json_secret_are_masked_and_the_rest_is_not() -> None:
    document = {"project_id": "my-project", "private_key": PEM, "tokens": [{"value": "tok-123"}, 5]}
    mask(json.dumps(document))
    assert redact("my-project tok-123") == "my-project ***"
    assert redact(KEY_LINES[1]) == "***"


@pytest.mark.parametrize("nest", [lambda key: key, lambda key: {"keyfile_dict": key}])
def test_the_id_of_a_google_key_stays_readable(nest: Callable[[object], object]) -> None:
    mask(json.dumps(nest({"private_key_id": "0a1b2c3d4e5f", "private_key": PEM})))
    assert redact("the key 0a1b2c3d4e5f is gone") == "the key 0a1b2c3d4e5f is gone"
    assert redact(KEY_LINES[1]) == "***"


def test_a_json_secret_is_masked_as_a_whole() -> None:
    text = json.dumps({"private_key": "k"})
    mask(text)
    assert redact(f"got {text}") == "got ***"


def test_the_longest_secret_is_masked_first() -> None:
    mask("hunter")
    mask("hunter2-and-more")
    assert redact("hunter2-and-more, hunter") == "***, ***"


def test_an_empty_secret_masks_nothing() -> None:
    mask("")
    assert redact("nothing -- to hide") == "nothing -- to hide"


def test_a_secret_of_four_characters_is_masked_wherever_it_stands() -> None:
    mask("abcd")
    mask("xyz")
    assert redact("1abcd2 1xyz2") == "1***2 1xyz2"


def test_each_line_of_a_text_is_masked_but_for_a_few_characters() -> None:
    mask("first-line\n}\n")
    assert redact("first-line of { }") == "*** of { }"


@pytest.mark.parametrize(
    ("text", "masked"), [("ab", "***"), ("pin ab.", "pin ***."), ("cab abs a_ab", "cab abs a_ab"), ('"ab"', '"***"')]
)
def test_a_short_secret_is_masked_only_where_it_stands_alone(text: str, masked: str) -> None:
    mask("ab")
    assert redact(text) == masked


def test_a_secret_of_pattern_characters_is_taken_literally() -> None:
    mask("a.*b|c")
    assert redact("a.*b|c axxb") == "*** axxb"


def test_every_string_inside_data_is_masked() -> None:
    mask("hunter2")
    data = {"a": ["x hunter2", ("hunter2", 5)], "b": {"c": "hunter2"}, "d": None, "e": True}
    assert safe_value(data) == {"a": ["x ***", ["***", 5]], "b": {"c": "***"}, "d": None, "e": True}


@given(
    value=st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=SHORT),
    before=st.text(max_size=5),
    after=st.text(max_size=5),
)
@settings(deadline=None, max_examples=100)
def test_no_secret_is_left_in_redacted_text(value: str, before: str, after: str) -> None:
    secret._known = secret._Known()  # the fixture runs once for all examples
    mask(value)
    assert value not in redact(f"{before}{value}{after}")


# Short letters and neighbours of every kind, so that secrets overlap, and stand at both ends and in words
_FEW = st.text("ab_ .é", min_size=1, max_size=7)


@given(st.sets(_FEW, min_size=1, max_size=6), st.lists(_FEW, max_size=6).map("".join), st.integers(1, 9))
def test_masking_is_what_the_pattern_of_all_forms_would_do(values: set[str], text: str, cut: int) -> None:
    longest_first = sorted(values, key=len, reverse=True)
    forms = [re.escape(form) if len(form) >= 4 else rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first]
    masked = re.sub("|".join(forms), "***", text)
    walking, searching = Matcher(values), Matcher(values)
    searching._automata[False] = searching._built(len(values))
    assert walking.mask(text) == masked
    assert searching.mask(text) == masked
    assert "".join(searching.stream(text[at : at + cut] for at in range(0, len(text), cut))) == masked


# foreign: what enters a message; the safety net: where it leaves

REAL = "hunter2-canary-0815"


@pytest.mark.parametrize(
    "weak", ["postgres", "airflow", "secret", "snow", "1", "60", "2718", "127.0.0.1", "2026-11-30"]
)
def test_a_password_that_is_a_word_is_masked_in_foreign_text_alone(weak: str) -> None:
    mask(weak)
    assert foreign(ValueError(f"the password {weak} is wrong")) == "the password *** is wrong"
    assert (
        safety_net(f"{weak}_default, 60 secrets written to {weak}") == f"{weak}_default, 60 secrets written to {weak}"
    )


def test_a_secret_that_is_nothing_else_is_masked_where_foreign_was_forgotten() -> None:
    mask(REAL)
    assert safety_net(f"no log-in with {REAL}") == "no log-in with ***"
    assert safety_net(quote(json.dumps(f"é {REAL}"))).endswith("***%22")


@pytest.mark.parametrize("count", [1, secret._FEW + 1], ids=["few", "many"])
@pytest.mark.parametrize("trusted_first", [True, False])
def test_what_the_manifest_says_in_clear_is_no_secret_to_the_net(*, trusted_first: bool, count: int) -> None:
    known = [f"db{number}-warehouse" for number in range(count)]
    if trusted_first:
        trust("host: db0-warehouse.internal")
    for value in known:
        mask(value)
    assert trusted_first or safety_net("db0-warehouse") == "***"
    trust("host: db0-warehouse.internal")
    assert safety_net(f"db0-warehouse.internal, db{count}-warehouse") == f"db0-warehouse.internal, db{count}-warehouse"
    assert safety_net(f"x{known[-1]}x") == (f"x{known[-1]}x" if count == 1 else "x***x")
    assert foreign(f"can't reach {known[0]}") == "can't reach ***"


def test_an_error_of_ours_is_a_message_already() -> None:
    mask("postgres")
    assert foreign(Denied("postgres_default: refused")) == "postgres_default: refused"


@pytest.mark.parametrize(
    ("said", "fit"),
    [
        (KeyError("x"), "'x'"),
        (ValueError(), "ValueError"),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd"),
        ("\x1b[31mred\x1b[0m\tx\r\ny", "red\tx\ny"),
        ("\x1b]0;title\x07rest \x9b2Jx", "rest x"),
        ("\x1b]52;c;aGk=\x1b\\rest", "rest"),
        ("a\x08b\x00\x7f\x85\u202ec", "a\ufffdb\ufffd\ufffd\ufffd\ufffdc"),
        (f"hun\x1b[31mter2{REAL[7:]}", "***"),
    ],
)
def test_foreign_text_is_fit_for_a_terminal(said: object, fit: str) -> None:
    mask(REAL)
    assert foreign(said) == fit


def test_a_secret_with_a_control_character_is_masked_without_it() -> None:
    mask("hunter2\x1b[31m-canary\x08-0815")
    assert foreign("it is hunter2\x1b[31m-canary\x08-0815.") == "it is ***."


@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize("size", [0, 100_000])
def test_a_byte_that_is_no_text_hides_no_secret(size: int, count: int) -> None:
    """As in a file's name, an argument or a variable: Python reads it as half of a surrogate pair."""
    odd = os.fsdecode(b"hunter2-\xff-Canary")
    for number in range(count):
        mask(f"another-{number}-secret")
    mask(odd)
    mask("hunter2-Canary")
    trust(os.fsdecode(b"/home/\xfe/another-1-secret"))
    around = os.fsdecode(b"\xfe") + "x" * size
    for masked in (redact, safety_net, foreign):
        text = masked(f"{around} {odd} hunter2-Canary {around}")
        assert text.count("***") == 2
        assert "Canary" not in text


@pytest.mark.parametrize("length", range(8, len(REAL)))
def test_what_is_left_of_a_secret_that_was_cut_off_is_masked(length: int) -> None:
    mask(REAL)
    assert foreign(f"no log-in with {REAL[:length]}") == "no log-in with ***"
    assert foreign(f"got '{REAL[:length]}...{REAL[-8:]}', sorry") == "got '***...***', sorry"
    assert foreign(f"got {quote(REAL[:length])}… and no more") == "got ***… and no more"


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_a_long_text_is_masked_in_parts(size: int) -> None:
    for value in (REAL, "ab", PEM):
        mask(value)
    text = f"{REAL}\x1b[1m ab cab {PEM}{REAL}{REAL[:9]}\n{KEY_LINES[0]} ab\r\n" * 5 + REAL[:-2]
    parts = (text[at : at + size] for at in range(0, len(text), size))
    assert "".join(foreign_stream(parts)) == foreign(text)


def test_a_long_text_is_masked_in_bounded_memory_and_faster_than_by_a_walk() -> None:
    for number in range(1000):
        mask(f"{number}-canary-{number:05}")
    line = "12:00:01 INFO a line of a log, and 7-canary-00007 in it\n"
    foreign(line)  # makes the forms
    start = time.process_time()
    assert max(len(text) for text in foreign_stream(line * 1000 for _ in range(50))) < 3 * len(line) * 1000
    streamed = (time.process_time() - start) / 50
    start = time.process_time()
    assert len([*secret._known.all.walk(line * 1000)]) == 1000
    assert time.process_time() - start > 5 * streamed


@pytest.mark.parametrize("count", [1, 300])
def test_a_text_is_masked_alike_however_it_is_looked_for(count: int) -> None:
    for number in range(count):
        mask(f"{number}-Canary-{number:05}")
    short = f"x 0-Canary-00000 {quote('0-Canary-00000')} x"
    long = f"{'y ' * 100_000}{short}"
    assert redact(long) == f"{'y ' * 100_000}{redact(short)}"
    assert redact(short) == "x *** *** x"


def test_a_secret_that_comes_later_is_judged_like_the_first() -> None:
    for value in (REAL, "postgres", f"other-{REAL}", "airflow", f"third-{REAL}"):
        mask(value)
        assert foreign(f"it is {value}") == "it is ***"
        assert safety_net(f"postgres airflow x{REAL}") == "postgres airflow x***"
    assert safety_net(f"third-{REAL}") == "***"


# fingerprint

NESTED = {"a": 1, "b": {"c": [1, "x"], "d": None}}


def test_a_fingerprint_is_the_same_for_the_same_value_in_any_order() -> None:
    assert fingerprint(NESTED) == fingerprint({"b": {"d": None, "c": [1, "x"]}, "a": 1})


@pytest.mark.parametrize("other", [{"a": 1}, {**NESTED, "a": "1"}, {**NESTED, "a": 2}, "", "\udcff", None])
def test_another_value_has_another_fingerprint(other: object) -> None:
    assert fingerprint(NESTED) != fingerprint(other)


def test_a_fingerprint_does_not_show_the_value_and_means_nothing_to_another_process() -> None:
    command = [sys.executable, "-c", "from bootstrap.domain.secret import fingerprint; print(fingerprint('1234'))"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    assert len(theirs) == len(fingerprint("1234")) == 64
    assert theirs != fingerprint("1234")


def test_threads_that_learn_secrets_and_mask_them_miss_none() -> None:
    values = [f"secret-of-thread-{number:04}" for number in range(40)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for value in values:
            start = threading.Barrier(2)

            def learn(value: str = value, start: threading.Barrier = start) -> None:
                start.wait(timeout=10)
                time.sleep(0.001)  # into the middle of making the pattern
                mask(value)

            def redacting(start: threading.Barrier = start) -> None:
                start.wait(timeout=10)
                redact("any text")

            mask(f"before {value}")  # so that there is a pattern to make
            with ThreadPoolExecutor(2) as pool:
                pool.submit(redacting)
                pool.submit(learn)
            assert value not in redact(f"it is {value}")
    finally:
        sys.setswitchinterval(interval)
