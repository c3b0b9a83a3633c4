from __future__ import annotations

import pytest

from bootstrap.scan.resources.names import constant_prefix, is_template
from bootstrap.scan.resources.sql import touches
from bootstrap.scan.resources.sql_names import joined, parts


def rights(text: str, dialect: str | None = "postgres") -> list[str]:
    return [f"{each.right or each.verb} {each.name}" for each in touches(text, dialect)]


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("postgres", "SELECT * FROM s.orders o JOIN Customers USING (id)", ["SELECT s.orders", "SELECT customers"]),
        ("postgres", "INSERT INTO a SELECT * FROM b", ["INSERT a", "SELECT b"]),
        (
            "postgres",
            "INSERT INTO a VALUES (%s, %(x)s) ON CONFLICT (id) DO UPDATE SET x = 1",
            ["INSERT a", "UPDATE a", "SELECT a"],
        ),
        ("postgres", "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", ["INSERT a"]),
        ("postgres", "UPDATE a SET x = b.x FROM b WHERE a.id = b.id", ["UPDATE a", "SELECT a", "SELECT b"]),
        ("postgres", "DELETE FROM a", ["DELETE a"]),
        ("postgres", "DELETE FROM a WHERE x = 1", ["DELETE a", "SELECT a"]),
        ("postgres", "TRUNCATE a, b", ["TRUNCATE a", "TRUNCATE b"]),
        ("postgres", "DROP TABLE IF EXISTS a, b", ["DROP a", "DROP b"]),
        ("postgres", "ALTER TABLE a ADD COLUMN x int; CREATE INDEX i ON b (x)", ["ALTER a", "ALTER b"]),
        ("postgres", "CREATE TABLE a AS SELECT * FROM b", ["CREATE a", "SELECT b"]),
        ("postgres", "CREATE SCHEMA s; CREATE VIEW s.v AS SELECT 1 FROM b", ["CREATE s", "CREATE s.v", "SELECT b"]),
        ("postgres", "COPY a FROM STDIN WITH CSV", ["INSERT a"]),
        ("postgres", "COPY (SELECT * FROM a) TO STDOUT", ["SELECT a"]),
        ("postgres", "DROP INDEX i; DROP SEQUENCE s; ALTER INDEX i RENAME TO j; DROP VIEW v", ["DROP v"]),
        ("postgres", "DROP TABLE {', '.join(names)}", ["DROP {', '.join(names)}"]),
        ("postgres", "SELECT {distinct} * FROM a {where}", ["SELECT a"]),
        ("postgres", "CALL s.refresh(1)", ["EXECUTE s.refresh"]),
        ("postgres", "EXPLAIN SELECT * FROM a", ["SELECT a"]),
        ("postgres", "WITH n AS (DELETE FROM a RETURNING *) SELECT * FROM n", ["DELETE a"]),
        ("mysql", "REPLACE INTO `a` VALUES (1)", ["INSERT a", "DELETE a"]),
        ("mysql", "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE x = 1", ["INSERT a", "UPDATE a", "SELECT a"]),
        ("mysql", "LOAD DATA LOCAL INFILE 'f' INTO TABLE a", ["INSERT a"]),
        ("bigquery", "SELECT * FROM `p-1.d.t` t, UNNEST(t.items), t.others", ["SELECT p-1.d.t"]),
        ("bigquery", "SELECT * FROM [p-1:d.t]", ["SELECT p-1.d.t"]),
        (
            "bigquery",
            "MERGE d.a T USING d.b S ON T.x = S.x WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED THEN INSERT ROW",
            ["UPDATE d.a", "INSERT d.a", "SELECT d.a", "SELECT d.b"],
        ),
        ("bigquery", "CREATE OR REPLACE TABLE d.a AS SELECT 1 FROM d.b", ["CREATE d.a", "DROP d.a", "SELECT d.b"]),
        ("redshift", "UNLOAD ('SELECT * FROM a WHERE x = ''y''') TO 's3://b/k' IAM_ROLE 'r'", ["SELECT a"]),
        ("redshift", "COPY s.a FROM 's3://b/k' IAM_ROLE 'r' CSV", ["INSERT s.a"]),
        ("snowflake", "COPY INTO s.a FROM @stage/x", ["INSERT S.A"]),
        (
            "hive",
            "INSERT OVERWRITE TABLE a PARTITION (ds='{{ ds }}') SELECT * FROM b",
            ["INSERT a", "DELETE a", "SELECT b"],
        ),
        ("tsql", "EXEC dbo.p 1", ["EXECUTE dbo.p"]),
        ("tsql", "UPDATE o SET x = 1 FROM dbo.orders o", ["UPDATE dbo.orders", "SELECT dbo.orders"]),
    ],
)
def test_a_statement_needs_rights_on_its_tables(dialect: str, text: str, expected: list[str]) -> None:
    assert rights(text, dialect) == expected


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgres", "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b"),
        ("postgres", "CREATE TEMP TABLE a AS SELECT 1; INSERT INTO a VALUES (2); SELECT * FROM a; DROP TABLE a"),
        ("tsql", "SELECT 1 AS x INTO #a; SELECT * FROM #a"),
        ("postgres", "SELECT * FROM generate_series(1, 2)"),
        ("postgres", "SELECT * FROM information_schema.tables; SELECT 1 FROM pg_catalog.pg_class"),
        ("bigquery", "SELECT * FROM d.INFORMATION_SCHEMA.TABLES"),
        ("oracle", "SELECT 1 FROM dual"),
        ("postgres", "SELECT * FROM pg_tables"),
        ("redshift", "SELECT * FROM svv_table_info"),
        ("postgres", "BEGIN; SET x = 1; COMMIT; VACUUM; SELECT 1"),
    ],
)
def test_what_the_statement_itself_makes_and_what_the_server_has_is_no_table(dialect: str, text: str) -> None:
    assert rights(text, dialect) == []


def test_jinja_in_a_tables_name_makes_it_a_template_and_elsewhere_does_not() -> None:
    text = "SELECT * FROM {{ params.schema }}.orders_{{ ds_nodash }} JOIN b ON d = '{{ ds }}' LIMIT {{ n }}"
    assert [(each.name, each.template) for each in touches(text)] == [
        ("{{ params.schema }}.orders_{{ ds_nodash }}", True),
        ("b", False),
    ]


def test_jinjas_statements_are_read_through() -> None:
    text = "{# c #}{% set x = 1 %}SELECT {% for c in cs %}{{ c }}, {% endfor %}1 FROM a {% if f %}WHERE x{% endif %}"
    assert rights(text) == ["SELECT a"]
    assert rights("{% if f %}SELECT 1 FROM a{% else %}SELECT 1 FROM b{% endif %}") == ["SELECT a"]


def test_what_is_no_sql_is_a_query_and_no_table() -> None:
    (only,) = touches("{{ macros.load('x') }} FROM a WHERE WHERE " + "y" * 100, "postgres")
    assert (only.kind, only.verb, only.template) == ("query", "run", True)
    assert len(only.name) == 60


@pytest.mark.parametrize("name", ["a", "s.a", "c.s.a", 'c."s.t".a', '"a b"', '"a""b".c', "p-1.d.t"])
def test_a_name_comes_apart_as_it_was_put_together(name: str) -> None:
    assert joined(parts(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "x/{{ ds }}",
        "x/2024-01-31/y",
        "events_20240131",
        "x/%Y%m%d",
        "x/{day}",
        "in/2024/01/",
        "data_YYYYMMDD",
        "{% x %}",
    ],
)
def test_jinja_dates_and_holes_make_a_template(name: str) -> None:
    assert is_template(name)


@pytest.mark.parametrize(
    "name", ["orders", "v20", "id-12345678", "2024", "x%20y", "${HOME}", "a.b-c/d_1", "port_20881399"]
)
def test_a_number_is_no_date(name: str) -> None:
    assert not is_template(name)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("b/x/{{ ds }}.csv", "b/x/"),
        ("b/x_{{ ds }}.csv", "b/"),
        ("b/x/y.csv", "b/x/y.csv"),
        ("{b}/x", ""),
        ("b/x/*", "b/x/"),
    ],
)
def test_a_prefix_ends_where_a_run_begins(name: str, prefix: str) -> None:
    assert constant_prefix(name) == prefix
