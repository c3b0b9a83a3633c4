"""Odd and hostile input of every kind: an error with its place, in no time."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.domain.connection import port_number
from bootstrap.domain.secret import Secret
from bootstrap.errors import Malformed, ManifestError
from bootstrap.manifest import loader
from bootstrap.stores import file
from bootstrap.stores.base import Context, Stored, pick_field
from bootstrap.util import input_text, yaml_document
from bootstrap.util.input_text import DEPTH, BadInput
from bootstrap.util.json_text import loads, loads_unique
from bootstrap.util.yaml_data import load, spots
from bootstrap.util.yaml_dialects import CORE, GO, JSON_WORDS, WORDS, YAML_1_1, Dialect

CANARY = "canary-7f3a"
DIALECTS = {"core": CORE, "go": GO, "json": JSON_WORDS, "1.1": YAML_1_1, "words": WORDS}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def refusal(text: str, dialect: Dialect = CORE) -> str:
    with pytest.raises(BadInput) as caught:
        load(text, dialect)
    assert CANARY not in caught.value.at("f") + caught.value.hint
    return caught.value.at("f").removeprefix("f:")


# What a bare word is

WORDS_READ: list[tuple[str, Any, Any, Any]] = [  # to YAML 1.2's core schema, to PyYAML, to the Astro CLI
    ("0o17", 15, "0o17", 15),
    ("017", 17, 15, 15),
    ("089", 89, "089", 89.0),
    ("1_000", "1_000", 1000, 1000),
    ("0b101", "0b101", 5, 5),
    ("0x1F", 31, 31, 31),
    ("+7", 7, 7, 7),
    ("12:30:45", "12:30:45", 45045, "12:30:45"),
    ("1e3", 1000.0, "1e3", 1000.0),
    (".5", 0.5, 0.5, 0.5),
    ("5.", 5.0, 5.0, 5.0),
    ("2024-01-31", "2024-01-31", "2024-01-31", "2024-01-31"),
    ("=", "=", "=", "="),
    ("~", None, None, None),
    ("Null", None, None, None),
    ("nULL", "nULL", "nULL", "nULL"),
    ("TRUE", True, True, True),
    ("tRUE", "tRUE", "tRUE", "tRUE"),
    ("y", "y", "y", "y"),
    ("'yes'", "yes", "yes", "yes"),
    ("! 5", "5", "5", "5"),
    ("!!str 5", "5", "5", "5"),
    ("!!float 5", 5.0, 5.0, 5.0),
]


@pytest.mark.parametrize(("text", "core", "pyyaml", "go"), WORDS_READ, ids=[row[0] for row in WORDS_READ])
def test_a_bare_word_is_what_it_is_to_the_program_whose_file_it_is(text: str, core: Any, pyyaml: Any, go: Any) -> None:
    read = [load(f"a: {text}", dialect)["a"] for dialect in (CORE, YAML_1_1, GO)]
    assert [(type(item), item) for item in read] == [(type(item), item) for item in (core, pyyaml, go)]


@pytest.mark.parametrize("text", [row[0] for row in WORDS_READ if row[0] not in {"2024-01-31", "=", "! 5"}])
def test_airflows_files_are_read_as_airflow_reads_them(text: str) -> None:
    assert load(f"a: {text}", YAML_1_1) == yaml.safe_load(f"a: {text}")


@pytest.mark.parametrize("word", ["yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"])
@pytest.mark.parametrize("shape", ["a: {}", "a: [{}]", "a: {{b: {}}}", "a: &x {}"])
def test_what_was_a_truth_to_yaml_1_1_is_refused_in_a_manifest(word: str, shape: str) -> None:
    meant = "true" if word.lower() in {"yes", "on"} else "false"
    with pytest.raises(BadInput, match=rf"^{word}: text to YAML 1\.2, and {meant} to YAML 1\.1$") as caught:
        load(shape.format(word), CORE)
    assert caught.value.hint == f"write {meant}, or '{word}' in quotes where it is text"
    assert load(f"a: {word}", YAML_1_1) == {"a": meant == "true"}
    assert load(f"a: {word}", GO) == load(f"a: {word}", JSON_WORDS) == {"a": word}


# Tags


@pytest.mark.parametrize("tag", ["bool", "int", "float", "null"])
@pytest.mark.parametrize("value", [CANARY, "''", "0x_"])
def test_a_tag_that_its_value_does_not_fit_shows_nothing_of_it(tag: str, value: str) -> None:
    if tag == "null" and value == "''":
        return
    for dialect in (CORE, GO, JSON_WORDS, YAML_1_1):
        assert refusal(f"a: 1\nb: !!{tag} {value}", dialect).startswith("2:4: not ")


@every_dialect
@pytest.mark.parametrize(
    "text",
    [
        "!!timestamp 2020-01-01",
        "!!binary aGk=",
        f"!!set {{{CANARY}}}",
        f"!!omap [{CANARY}: 1]",
        f"!!pairs [{CANARY}: 1]",
        f"!!python/object/apply:os.system [{CANARY}]",
        f"!{CANARY} x",
        f"!{CANARY} {{a: b}}",
        f"!!map [{CANARY}]",
        f"!!seq {{{CANARY}: 1}}",
        f"!!str [{CANARY}]",
    ],
)
def test_other_tags_are_refused_with_their_place(text: str, dialect: Dialect) -> None:
    assert refusal(f"a: 1\nb: {text}", dialect).startswith("2:4: ")


# Depth, aliases, size


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@every_dialect
def test_a_bomb_of_aliases_is_refused_where_it_grows_too_large(dialect: Dialect) -> None:
    assert refusal(bomb(9), dialect).startswith("6:")
    assert len(load(bomb(4), dialect)["a3"]) == 10


@every_dialect
def test_a_bomb_of_merges_is_refused(dialect: Dialect) -> None:
    text = "a0: &a0 {k: [" + "x, " * 1000 + "]}\n" + "b:\n" + "- {<<: *a0}\n" * 1100
    assert "aliases that bring more than" in refusal(text, dialect)


@every_dialect
def test_what_is_too_deep_is_refused_with_its_place(dialect: Dialect) -> None:
    text = "a: " + "[" * (DEPTH - 1) + "]" * (DEPTH - 1)
    assert load(text, dialect)
    for deeper in (DEPTH, 500, 100_000):
        assert refusal("a: " + "[" * deeper, dialect) == f"1:{DEPTH + 3}: nested deeper than {DEPTH} levels"
    assert refusal("".join(f"{' ' * level}a:\n" for level in range(500)), dialect).startswith(f"{DEPTH + 1}:")


@every_dialect
def test_the_places_of_a_large_file_are_found(dialect: Dialect) -> None:
    text = "".join(f"k{index}: v{index}\n" for index in range(20_000))
    assert spots(text, dialect).inside["k19999"][:2] == (20_000, 1)


def test_a_file_is_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_text, "SIZE", 2**20)
    with pytest.raises(BadInput, match="more than 1 MiB"):
        input_text.read(Path("/dev/zero"))
    (tmp_path / "f").write_bytes(b"x" * 2**20)
    assert len(input_text.read(tmp_path / "f")) == 2**20


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_named_with_its_place(name: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(name, b"")
    with pytest.raises(BadInput) as caught:
        input_text.decoded(mark + "a: 1\nbé: ü".encode(name))
    known = name.upper()[:6] if name.startswith("utf") else ""
    place = "f:2:2: not text in UTF-8" if name == "latin-1" else f"f:1:1: not UTF-8 but {known}"
    assert caught.value.at("f") == place


def test_a_byte_order_mark_is_no_text() -> None:
    assert input_text.decoded(codecs.BOM_UTF8 + b"a: 1") == "a: 1"


# JSON


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":\n ' + "[" * 500 + "]" * 500 + "}", f"2:{DEPTH + 1}: nested deeper than {DEPTH} levels"),
        ('{"a":' + "[" * 100_000, f"1:{DEPTH + 5}: nested deeper than {DEPTH} levels"),
        ('{"a":\n "x\\ud800y"}', "2:2: half of a surrogate pair, which is not text"),
        ('{"\\udfff": 1}', "1:2: half of a surrogate pair, which is not text"),
        ('{"a": 1,\n "b": NaN}', "2:7: a number that is none to JSON, or too large"),
        ('{"a": [-Infinity]}', "1:8: a number that is none to JSON, or too large"),
        ('{"a": 1e999}', "1:7: a number that is none to JSON, or too large"),
        ('{"a": ' + "9" * 5000 + "}", "1:7: a number that is none to JSON, or too large"),
        (f'{{"a": {CANARY}}}', "1:7: not valid JSON"),
        ('{"a": "x\ty"}', "1:9: not valid JSON"),
        ("\ufeff{}", "1:1: not valid JSON"),
        ("", "1:1: not valid JSON"),
    ],
)
def test_json_that_nothing_can_hold_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        loads(text)
    assert caught.value.at("f") == f"f:{said}"


def test_a_repeated_key_in_json_has_its_place() -> None:
    with pytest.raises(BadInput) as caught:
        loads_unique('{"a": {"x": 1},\n "b": [{"x": 1, "y": {"x": 2},\n  "x": 3}]}')
    assert caught.value.at("f") == "f:3:3: the key 'x' appears twice"
    assert loads('{"a": 1, "a": 2}') == {"a": 2}


def test_a_pair_of_surrogates_in_json_is_a_sign() -> None:
    assert loads(r'"\ud83d\ude00"') == "😀"


def test_the_manifest_says_where() -> None:
    with pytest.raises(ManifestError, match=r"m\.yaml:6:"):
        yaml_document.parse(bomb(9), Path("m.yaml"))


# The manifest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('airflow: {home: "a\\0b"}', "2:11: there is a NUL in it"),
        ('airflow: {env: {"A\\0B": x}}', "2:17: there is a NUL in it"),
        ('register: [{env: {path: "a\\x00b"}}]', "2:19: there is a NUL in it"),
        ('stores: {s: {kind: file, path: "\\u0000"}}', "2:26: there is a NUL in it"),
        ('connections: {a: {conn_type: http, checks: [{http: {path: "\\0"}}]}}', "2:53: there is a NUL in it"),
        ("airflow: {env: {'A=B': x}}", "2:17: the name of an environment variable is not empty and has no `=`"),
        ("airflow: {env: {'': x}}", "2:17: the name of an environment variable is not empty and has no `=`"),
        ("connections: {a: {conn_type: http, port: 0x" + "f" * 5000 + "}}", "2:42: a number that is too large"),
    ],
)
def test_what_no_process_and_no_file_can_be_given_is_refused_with_its_place(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text(f"version: 1\n{text}\n")
    with pytest.raises(ManifestError) as caught:
        loader.load(tmp_path / "m.yaml")
    assert f"m.yaml:{said}" in caught.value.message


def test_the_text_of_a_variable_may_be_any(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text('version: 1\nvariables: {v: "a\\0b"}\n')
    assert loader.load(tmp_path / "m.yaml").variables == {"v": "a\0b"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.json", '{"x":\n "abc\\ud800def"}', "s.json:2:2: half of a surrogate pair, which is not text"),
        ("s.json", '{"x":\n "a", "x": "b"}', "s.json:2:7: the key 'x' appears twice"),
        ("s.json", '{"x": NaN}', "s.json:1:7: a number that is none to JSON, or too large"),
        ("s.json", '{"x":' + "[" * 100_000, "s.json:1:105: nested deeper than 100 levels"),
        ("s.yaml", f"x: !!bool {CANARY}", "s.yaml:1:4: not what its tag !!bool says"),
        ("s.yaml", "x: !!timestamp 2020-01-01", "s.yaml:1:4: the tag !!timestamp makes what JSON has not"),
        ("s.yaml", bomb(9), "s.yaml:6:45: aliases that bring more than 1000000 values"),
    ],
)
def test_a_store_that_is_a_file_says_where_it_is_wrong(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    store = file.open_store(file.Options(kind="file", path=name), Context("s", tmp_path))
    with pytest.raises(Malformed) as caught:
        store.read("x")
    assert caught.value.message == f"store s: {tmp_path}/{said}"


def test_a_field_of_json_that_is_refused_says_why() -> None:
    stored = Stored(Secret('{"a": "x",\n "b": NaN}'), "1")
    with pytest.raises(Malformed, match=r"it is a number that is none to JSON, or too large \(line 2, column 7\)"):
        pick_field(stored, "s:x", "a")


@pytest.mark.parametrize("port", ["9" * 5000, 9 * 10**4000, "65536", "0", "-1", "\uff11"])
def test_a_port_of_any_length_is_judged(port: object) -> None:
    with pytest.raises(Malformed, match="the port is not a number from 1 to 65535"):
        port_number(port, "s:x")
