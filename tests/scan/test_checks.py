from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap import plugins
from bootstrap.manifest.kinds import SuitsConnTypes
from bootstrap.scan.model import Place, Resource, Verb
from bootstrap.scan.resources.checks import _DERIVED, checks_for
from bootstrap.scan.resources.names import is_template

KINDS = [
    "bucket",
    "object",
    "table",
    "dataset",
    "function",
    "endpoint",
    "model",
    "training_job",
    "image",
    "key",
    "path",
]
KINDS += ["secret", "sender", "recipient", "query", "topic"]
RIGHTS = ("", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "DROP")


def touched(kind: str, name: str, verb: Verb = "read", right: str = "", by: str = "Operator") -> Resource:
    return Resource("x", kind, name, verb, Place("dag.py", 1, by), is_template(name), right)


@pytest.mark.parametrize(
    ("conn_type", "resources", "expected"),
    [
        ("google_cloud_platform", [touched("bucket", "b")], [{"gcs": {"bucket": "b", "read_only": True}}]),
        (
            "google_cloud_platform",
            [touched("object", "b/in/{{ ds }}.csv"), touched("object", "b/out/x/y.csv", "write")],
            [{"gcs": {"bucket": "b", "prefix": "out/x/"}}],
        ),
        (
            "google_cloud_platform",
            [touched("table", "d.t"), touched("table", "p.e.t_{{ ds }}", "write")],
            [
                {"bigquery": {"dataset": "d", "read_only": True}},
                {"bigquery": {"dataset": "e", "project": "p"}},
            ],
        ),
        (
            "aws",
            [touched("object", "b/a/1/x"), touched("object", "b/a/2/y"), touched("function", "f", "run")],
            [{"s3": {"bucket": "b", "prefix": "a/", "read_only": True}}, {"lambda": {"function": "f"}}],
        ),
        ("aws", [touched("endpoint", "e")], [{"sagemaker": {"endpoint": "e"}}]),
        ("postgres", [touched("table", "s.orders", "read", "SELECT")], [{"postgres": {"table": "s.orders"}}]),
        (
            "postgres",
            [touched("table", "orders", "write", "INSERT"), touched("table", "orders", "read", "SELECT")],
            [{"postgres": {"table": "orders", "rights": ["SELECT", "INSERT"]}}],
        ),
        ("mysql", [touched("table", "t", "delete", "TRUNCATE")], []),
        ("sqlite", [touched("table", "t", "write", "INSERT")], [{"sqlite": {"table": "t", "write": True}}]),
        ("http", [touched("endpoint", "api/x"), touched("endpoint", "api/y", "write")], [{"http": {"path": "api/x"}}]),
        ("sftp", [touched("path", "/in/a.csv"), touched("path", "/in/{{ ds }}.csv")], [{"sftp": {"path": "/in"}}]),
        ("docker", [touched("image", "org/app:1.2")], [{"docker": {"image": "org/app:1.2"}}]),
        ("vault", [touched("secret", "team/db")], [{"vault": {"path": "team/db"}}]),
        (
            "smtp",
            [touched("sender", "a@x.org", "write"), touched("recipient", "b@x.org", "write")],
            [{"smtp": {"from_email": "a@x.org", "to": "b@x.org"}}],
        ),
        (
            "snowflake",
            [touched("table", "DB.S.T", "read", "SELECT")],
            [
                {
                    "operator": {
                        "path": "airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator",
                        "arguments": {"sql": 'SELECT 1 FROM "DB"."S"."T" WHERE 1 = 0'},
                    }
                }
            ],
        ),
        ("spark", [touched("application", "/x.py", "run")], []),
        (None, [touched("table", "t")], []),
    ],
)
def test_a_check_is_derived_for_what_is_named(conn_type: str, resources: list[Resource], expected: list[Any]) -> None:
    assert checks_for(conn_type, resources) == expected


def test_nothing_is_derived_from_a_name_that_differs_from_run_to_run() -> None:
    for conn_type, kind in itertools.product(_DERIVED, KINDS):
        for name in ("{{ ds }}", "2024-01-31", "{name}", "{{ var.value.x }}/y"):
            assert checks_for(conn_type, [touched(kind, name, "read", "SELECT")]) == [], (conn_type, kind, name)


def test_what_the_code_makes_itself_is_not_checked() -> None:
    bucket = [touched("bucket", "b", "create"), touched("object", "b/x", "write")]
    assert checks_for("aws", bucket) == []
    table = [touched("table", "t", "create", "CREATE"), touched("table", "t", "write", "INSERT")]
    assert checks_for("postgres", table) == []
    dataset = [touched("dataset", "d", "create"), touched("table", "d.t", "write")]
    assert checks_for("google_cloud_platform", dataset) == []


@pytest.mark.parametrize("path", ["/refresh_cache", "api/jobs/run", "api/x?api_key=1", "/bot/schedule-routine"])
def test_a_get_that_may_begin_work_or_holds_a_key_is_no_check(path: str) -> None:
    assert checks_for("http", [touched("endpoint", path)]) == []


def test_what_a_sensor_waits_for_need_not_be_there() -> None:
    assert checks_for("http", [touched("endpoint", "ready", by="HttpSensor")]) == []
    assert checks_for("redis", [touched("key", "k", by="RedisKeySensor")]) == []


def test_a_connection_gets_no_wall_of_checks() -> None:
    assert len(checks_for("postgres", [touched("table", f"t{each}", "read", "SELECT") for each in range(100)])) == 20


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["a", "a/b/c.csv", "/x/y", "p.d.t", 'c."s t".x', "d.t", "a@b.org", "org/app:1", "{{ ds }}/x", "b/*"]
)
RESOURCES = st.lists(
    st.builds(touched, st.sampled_from(KINDS), NAMES, st.sampled_from(get_args(Verb)), st.sampled_from(RIGHTS)),
    max_size=6,
)


@given(st.sampled_from(sorted(_DERIVED)), RESOURCES)
def test_whatever_is_derived_is_valid_in_the_manifest(conn_type: str, resources: list[Resource]) -> None:
    for check in checks_for(conn_type, resources):
        assert isinstance(check, dict)
        ((name, params),) = check.items()
        plugins.CHECKS.get(name, SuitsConnTypes).Params.model_validate(params)
