from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.checks import google_bench
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.checks.google_bench import DATASET, FRESH, OLD, Google, refusal
from tests.systems.in_process import json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap.smoke.verdict import CheckResult

pytestmark = pytest.mark.airflow
WRITE = {"bigquery": {"dataset": DATASET}}
READ = {"bigquery": {"dataset": DATASET, "read_only": True}}
QUERY = "bigquery"


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Google]:
    with google_bench.running(tmp_path_factory.mktemp("google"), bench, with_bigquery=True) as running:
        yield running


def denied(google: Google, permission: str, check: Any, step: str) -> Cell:
    return Cell(
        google.denied(permission), check, step, "permission", says=permission, hint=f"grant {permission} to the service"
    )


def cells(google: Google) -> dict[str, Cell]:
    good = google.account()
    disabled = refusal(
        403,
        "accessNotConfigured",
        "BigQuery API has not been used in project 123 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/bigquery.googleapis.com/overview?project=123 then retry.",
    )
    exceeded = refusal(403, "quotaExceeded", "Quota exceeded: Your project exceeded quota for concurrent queries.")
    return {
        "writes": Cell(good, WRITE),
        "reads": Cell(google.denied("bigquery.tables.create"), READ),
        "queries": Cell(google.denied("bigquery.tables.create", "bigquery.datasets.get"), QUERY),
        "queries_in": Cell(good, {"bigquery": {"location": "US"}}),
        "no_dataset": Cell(
            google.refused("no-dataset", "bigquery.tables.create", google_bench.no_dataset()),
            {"bigquery": {"dataset": "nope"}},
            "access",
            "not_found",
            says="Dataset proj:nope was not found in location US",
            hint="`location`",
        ),
        "reads_no_dataset": Cell(
            good, {"bigquery": {"dataset": "nope", "read_only": True}}, "access", "not_found", says="nope"
        ),
        "elsewhere": Cell(
            {**good, "extra": {**good["extra"], "project": "other"}},
            READ,
            "access",
            "not_found",
            says="other",
            hint="or correct `project` in the connection's extra",
        ),
        "named_project": Cell(
            {**good, "extra": {**good["extra"], "project": "other"}},
            {"bigquery": {"dataset": DATASET, "project": "proj", "read_only": True}},
        ),
        "writes_to_named_project": Cell(good, {"bigquery": {"dataset": DATASET, "project": "proj"}}),
        "named_project_without_it": Cell(
            good,
            {"bigquery": {"dataset": DATASET, "project": "other", "read_only": True}},
            "access",
            "not_found",
            says="other",
            hint="`project` of the check",
        ),
        "key_of_another_project": Cell(
            {**good, "extra": {"keyfile_dict": json.dumps({**google.key(), "project_id": "other"})}},
            READ,
            "access",
            "not_found",
            says="other",
            hint="without it, the key's own is asked",
        ),
        "denied_query": denied(google, "bigquery.jobs.create", QUERY, "access"),
        "denied_job": denied(google, "bigquery.jobs.create", WRITE, "write"),
        "denied_create": denied(google, "bigquery.tables.create", WRITE, "write"),
        "denied_read": denied(google, "bigquery.tables.getData", WRITE, "write"),
        "empty": Cell(
            google.refused("empty", "bigquery.tables.getData", json_answer(200, {"totalRows": "0"})),
            WRITE,
            "write",
            "check_error",
            says="should have given [(1,), (2,), (3,)]; it gave []",
        ),
        "denied_delete": denied(google, "bigquery.tables.delete", WRITE, "clean"),
        "denied_get": denied(google, "bigquery.datasets.get", READ, "access"),
        "disabled": Cell(
            google.refused("disabled", "bigquery.jobs.create", disabled),
            QUERY,
            "access",
            "permission",
            says="has not been used in project 123",
            hint="gcloud services enable bigquery.googleapis.com --project 123",
        ),
        "used_up": Cell(
            google.refused("used-up", "bigquery.jobs.create", exceeded),
            QUERY,
            "access",
            "check_error",
            says="Quota exceeded",
            hint="higher quota",
        ),
        **google_bench.keys(google, QUERY),
        **secrets(good, QUERY),
    }


def test_bigquery(google: Google, isolated: bool) -> None:  # noqa: FBT001  a fixture
    before = google.tables
    results = google.hold(cells(google), keep=("writes", "reads", "queries", "denied_delete"), isolated=isolated)
    assert passed_steps(results["writes"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert passed_steps(results["reads"]) == passed_steps(results["queries"]) == passed_steps(results["writes"])[:4]
    left = [name for name in google.tables if name not in before]
    assert [google_bench.said_left(results["denied_delete"]).replace("-", "_")] == left, left


@pytest.mark.parametrize("kind", ["refused", pytest.param("silent", marks=pytest.mark.slow)])
def test_an_address_that_is_no_warehouse(google: Google, kind: str) -> None:
    step, cause, says = {
        "refused": ("reach", "connection_refused", "127.0.0.1"),
        "silent": ("write", "timeout", ""),
    }[kind]
    with google_bench.wrong_address(kind, "BIGQUERY_EMULATOR_HOST") as env:
        cell = Cell(google.account(), WRITE, step, cause, says=says)
        google.hold({"writes": cell}, env=env, timeout=google_bench.DEADLINE)


@pytest.fixture(scope="module")
def killed(google: Google) -> dict[str, CheckResult]:
    """Two that come to their deadline, while they wait at the same time."""
    before = google.tables
    answer = refusal(403, "rateLimitExceeded", "Exceeded rate limits: too many concurrent queries.")
    cells = {
        "limited": Cell(google.refused("limited", "bigquery.jobs.create", answer), QUERY, "access", "timeout"),
        "hangs": Cell(google.hanging("bigquery.tables.get"), WRITE, "write", "timeout"),
    }
    results = google.hold(cells, timeout=google_bench.DEADLINE)
    assert google.tables == before
    return results


def test_a_rate_limit_is_named_at_the_deadline(killed: dict[str, CheckResult]) -> None:
    assert "Exceeded rate limits" in killed["limited"].warnings[0]


def test_a_check_killed_at_its_deadline_leaves_no_table(google: Google, killed: dict[str, CheckResult]) -> None:
    assert passed_steps(killed["hangs"])[-1] == "clean", killed["hangs"]
    assert any(call.method == "DELETE" and "hangs" in call.email for call in google.front.requests)


def test_what_earlier_runs_left_is_swept(google: Google) -> None:
    before = {name for name in google.tables if name.startswith("airflow")}
    kept = {name.replace("-", "_") for name in (FRESH, f"mine_{OLD}")}
    for name in (*kept, OLD.replace("-", "_")):
        google.make_table(name)
    results = google.hold({"sweeps": Cell(google.account(), WRITE)})
    assert results["sweeps"].steps[-1].detail == "and 1 left by earlier runs"
    assert {*google.tables} - before == kept
