"""`scan --update`: adds what a manifest lacks, and leaves every character that a person wrote."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.convert.conversion import Place
from bootstrap.errors import UsageError
from bootstrap.scan.manifest.written import updated
from bootstrap.scan.model import ConnectionUse, VariableUse
from bootstrap.scan.model import Place as At
from bootstrap.scan.result import Declared, Result, connections
from bootstrap.util.yaml_document import parse
from tests.project import Project

FILE = Path("bootstrap.yaml")
STORES = "stores:\n  local: {kind: file, path: secrets}\n"
USES = [
    ConnectionUse("warehouse", "explicit", At("load.py", 12, "SQLExecuteQueryOperator.conn_id"), "postgres"),
    ConnectionUse("bucket", "default", At("load.py", 20, "S3Hook.aws_conn_id"), "aws"),
]


def _result(*uses: ConnectionUse, variables: tuple[str, ...] = ()) -> Result:
    found = connections(uses or USES, (), Declared(), {})
    read = [VariableUse(key, At("load.py", 3, "Variable.get")) for key in variables]
    return Result(Path("dags"), 1, [], found, [], [], read, [])


def _updated(text: str, result: Result | None = None) -> str:
    return updated(text, FILE, result or _result(), Place("local")).text


def _without_added(after: str, before: str) -> bool:
    """True if every character of `before` is in `after`, in order."""
    rest = iter(after)
    return all(character in rest for character in before)


@pytest.mark.parametrize(
    "before",
    [
        f"version: 1\n{STORES}",
        f"version: 1\n{STORES}connections:\n  a: {{conn_type: http}}  # mine\n  # b: later\n\n# the end",
        f"version: 1\n{STORES}connections:\n    a:\n        conn_type: http\n        # host: h\nowner: me\n",
        f"version: 1\n{STORES}connections: {{a: {{conn_type: http}}, }} # flow\nowner: me\n",
        f"version: 1\n{STORES}connections: {{\n  a: {{conn_type: http}} # a, b\n}}\n",
        f"version: 1\n{STORES}connections: &all\n  a: &a\n    conn_type: http\n    description: |+\n      # no comment\n\n  b: *a\n",
        f"version: 1\n{STORES}variables: {{k: 'v'}}\n",
        '{"version": 1, "stores": {"local": {"kind": "file", "path": "s"}}}',
        '{"version": 1, "stores": {"local": {"kind": "file", "path": "s"}}, "connections": {"a": {"conn_type": "http"}}}\n',
        f"---\nversion: 1\n{STORES}connections:\n  a:\n    conn_type: http\n...\n",
        f"version: 1\n{STORES}connections:\n  a:\n    conn_type: http\n".replace("\n", "\r\n")
        .replace("\r\n", "\n")
        .replace("\n", "\r\n"),
    ],
)
def test_what_was_there_stays_and_the_second_time_changes_nothing(before: str) -> None:
    after = _updated(before)
    assert _without_added(after, before)
    data = parse(after, FILE).data
    assert data["connections"]["warehouse"]["conn_type"] == "postgres"
    assert data["connections"]["warehouse"]["password"] == {"secret": "local:source-connections/warehouse#password"}
    old = parse(before, FILE).data
    assert {**old, "connections": {**old.get("connections", {})}} == {
        **data,
        "connections": {k: v for k, v in data["connections"].items() if k not in ("warehouse", "bucket")},
    }
    assert _updated(after) == after
    assert ("\r\n" in before) == ("\r\n" in after)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in after


def test_an_empty_mapping_becomes_a_block() -> None:
    assert "connections:\n  # load.py:20 S3Hook.aws_conn_id\n  bucket:\n" in _updated(
        f"version: 1\n{STORES}connections: {{}}\n"
    ).replace("connections: \n", "connections:\n")


def test_only_the_places_that_the_tool_wrote_are_kept_up_to_date() -> None:
    before = _updated(f"version: 1\n{STORES}").replace("  warehouse:\n", "  # ask Ann first\n  warehouse:\n")
    before = before.replace("    # port: 5432", "    port: 6000  # not the usual one")
    moved = [
        ConnectionUse(each.conn_id, each.evidence, At("load.py", 99, each.place.by), each.conn_type) for each in USES
    ]
    assert _updated(before, _result(*moved)) == before.replace("load.py:12", "load.py:99").replace(
        "load.py:20", "load.py:99"
    )


def test_what_looks_like_a_place_inside_of_a_text_stays() -> None:
    before = (
        f"version: 1\n{STORES}connections:\n  a:\n    conn_type: http\n    description: |\n"
        "      # load.py:1 Hook.conn_id\n  warehouse: {conn_type: postgres}\n"
    )
    assert _without_added(_updated(before), before)


def test_a_place_that_a_person_took_out_does_not_come_back() -> None:
    before = f"version: 1\n{STORES}connections:\n  warehouse: {{conn_type: postgres}}\n  bucket: {{conn_type: aws}}\n"
    assert _updated(before) == before


def test_an_alias_is_refused_and_names_what_to_declare() -> None:
    text = f"version: 1\n{STORES}profiles:\n  p:\n    connections: &c\n      a: {{conn_type: http}}\nconnections: *c\n"
    with pytest.raises(UsageError, match="nothing was written") as refused:
        _updated(text)
    assert "warehouse" in refused.value.hint


def test_a_connection_of_a_profile_is_declared() -> None:
    text = f"version: 1\n{STORES}profiles:\n  p:\n    connections:\n      warehouse: {{conn_type: postgres}}\n      bucket: {{conn_type: aws}}\n"
    assert _updated(text) == text


def test_without_a_store_the_fields_are_comments() -> None:
    after = updated("version: 1\n", FILE, _result(), None).text
    assert parse(after, FILE).data["connections"]["warehouse"] == {"conn_type": "postgres"}
    assert "    # password: …\n" in after


_WORDS = st.text("abcxyz#: '\"-_{}[]&*", min_size=0, max_size=12)
_NAMES = st.text("abcdefgh", min_size=1, max_size=6)
_COMMENT = st.one_of(st.just(""), st.text("abc #:{}[]'\"&*-", max_size=15).map(lambda text: f"  # {text}"))


@st.composite
def _manifests(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A manifest in somebody's hand, and the comments in it."""
    indent = " " * draw(st.integers(1, 5))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    comments: list[str] = []

    def comment() -> str:
        text = draw(_COMMENT)
        comments.append(text)
        return text

    lines = [f"version: 1{comment()}", f"stores: {{local: {{kind: file, path: secrets}}}}{comment()}"]
    names = draw(st.lists(_NAMES, unique=True, max_size=4))
    if names:
        lines.append(f"connections:{comment()}")
    for name in names:
        lines += draw(st.lists(st.sampled_from(["", f"{indent}# over it", "# at the margin"]), max_size=2))
        style = draw(st.sampled_from(["block", "flow", "text"]))
        quote = draw(st.sampled_from(["", "'", '"']))
        if style == "flow":
            lines.append(f"{indent}{quote}{name}{quote}: {{conn_type: http, host: 'it''s'}}{comment()}")
        else:
            lines += [f"{indent}{quote}{name}{quote}:{comment()}", f"{indent}  conn_type: http{comment()}"]
        if style == "text":
            mark = draw(st.sampled_from(["|", ">", "|+", "|-"]))
            lines += [f"{indent}  description: {mark}", f"{indent}    # text", *[""] * draw(st.integers(0, 2))]
            lines += [f"{indent}    {draw(_NAMES)}"]
    lines += draw(st.lists(st.sampled_from(["", "# last words", f"{indent}# within"]), max_size=3))
    if draw(st.booleans()):
        lines += [f"owner: me{comment()}", *draw(st.lists(st.sampled_from(["", "# the end"]), max_size=2))]
    ended = draw(st.booleans()) or lines[-1].startswith(f"{indent}    ")  # a text's last line break is part of it
    return newline.join(lines) + newline * ended, comments


@settings(max_examples=200, deadline=None)
@given(_manifests())
def test_whoever_wrote_it_nothing_of_it_is_lost(found: tuple[str, list[str]]) -> None:
    before, comments = found
    after = _updated(before, _result(variables=("recipient",)))
    assert _without_added(after, before)
    assert all(comment in after for comment in comments)
    old, new = parse(before, FILE).data, parse(after, FILE).data
    assert {"warehouse", "bucket"} <= set(new["connections"])
    assert {name: new["connections"][name] for name in old.get("connections", {})} == old.get("connections", {})
    assert _updated(after, _result(variables=("recipient",))) == after


@pytest.mark.usefixtures("warm_command_line")
def test_the_file_keeps_its_mode_its_mark_and_a_link(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("")
    real = project.manifest.parent / "real.yaml"
    real.write_bytes(b"\xef\xbb\xbfversion: 1\n# mine\n")
    real.chmod(0o640)
    project.manifest.unlink()
    project.manifest.symlink_to("real.yaml")
    dags = project.manifest.parent / "dags"
    dags.mkdir()
    (dags / "a.py").write_text(
        "from airflow import DAG\nfrom airflow.providers.postgres.hooks.postgres import PostgresHook\nPostgresHook('warehouse')\n"
    )
    result = project.run("scan", str(dags), "--update", "--fail-on", "undeclared")
    assert result.code == 0, result.text
    assert "1 connections added: warehouse" in result.err
    assert project.manifest.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_bytes().startswith(b"\xef\xbb\xbfversion: 1\n# mine\n")
    before = real.read_bytes()
    assert project.run("scan", str(dags), "--update").code == 0
    assert real.read_bytes() == before
