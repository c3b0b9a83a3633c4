"""The failure matrix's column "says yes to everything": for every check, none is green that proves nothing and doesn't say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import plugins
from bootstrap.checks import _http_answer, base, secret_manager
from bootstrap.checks.base import Run
from bootstrap.smoke.verdict import CheckResult
from tests.checks.bench import Bench, Cell
from tests.checks.test_smtp import PLAIN
from tests.systems import liar

pytestmark = pytest.mark.airflow
VARIANTS = (*liar.ANSWERS, "elsewhere")
USUAL = {"s3": "empty", "s3_read_only": "empty", "sts": "empty", "lambda": "empty", "lambdas": "empty"}  # else "object"
BUCKET = "no-such-bucket"
WITHOUT_A_SERVER = {"python", "operator", "sqlite"}  # test_python, test_operator and test_sqlite have them
OF_THEIR_OWN = {"secret_manager", "spark"}  # speak gRPC (below), and what Spark speaks (test_spark)


@dataclass(frozen=True)
class Place:
    """A server for each variant, and the one for Google's clients."""

    urls: Mapping[str, str]
    google: str


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        urls = {name: stack.enter_context(liar.speaking_http(name)) for name in VARIANTS}
        yield Place(urls, stack.enter_context(liar.by_name()))


def speaking_http(place: Place, variant: str, password: str, postgres: int) -> dict[str, Cell]:
    """A cell for every check that speaks HTTP; all of them must fail."""
    url = place.urls[variant]
    host, port = url.removeprefix("http://").split(":")
    at = {"host": host, "port": int(port), "password": password}
    aws = {
        "conn_type": "aws",
        "login": "AKIAXXXXXXXXXXXXXXXX",
        "password": password,
        "extra": {"endpoint_url": url, "region_name": "eu-west-1"},
    }
    google = {"conn_type": "google_cloud_platform", "extra": {"project": variant, "is_anonymous": True}}
    bucket, to_s3 = f"{variant}-bucket", {"connection": "other_aws", "bucket": BUCKET}
    to_gcs = {"connection": "other_google", "bucket": bucket}
    database = {"conn_type": "postgres", "host": host, "port": postgres, "login": "etl", "password": password}
    each: dict[str, tuple[Any, Any]] = {
        "vault": ({"conn_type": "vault", **at}, "vault"),
        "lambda": (aws, {"lambda": {"function": "no_such_function"}}),
        "lambdas": (aws, "lambda"),
        "sagemaker": (aws, {"sagemaker": {"endpoint": "no-such-endpoint"}}),
        "sagemaker_model": (aws, {"sagemaker": {"model": "no-such-model"}}),
        "sagemakers": (aws, "sagemaker"),
        "s3": (aws, {"s3": {"bucket": BUCKET}}),
        "s3_read_only": (aws, {"s3": {"bucket": BUCKET, "read_only": True}}),
        "sts": (aws, "sts"),
        "gcs": (google, {"gcs": {"bucket": bucket}}),
        "gcs_read_only": (google, {"gcs": {"bucket": bucket, "read_only": True}}),
        "bigquery": (google, "bigquery"),
        "bigquery_read_only": (google, {"bigquery": {"dataset": "smoke", "read_only": True}}),
        "gcs_to_bigquery": (google, {"gcs_to_bigquery": {"bucket": bucket, "dataset": "smoke"}}),
        "gcs_to_s3": (google, {"gcs_to_s3": {"bucket": bucket, "to": to_s3}}),
        "s3_to_gcs": (aws, {"s3_to_gcs": {"bucket": BUCKET, "to": to_gcs}}),
        "local_to_gcs": (google, {"local_to_gcs": {"bucket": bucket}}),
        "sql_to_gcs": (database, {"sql_to_gcs": {"to": to_gcs}}),
        "docker": ({"conn_type": "docker"}, {"docker": {"image": "i", "docker_url": url.replace("http", "tcp")}}),
    }
    return {name: Cell(conn, check) for name, (conn, check) in each.items()}


def speaking_tcp(password: str, ports: Mapping[str, int]) -> dict[str, Cell]:
    """A cell for every check that speaks something else, at a server that says the same to everything."""

    def to(conn_type: str, port: str, **more: Any) -> dict[str, Any]:
        at = {"host": "127.0.0.1", "port": ports[port]}
        return {"conn_type": conn_type, **at, "login": "etl", "password": password, **more}

    mysql = {"extra": {"client": "mysql-connector-python"}}
    return {
        "redis_ok": Cell(to("redis", "ok"), "redis"),
        "redis_pong": Cell(to("redis", "pong"), "redis"),
        "redis_key": Cell(to("redis", "ok"), {"redis": {"key": "a"}}),
        "redis_one": Cell(to("redis", "one"), {"redis": {"key": "a"}}),
        "smtp_yes": Cell(to("smtp", "smtp", extra=PLAIN, login=None, password=None), "smtp"),
        "smtp_login": Cell(to("smtp", "smtp_auth", extra=PLAIN), "smtp"),
        "postgres_yes": Cell(to("postgres", "postgres"), "postgres"),
        "postgres_table": Cell(to("postgres", "postgres"), {"postgres": {"table": "orders"}}),
        "postgres_ok": Cell(to("postgres", "ok"), "postgres"),
        "mysql_ok": Cell(to("mysql", "mysql", **mysql), "mysql"),
        "ssh_ok": Cell(to("ssh", "ssh", extra={"no_host_key_check": True}), "ssh"),
        "sftp_ok": Cell(to("sftp", "ssh", extra={"no_host_key_check": True}), "sftp"),
    }


@pytest.mark.timeout(3600)
def test_no_server_that_says_yes_to_everything_is_green(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    password = "of-" + bench.canary.core
    with ExitStack() as stack:
        said = {
            "ok": stack.enter_context(liar.repeating(b"+OK\r\n")),
            "pong": stack.enter_context(liar.repeating(b"+PONG\r\n")),
            "one": stack.enter_context(liar.repeating(b":1\r\n")),
            "smtp": stack.enter_context(liar.repeating(b"250 OK\r\n", first=b"220 yes\r\n")),
            "smtp_auth": stack.enter_context(liar.repeating(b"250-yes\r\n250 AUTH PLAIN\r\n", first=b"220 yes\r\n")),
            "mysql": stack.enter_context(liar.repeating(b"\x01\0\0\2\0", first=b"\x05\0\0\0\x0a5.5\0")),
            "ssh": stack.enter_context(liar.repeating(b"yes\r\n", first=b"SSH-2.0-yes\r\n")),
            "postgres": stack.enter_context(liar.postgres()),
        }
        cells = speaking_tcp(password, said)
        for variant in ("object", "empty"):
            every = speaking_http(place, variant, password, said["postgres"])
            cells |= {f"{variant}_{name}": cell for name, cell in every.items() if USUAL.get(name, "object") == variant}
        results = none_is_green(bench, place, cells, isolated=isolated)
    ours = {result.check for result in results.values()} | {"http", "hook"}  # those are below
    assert ours | WITHOUT_A_SERVER | OF_THEIR_OWN == set(plugins.CHECKS.names())


@pytest.mark.slow  # two minutes each
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", VARIANTS)
def test_none_is_green_at_one_that_says_yes_in_other_words(
    bench: Bench,
    place: Place,
    variant: str,
    isolated: bool,  # noqa: FBT001  a fixture
) -> None:
    with liar.postgres() as postgres:
        cells = speaking_http(place, variant, "of-" + bench.canary.core, postgres)
        none_is_green(bench, place, cells, isolated=isolated)


def none_is_green(bench: Bench, place: Place, cells: dict[str, Cell], *, isolated: bool) -> dict[str, CheckResult]:
    """Run the cells; each must fail, for what the server said, and show no secret."""
    aws = next(cell.connection for name, cell in cells.items() if name.endswith("s3"))
    others = {
        "other_aws": aws,
        "other_google": {"conn_type": "google_cloud_platform", "extra": {"project": "html", "is_anonymous": True}},
    }
    env = dict.fromkeys(("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"), place.google)
    results = bench.run(cells, others=others, env=env, isolated=isolated, timeout=30)  # type: ignore[arg-type]
    assert {name: result.status for name, result in results.items() if result.status != "failed"} == {}
    unproven = {
        name: result.cause for name, result in results.items() if result.cause in ("timeout", "provider_missing")
    }
    assert not unproven, "they failed for another reason than what was said"
    assert not bench.canary.found_in(bench.story.encode())
    return results


def test_http_says_what_it_has_not_proven(bench: Bench, place: Place, isolated: bool) -> None:  # noqa: FBT001  a fixture
    def at(variant: str, **more: Any) -> dict[str, Any]:
        host, port = place.urls[variant].removeprefix("http://").split(":")
        return {"conn_type": "http", "host": host, "port": int(port), "login": "etl", **more}

    password = {"password": bench.canary.value.encode("ascii", "ignore").decode()}
    check = {"http": {"path": "api"}}
    cells = {name: Cell(at(name, **password), check) for name in VARIANTS}
    cells |= {
        f"followed_{name}": Cell(at(name, **password), {"http": {"path": "api", "redirects": True}})
        for name in ("query", "moved")
    }
    cells |= {f"nobody_{name}": Cell(at(name, login=None), check) for name in ("html", "object", "query", "elsewhere")}
    cells |= {
        "status_200": Cell(at("query", **password), {"http": {"path": "api", "expect_status": 200}}),
        "hook": Cell(at("object", **password), "hook"),
    }
    results = bench.run(cells, isolated=isolated)
    green = {name: result for name, result in results.items() if result.status == "passed"}
    assert green.keys() == {"object", "empty", "list", "null", "shape", "nobody_object", "hook"}
    for name in ("object", "empty", "list", "null", "shape"):
        assert green[name].warnings == (base.UNASKED,)
        assert "an answer, and no more" in detail(green[name], "access")
    assert detail(green["nobody_object"], "authenticate") == "the connection sends no credential"
    assert "use the check `http`" in green["hook"].warnings[0]
    assert bench.report is not None
    assert "warnings: 6" in bench.report.summary
    sign_in = {name: result.cause for name, result in results.items() if name not in green}
    assert sign_in == {**dict.fromkeys(sign_in, "auth"), "elsewhere": "check_error", "nobody_elsewhere": "check_error"}
    assert not bench.canary.found_in(bench.story.encode())


def detail(result: CheckResult, step: str) -> str:
    return next(it.detail for it in result.steps if it.name == step)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("<html><body>Please sign in<br></body></html>", True),
        ("<title>Log in - Grafana</title>" + "<p>x</p>" * 500, True),
        ("<form><input type='password' name=p></form>" + "text " * 500, True),
        ("<meta http-equiv=refresh content='0; url=/sso/start'>" + "text " * 500, True),
        ("<script>window.location.href = '/oauth2/authorize'</script>" + "text " * 500, True),
        ("<title>Our shop</title><a href=/login>Log in</a>" + "text " * 500, False),
        ("<h1>It works!</h1>", False),
        ("<p>blogging insists on logs</p>", False),
    ],
)
def test_a_page_that_asks_to_sign_in(text: str, asks: bool) -> None:  # noqa: FBT001
    assert _http_answer._asks_to_sign_in(text) is asks


@pytest.mark.parametrize(
    ("value", "named", "says"),
    [
        ("", "projects/1/secrets/a-web/versions/1", "empty"),
        ("no connection", "projects/1/secrets/a-web/versions/1", "not a connection"),
        ("http://h", "", "not the secret a-web"),
        ("http://h", "projects/1/secrets/a-other/versions/1", "not the secret a-web"),
        (None, "projects/1/secrets/a-web/versions/1", "answers None"),
    ],
)
def test_a_secret_of_another_name_or_without_content(
    monkeypatch: pytest.MonkeyPatch, value: str | None, named: str, says: str
) -> None:
    """A mock: the stand-in for Secret Manager answers rightly, as gRPC's own types make it."""

    def deserialize(conn_id: str, value: str) -> None:
        if "://" not in value:
            raise ValueError(conn_id)

    backend = SimpleNamespace(
        connections_prefix="a",
        sep="-",
        project_id="p",
        build_path=lambda prefix, name, sep: f"{prefix}{sep}{name}",
        get_conn_value=lambda _: value,
        deserialize_connection=deserialize,
    )
    monkeypatch.setitem(
        __import__("sys").modules, "bootstrap.airflow.compat", SimpleNamespace(ask_secret_manager=lambda *_: named)
    )
    wanted = next(secret_manager._wanted("web", secret_manager.Params()))
    found = secret_manager._failure(backend, wanted)
    assert found is not None
    assert says in found.message


def test_what_a_login_proves_is_said() -> None:
    told: list[dict[str, Any]] = []
    run = Run("1", tell=lambda **entry: told.append(entry))
    assert base.login_proof(run, "unknown", "etl") == "etl; not known whether the server asked for the credential"
    assert not told
    assert base.login_proof(run, "unasked") == base.UNASKED
    assert told == [{"warning": "accepted without asking for the credential"}]
