"""What SQL reads and writes: its tables, and the rights that it needs on them. Runs nothing, and asks no database."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from bootstrap.scan.masked import without_literals
from bootstrap.scan.resources.names import is_template
from bootstrap.scan.resources.sql_names import Touch, joined, parts

if TYPE_CHECKING:
    from sqlglot import exp

DIALECTS = {  # sqlglot's name of what a connection of this type speaks
    "postgres": "postgres",
    "greenplum": "postgres",
    "vertica": "postgres",
    "redshift": "redshift",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "mssql": "tsql",
    "oracle": "oracle",
    "snowflake": "snowflake",
    "databricks": "databricks",
    "google_cloud_platform": "bigquery",
    "gcpbigquery": "bigquery",
    "aws": "athena",
    "athena": "athena",
    "trino": "trino",
    "presto": "presto",
    "hive_cli": "hive",
    "hiveserver2": "hive",
    "hive_metastore": "hive",
    "impala": "hive",
    "spark": "spark",
    "spark_sql": "spark",
    "duckdb": "duckdb",
    "clickhouse": "clickhouse",
    "exasol": "exasol",
    "teradata": "teradata",
    "drill": "drill",
    "druid": "druid",
}
_OTHERS = ("", "postgres", "mysql", "bigquery", "snowflake", "tsql")  # tried where nobody knows the dialect
_SHOWN = 60  # characters of a query that can't be read
_SYSTEM = {"information_schema", "pg_catalog", "sys", "performance_schema", "sqlite_master", "sqlite_schema", "dual"}
_SYSTEM_VIEWS = ("pg_", "svv_", "svl_", "stl_", "stv_")  # Postgres's and Redshift's, which are named without a schema
_LONGEST = 200_000  # characters; a longer text is data, not a program

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_SET = re.compile(r"\{%-?\s*(set|macro|call)\b(?:(?!%\}).)*?%\}(?:(?!\{%).)*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
_ELSE = re.compile(r"\{%-?\s*(?:else|elif)\b(?:(?!\{%-?\s*endif).)*", re.DOTALL)
_TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
_HOLES = re.compile(r"\{\{.*?\}\}|%\(\w+\)s|(?<![\w%])%s\b|(?<!\$)\{[^{}]+\}|\$\{\w+\}", re.DOTALL)
_LEGACY = re.compile(r"\[(?:([\w.-]+):)?([\w-]+\.[\w$*-]+)\]")  # BigQuery's legacy SQL
_ALONE = re.compile(r"(?<!\S)hole\d+eloh(?!\S)")
_LOAD = re.compile(r"\s*LOAD\s+DATA\b.*?\bINTO\s+TABLE\s+(\S+)", re.IGNORECASE | re.DOTALL)
_MARK = re.compile(r"hole(\d+)eloh", re.IGNORECASE)


def touches(text: str, dialect: str | None = None) -> list[Touch]:
    """What SQL touches, of one statement or several, Jinja in it. `dialect` is sqlglot's, None where it isn't known.

    SQL that can't be read is one `query`, whose name is its beginning.
    """
    return list(_touches(text, dialect))


@lru_cache(4096)
def _touches(text: str, dialect: str | None) -> tuple[Touch, ...]:
    from bootstrap.scan.resources.sql_tables import Statements

    trees, holes, spoken = _parsed(text, dialect)
    if trees is None:
        return (_unread(text),)
    session = Statements(lambda inner: _read(inner, spoken) or [])
    found: dict[Touch, None] = {}
    for each in (touch for tree in trees for touch in session.touches(tree)):
        name = _MARK.sub(lambda mark: holes[int(mark[1])], each.name)
        if not _is_servers(each.name) and "none" not in each.name.lower().split("."):  # an f-string had None for it
            found[Touch(each.kind, name, each.verb, each.right, name != each.name or is_template(name))] = None
    return tuple(found)


def _is_servers(name: str) -> bool:
    """True for what each server has, and anybody may read."""
    words = [word for part in parts(name) for word in part.lower().split(".")]
    return bool(_SYSTEM.intersection(words)) or words[-1].startswith(_SYSTEM_VIEWS)


def _unread(text: str) -> Touch:
    """What no dialect reads; MySQL's LOAD DATA is told by its words."""
    if loads := _LOAD.match(text):
        name = joined(part.strip('`"') for part in loads[1].split("."))
        return Touch("table", name, "write", "INSERT", is_template(name))
    return Touch("query", shortened(text), "run", "", is_template(text))


def shortened(text: str) -> str:
    """A query's beginning, in one line."""
    line = " ".join(without_literals(text).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _parsed(text: str, dialect: str | None) -> tuple[list[exp.Expression] | None, list[str], str]:
    """The statements, what its holes stand for, and the dialect that reads it. None for what is no SQL of this dialect."""
    for plain, holes in _plain(text) if len(text) <= _LONGEST else ():
        for name in _OTHERS if dialect is None else dict.fromkeys((dialect, "")):
            trees = _read(plain, name)
            if trees is not None:
                return trees, holes, name
    return None, [], ""


def _plain(text: str) -> Iterator[tuple[str, list[str]]]:
    """SQL without Jinja: with what stands in every branch, then with the first branch alone, at last without holes that may be a
    whole clause.
    """
    text = _SET.sub(" ", _COMMENT.sub(" ", text))
    for taken in dict.fromkeys((text, _ELSE.sub("", text))):
        holes: list[str] = []

        def marked(found: re.Match[str], holes: list[str] = holes) -> str:
            holes.append(found[0])
            return f"hole{len(holes) - 1}eloh"

        plain = _HOLES.sub(marked, _TAG.sub(" ", taken))
        yield plain, holes
    yield _ALONE.sub(" ", plain), holes


def _read(text: str, dialect: str) -> list[exp.Expression] | None:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

    logging.getLogger("sqlglot").disabled = True  # it logs the whole statement, with the passwords in it
    if dialect == "bigquery":
        text = _LEGACY.sub(lambda found: f"`{'.'.join(filter(None, found.groups()))}`", text)
    try:
        trees = [tree for tree in sqlglot.parse(text, read=dialect) if isinstance(tree, exp.Expression)]
        return [normalize_identifiers(tree, dialect=dialect) for tree in trees]
    except (SqlglotError, RecursionError, ValueError):
        return None
