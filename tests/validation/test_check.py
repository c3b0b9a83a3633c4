from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.domain.connection import Connection, from_text
from bootstrap.providers import facts as knowing
from bootstrap.providers.facts import Known
from bootstrap.providers.facts import known as find_out
from bootstrap.validation import check as checking
from bootstrap.validation.problem import Problem
from tests.validation.connections import VALID


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return find_out((item.conn_type for item in VALID.values()), tmp_path_factory.mktemp("cache"))


def found(known: Known, connection: Connection, uri: str = "") -> dict[str, Problem]:
    return {problem.field: problem for problem in checking.problems(connection, known, uri)}


def test_nothing_is_said_against_a_valid_connection(tmp_path: Path) -> None:
    assert len({item.conn_type for item in VALID.values()}) >= 25
    assert {name: items for name, items in checking.check(VALID, tmp_path).items() if items} == {}


def test_what_the_providers_know_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checking.check({"x": Connection("postgres", extra={"sqlalchemy_schem": 1})}, tmp_path)

    def never() -> Any:
        raise AssertionError

    monkeypatch.setattr(knowing, "_types", never)
    monkeypatch.setattr(knowing, "_read", lambda _: never())
    assert checking.check({"x": Connection("postgres", extra={"sqlalchemy_schem": 1})}, tmp_path) == first
    assert first["x"]


def test_another_installation_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Connection("bench_lake")
    assert checking.check({"x": ours}, tmp_path)["x"][0].field == "conn_type"
    provider = tmp_path / "site"
    (provider / "bench_lake_provider").mkdir(parents=True)
    (provider / "bench_lake_provider" / "info.py").write_text(
        "def get():\n    return {'versions': [__version__], 'connection-types': [{'connection-type': 'bench_lake'}]}\n"
    )
    (provider / "bench_lake_provider-1.0.dist-info").mkdir()
    (provider / "bench_lake_provider-1.0.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\nx = y:z\n\n[apache_airflow_provider]\nprovider_info = bench_lake_provider.info:get\n"
    )
    monkeypatch.syspath_prepend(str(provider))
    assert checking.check({"x": ours}, tmp_path)["x"] == ()


def test_a_provider_whose_list_is_computed_leaves_room_for_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_info.py").write_text("def get():\n    return {'connection-types': list(TYPES)}\n")
    (tmp_path / "odd-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info" / "entry_points.txt").write_text("[apache_airflow_provider]\na=odd_info:get\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (problem,) = checking.check({"x": Connection("bench_lake")}, tmp_path)["x"]
    assert not problem.refused(strict=True)


# the type


@pytest.mark.parametrize(
    ("conn_type", "message", "hint"),
    [
        ("postgers", "no provider has the conn_type 'postgers'", "did you mean 'postgres'?"),
        ("googel_cloud_platform", "no provider has", "did you mean 'google_cloud_platform'?"),
        ("https", "the scheme of a connection's URI is its type", "conn_type: http with schema: https, or as a URI"),
        ("rediss", "the scheme of a connection's URI is its type", "conn_type: redis with extra: {ssl: true}"),
        ("s3", "any more", "conn_type: aws"),
        ("Snowflake", "no provider has", "did you mean 'snowflake'?"),
        ("bench_lake", "no provider has", "conn_type: generic"),
        ("oracle", "comes with apache-airflow-providers-oracle, which is not installed", "pip install"),
    ],
)
def test_a_type_that_no_hook_takes(known: Known, conn_type: str, message: str, hint: str) -> None:
    problem = found(known, Connection(conn_type))["conn_type"]
    assert message in problem.message
    assert problem.hint.startswith(hint)
    assert problem.refused(strict=True)
    assert not problem.refused(strict=False)


def test_where_airflow_is_elsewhere_nothing_is_missing_here() -> None:
    nothing = Known({}, airflow=False)
    assert found(nothing, Connection("oracle")) == {}
    assert not found(nothing, Connection("postgers"))["conn_type"].refused(strict=True)


# the extra


@pytest.mark.parametrize(
    ("conn_type", "key", "near"),
    [
        ("google_cloud_platform", "keyflie_dict", "keyfile_dict"),
        ("google_cloud_platform", "extra__google_cloud_platform__projct", "project"),
        ("google_cloud_platform", "num_retrys", "num_retries"),
        ("aws", "regoin_name", "region_name"),
        ("aws", "aws_acces_key_id", "aws_access_key_id"),
        ("aws", "RoleArn", "role_arn"),
        ("postgres", "ssl_mode", "sslmode"),
        ("postgres", "sslmdoe", "sslmode"),
        ("postgres", "cluster_identifier", "cluster-identifier"),
        ("spark", "deploy_mode", "deploy-mode"),
        ("ssh", "no_host_key_chek", "no_host_key_check"),
        ("vault", "auth_typ", "auth_type"),
        ("http", "verfy", "verify"),
        ("redis", "ssl_cert_req", "ssl_cert_reqs"),
        ("mysql", "unix-socket", "unix_socket"),
    ],
)
def test_a_misspelt_key_of_the_extra(known: Known, conn_type: str, key: str, near: str) -> None:
    problem = found(known, Connection(conn_type, host="x", extra={key: "s3cr3t"}))[f"extra.{key}"]
    assert (problem.hint, problem.severity) == (f"did you mean {near!r}?", "warning")
    assert "s3cr3t" not in str(problem)


def test_a_key_that_the_source_has_a_word_for_is_no_misspelling(known: Known) -> None:
    assert "s3_endpoint_url" not in known.extras["duckdb_aws"].keys
    assert found(known, Connection("duckdb_aws", extra={"s3_endpoint_url": "http://minio"})) == {}
    assert found(known, Connection("duckdb_aws", extra={"endpoint_ulr": "http://minio"}))


def test_the_types_whose_provider_is_missing_have_no_misspellings(known: Known) -> None:
    assert set(found(known, Connection("oracle", extra={"service_nam": "x"}))) == {"conn_type"}


# the host

NAMED = ("postgres", "mysql", "redis", "ssh", "sftp", "smtp", "vault", "redshift")


@pytest.mark.parametrize("conn_type", NAMED)
def test_a_host_with_a_scheme_can_not_work(known: Known, conn_type: str) -> None:
    problem = found(known, Connection(conn_type, host="https://db.internal"))["host"]
    assert problem.refused(strict=False)
    assert found(known, Connection(conn_type, host="db.internal")) == {}


@pytest.mark.parametrize(
    ("conn_type", "host", "said"),
    [
        ("postgres", "db.internal:5432", "a port"),
        ("postgres", "db-1,db-2:5433", "a port"),
        ("postgres", "[::1]:5432", "a port"),
        ("postgres", "db.internal/shop", "a path"),
        ("mysql", "db/shop", "a path"),
        ("ssh", "bastion:22", "a port"),
        ("redis", "cache:6379/0", "a port"),
        ("sftp", "ops@bastion", "a login"),
        ("http", "https://bot:hunter2@api", "a login and a password"),
        ("postgres", "etl:hunter2@db", "a login and a password"),
        ("postgres", "  ", "is empty"),
        ("http", "", "is empty"),
    ],
)
def test_a_host_that_is_more_than_a_name(known: Known, conn_type: str, host: str, said: str) -> None:
    problem = next(p for p in checking.problems(Connection(conn_type, host=host), known) if p.field == "host")
    assert said in problem.message
    assert problem.severity == "warning"
    assert "hunter2" not in str(problem)


def test_a_port_where_none_is_read(known: Known) -> None:
    assert found(known, Connection("aws", port=443))["port"].severity == "warning"
    assert found(known, Connection("google_cloud_platform", port=443))["port"].hint == "leave it out"
    assert found(known, Connection("postgres", host="x", port=70000))["port"].severity == "error"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "hunter2\n"}, "password"),
        ({"login": " etl"}, "login"),
        ({"host": "db\t"}, "host"),
        ({"schema": "shop "}, "schema"),
        ({"extra": {"token": "hunter2\n"}}, "extra.token"),
    ],
)
def test_blanks_around_a_value(known: Known, change: Mapping[str, Any], field: str) -> None:
    problems = found(known, replace(Connection("postgres", host="db"), **change))
    assert set(problems) == {field}
    assert "hunter2" not in str(problems)


# what a hook has no use for


@pytest.mark.parametrize(
    ("conn_type", "fields", "hint"),
    [
        ("aws", ("host", "port"), "endpoint_url: https://HOST:PORT"),
        ("aws", ("schema",), "leave it out"),
        ("s3", ("host", "port"), "endpoint_url: https://HOST:PORT"),
        ("google_cloud_platform", ("host", "login", "password", "schema", "port"), "leave it out"),
        ("gcpbigquery", ("host", "port"), "leave it out"),
        ("spark", ("login", "password", "schema"), "leave it out"),
        ("docker", ("schema",), "leave it out"),
        ("sqlite", ("login", "password", "port"), "leave it out"),
        ("sqlite", ("schema",), "host is the database's file"),
        ("redis", ("schema",), "leave it out"),
        ("smtp", ("schema",), "leave it out"),
        ("fs", ("host", "password"), "leave it out"),
    ],
)
def test_a_field_that_the_hook_never_reads(known: Known, conn_type: str, fields: tuple[str, ...], hint: str) -> None:
    values: dict[str, Any] = {
        "port": 9000,
        "host": "hunter2",
        "login": "hunter2",
        "password": "hunter2",
        "schema": "hunter2",
    }
    problems = found(known, Connection(conn_type, **{name: values[name] for name in fields}))
    assert set(fields) <= set(problems)
    for name in fields:
        assert f"takes no {name}" in problems[name].message
        assert (hint in problems[name].hint, problems[name].severity) == (True, "warning")
    assert "hunter2" not in str(problems)


def test_what_a_form_hides_and_the_hook_reads_is_no_problem(known: Known) -> None:
    assert found(known, Connection("emr", login="AKIA", password="x")) == {}
    assert found(known, Connection("postgres", host="h", login="l", password="p", schema="s", port=1)) == {}


@pytest.mark.parametrize("key", ["host", "port", "endpoint"])
def test_an_endpoint_of_aws_that_stands_at_the_wrong_place(known: Known, key: str) -> None:
    assert "endpoint_url" in found(known, Connection("aws", extra={key: "http://minio:9000"}))[f"extra.{key}"].hint


@pytest.mark.parametrize(
    ("conn_type", "extra"),
    [
        *(("aws", {"verify": text}) for text in ("False", "true", "0", "no", "")),
        ("http", {"verify": "false"}),
        ("http", {"verify_ssl": "False"}),
        ("http", {"allow_redirects": "false"}),
        ("redis", {"ssl": "true"}),
        ("redis", {"ssl_check_hostname": "0"}),
        ("smtp", {"disable_ssl": "False"}),
        ("google_cloud_platform", {"is_anonymous": "false"}),
        ("google_cloud_platform", {"extra__google_cloud_platform__is_anonymous": "false"}),
        ("gcpbigquery", {"use_legacy_sql": "false"}),
        ("postgres", {"iam": "false"}),
    ],
)
def test_a_text_where_the_hook_wants_true_or_false(known: Known, conn_type: str, extra: dict[str, Any]) -> None:
    (key,) = extra
    problem = found(known, Connection(conn_type, host="h" if conn_type in {"http", "postgres"} else None, extra=extra))[
        f"extra.{key}"
    ]
    assert (problem.hint, problem.severity) == ("write true or false, without quotes", "warning")
    assert found(known, Connection(conn_type, extra={key: False})) == {}


@pytest.mark.parametrize(
    ("conn_type", "extra"),
    [
        ("aws", {"verify": "/etc/ca.pem"}),
        ("http", {"verify": "/etc/ca.pem"}),
        ("ssh", {"no_host_key_check": "true", "compress": "false"}),
        ("docker", {"reauth": "no"}),
        ("vault", {"use_tls": "true"}),
        ("http", {"srv_lookup": "true"}),
    ],
)
def test_a_text_that_the_hook_reads_as_people_do(known: Known, conn_type: str, extra: dict[str, Any]) -> None:
    assert found(known, Connection(conn_type, extra=extra)) == {}


# HTTP


@pytest.mark.parametrize(
    ("uri", "field"),
    [
        ("http://bot:hunter2@api.example.com", "password"),
        ("http://bot:hunter2@api.example.com/v1", "schema"),
        ("http://bot:hunter2@api.example.com/http", "password"),
        ("http://bot:hunter2@http%3A%2F%2Fapi.example.com", "password"),
        ("http://bot:hunter2@https%3A%2F%2Fapi.example.com/v1", "schema"),
        ("http://api.example.com/v1", "schema"),
        ("https://bot:hunter2@api.example.com", "conn_type"),
    ],
)
def test_an_http_address_that_is_read_otherwise(known: Known, uri: str, field: str) -> None:
    problems = found(known, from_text(uri, "team:x"))
    assert set(problems) == {field}
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    "uri",
    [
        "http://bot:hunter2@api.example.com/https",
        "http://bot:hunter2@https%3A%2F%2Fapi.example.com",
        "http://bot:hunter2@127.0.0.1:8080",
        "http://bot:hunter2@localhost",
        "http://api.example.com",
        "http://bot:@api.example.com/HTTPS",
    ],
)
def test_an_http_address_that_is_right(known: Known, uri: str) -> None:
    assert found(known, from_text(uri, "team:x")) == {}


# a URI


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://etl:12/34hunter@db:5432/shop",
        "postgres://etl:#hunter@db/shop",
        "postgres://etl:12?hunter@db/shop",
        "postgres://etl:1%hunter@db/shop",
        "http://https://bot:#hunter@api/",
        "postgres://etl:x@db/shop#hunter",
    ],
)
def test_a_password_that_does_not_survive_in_a_uri(known: Known, uri: str) -> None:
    problem = found(known, from_text(uri, "team:x"), uri)["uri"]
    assert "percent-encode" in problem.hint
    assert "hunter" not in str(problem)


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://etl:p%40ss%2Fw%23rd%3F%25@db:5432/shop?sslmode=require",
        "postgres://etl:p@ss@db:5432/shop",
        "postgres://db:5432/shop?options=a@b",
        "generic://api:8080/users/@me",
        "http://https%3A%2F%2Fapi",
        "aws://?__extra__=%7B%22region_name%22%3A%20%22eu%22%7D",
        '{"conn_type": "postgres", "password": "a://b:#c@d"}',
    ],
)
def test_a_uri_that_is_read_as_it_was_meant(known: Known, uri: str) -> None:
    assert found(known, from_text(uri, "team:x"), uri) == {}


def test_what_a_misread_uri_leaves_behind(known: Known) -> None:
    assert "schema" in found(known, from_text("postgres://etl:12/34@db/shop", "x"))
    problem = found(known, from_text("postgres://etl:12?hunter@db/shop", "x"))["extra"]
    assert "hunter" not in str(problem)
