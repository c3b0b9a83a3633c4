from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bootstrap.checks import sqlite
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.project import without_roots_rights

pytestmark = pytest.mark.airflow


def make(file: Path) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    return file


def at(file: Path | str, **extra: Any) -> dict[str, Any]:
    return {"conn_type": "sqlite", "host": str(file), "extra": extra}


def test_sqlite(bench: Bench, tmp_path: Path, isolated: bool) -> None:  # noqa: FBT001  a fixture
    good, check = at(make(tmp_path / "orders ü.db")), {"sqlite": {"table": "orders"}}
    text, empty = tmp_path / "text", tmp_path / "empty"
    text.write_text("no database " * 100)
    empty.touch()
    missing = tmp_path / "missing.db"
    before = Path(good["host"]).read_bytes()
    results = bench.hold(
        {
            "reads": Cell(good, check),
            "reads_nothing": Cell(good, "sqlite"),
            "writes": Cell(good, {"sqlite": {"table": "orders", "write": True}}),
            "read_only": Cell(at(good["host"], mode="ro"), check),
            "in_memory": Cell(at(":memory:"), "sqlite"),
            "empty": Cell(at(empty), "sqlite"),
            "no_file": Cell(at(missing), "sqlite", "access", "not_found", says="missing.db", hint="`host`"),
            "no_file_to_write": Cell(at(missing), {"sqlite": {"write": True}}, "access", "not_found"),
            "no_folder": Cell(at(text / "x.db"), "sqlite", "access", "not_found"),
            "folder": Cell(at(tmp_path), "sqlite", "access", "not_found", says="is a folder"),
            "no_host": Cell({"conn_type": "sqlite"}, "sqlite", "access", "secret_malformed", hint="`host`"),
            "no_database": Cell(at(text), "sqlite", "access", "check_error", says="not a database", hint="`host`"),
            "no_table": Cell(good, {"sqlite": {"table": "nope"}}, "access", "not_found", says="nope"),
            "no_table_in_empty": Cell(at(empty), check, "access", "not_found"),
            "no_writing": Cell(
                at(good["host"], mode="ro"), {"sqlite": {"write": True}}, "write", "permission", hint="write access"
            ),
            "password_in_the_path": Cell({**good, "password": bench.canary.value}, check, "access", "not_found"),
            **secrets(good, check),
        },
        keep=("writes", "empty"),
        isolated=isolated,
    )
    assert "write" in passed_steps(results["writes"])
    assert "is empty" in results["empty"].warnings[0]
    assert Path(good["host"]).read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "orders ü.db", "text"]
    assert empty.stat().st_size == 0


def test_a_locked_file_is_waited_for_and_not_denied(bench: Bench, tmp_path: Path) -> None:
    file = make(tmp_path / "orders.db")
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        bench.hold(
            {
                "reads_beside": Cell(at(file), {"sqlite": {"table": "orders"}}),
                "waits": Cell(at(file), {"sqlite": {"write": True}}, "write", "timeout", hint="another process"),
            }
        )


def test_what_a_killed_transaction_left_is_rolled_back(bench: Bench, tmp_path: Path) -> None:
    file = make(tmp_path / "orders.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as killed:  # as a kill leaves it: file and journal copied
        killed.executescript("PRAGMA cache_size=1; BEGIN IMMEDIATE; CREATE TABLE left_behind (id INTEGER)")
        rows = ((b"x" * 1000,) for _ in range(2000))
        killed.executemany("INSERT INTO left_behind VALUES (?)", rows)
        journal = Path(f"{file}-journal").read_bytes()
        content = file.read_bytes()
    file.write_bytes(content)
    Path(f"{file}-journal").write_bytes(journal)
    bench.hold({"writes": Cell(at(file), {"sqlite": {"write": True}})})
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]
    assert [each.name for each in tmp_path.iterdir()] == ["orders.db"]


def test_who_may_not_read_the_file_is_told_so(tmp_path: Path) -> None:
    file = make(tmp_path / "orders.db")
    file.chmod(0)
    with without_roots_rights(), pytest.raises(PermissionError) as refused:
        sqlite.require_file(str(file))
    found = sqlite.cause(refused.value)
    assert found is not None
    assert (found.name, found.message) == ("permission", f"can't read {file}")


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////tmp/a b.db", "/tmp/a b.db"),
        ("sqlite:////tmp/a%20b.db?mode=ro", "/tmp/a b.db"),
        ("sqlite:////tmp/a.db#b", "/tmp/a.db"),
        ("sqlite:///a.db", "a.db"),
        ("sqlite:///:memory:", None),
        ("sqlite:///x?mode=memory", None),
    ],
)
def test_the_file_is_the_one_that_sqlite_opens(uri: str, file: str | None) -> None:
    assert sqlite.file_of(uri) == file
