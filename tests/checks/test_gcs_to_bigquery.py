from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bootstrap.checks import bigquery, gcs_to_bigquery
from bootstrap.checks.base import Run
from tests.checks import google_bench
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.checks.google_bench import BUCKET, DATASET, FRESH, OLD, Google
from tests.systems import faulty
from tests.systems.in_process import json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.airflow
CHECK = {"gcs_to_bigquery": {"bucket": BUCKET, "dataset": DATASET, "prefix": "smoke/"}}


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Google]:
    with google_bench.running(tmp_path_factory.mktemp("google"), bench, with_bigquery=True) as running:
        yield running


def denied(google: Google, permission: str, step: str) -> Cell:
    return Cell(
        google.denied(permission), CHECK, step, "permission", says=permission, hint=f"grant {permission} to the service"
    )


def cells(google: Google) -> dict[str, Cell]:
    good = google.account()
    return {
        "loads": Cell(good, CHECK),
        "loads_in": Cell(good, {"gcs_to_bigquery": {"bucket": BUCKET, "dataset": DATASET, "location": "US"}}),
        "no_bucket": Cell(
            good, {"gcs_to_bigquery": {"bucket": "nope", "dataset": DATASET}}, "access", "not_found", says="Not Found"
        ),
        "no_dataset": Cell(
            google.refused("no-dataset", "bigquery.tables.create", google_bench.no_dataset()),
            {"gcs_to_bigquery": {"bucket": BUCKET, "dataset": "nope"}},
            "access",
            "not_found",
            says="Dataset proj:nope was not found in location US",
            hint="`location`",
        ),
        "denied_upload": denied(google, "storage.objects.create", "access"),
        "denied_object": denied(google, "storage.objects.get", "write"),
        "denied_job": denied(google, "bigquery.jobs.create", "write"),
        "denied_create": denied(google, "bigquery.tables.create", "write"),
        "denied_read": denied(google, "bigquery.tables.getData", "write"),
        "empty": Cell(
            google.refused("empty", "bigquery.tables.getData", json_answer(200, {"totalRows": "0"})),
            CHECK,
            "write",
            "check_error",
            says="should hold 3 rows; it holds 0",
        ),
        "denied_delete": denied(google, "storage.objects.delete", "clean"),
        "denied_drop": denied(google, "bigquery.tables.delete", "clean"),
        **google_bench.keys(google, CHECK),
        **secrets(good, CHECK),
    }


def test_gcs_to_bigquery(google: Google, isolated: bool) -> None:  # noqa: FBT001  a fixture
    before = {*google.objects, *google.tables}
    results = google.hold(cells(google), keep=("loads", "denied_delete", "denied_drop"), isolated=isolated)
    assert passed_steps(results["loads"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert results["loads"].measured == {"route": "service to service"}
    left = {*google.objects, *google.tables} - before
    object_left, table_left = (google_bench.said_left(results[name]) for name in ("denied_delete", "denied_drop"))
    assert left == {f"smoke/{object_left}.csv", table_left.replace("-", "_")}


@pytest.mark.parametrize(
    "permission", ["bigquery.tables.get", pytest.param("storage.objects.create", marks=pytest.mark.slow)]
)
def test_one_killed_at_its_deadline_leaves_nothing(google: Google, permission: str) -> None:
    before = google.objects, google.tables
    step = "write" if "tables" in permission else "access"
    results = google.hold(
        {"hangs": Cell(google.hanging(permission), CHECK, step, "timeout")}, timeout=google_bench.DEADLINE
    )
    assert passed_steps(results["hangs"])[-1] == "clean", google.bench.story
    removed = [call.path for call in google.front.requests if call.method == "DELETE" and "hangs" in call.email]
    assert [any(kind in path for path in removed) for kind in ("/o/", "/tables/")] == [True, True]
    assert (google.objects, google.tables) == before


def test_a_storage_that_refuses_connections_is_named(google: Google) -> None:
    with faulty.refused() as (host, port):
        closed = {**google.env, "STORAGE_EMULATOR_HOST": f"http://{host}:{port}"}
        cell = Cell(google.account(), CHECK, "access", "connection_refused", says=f"{host}:{port}")
        google.hold({"loads": cell}, env=closed, timeout=8)


def test_what_earlier_runs_left_is_swept(google: Google) -> None:
    tables, objects = {*google.tables}, {*google.objects}
    for name in (OLD, FRESH):
        google.put(f"sweep/{name}.csv")
        google.make_table(name.replace("-", "_"))
    google.make_table(f"mine_{OLD}".replace("-", "_"))
    sweeping = {"gcs_to_bigquery": {"bucket": BUCKET, "dataset": DATASET, "prefix": "sweep/"}}
    results = google.hold({"sweeps": Cell(google.account(), sweeping)})
    assert results["sweeps"].steps[-1].detail == "and 2 left by earlier runs"
    assert {*google.objects} - objects == {f"sweep/{FRESH}.csv"}
    assert {*google.tables} - tables == {name.replace("-", "_") for name in (FRESH, f"mine_{OLD}")}


def test_other_values_in_the_table_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault of a server gives these, so `rows_of` is ours."""
    run = Run("20261123214700-ab12cd-0")
    params = gcs_to_bigquery.Params(bucket=BUCKET, dataset=DATASET)
    rows: list[tuple[Any, ...]] = sorted(gcs_to_bigquery._ROWS)
    for wrong in (rows[:2], [*rows, rows[0]], [("123", *rows[0][1:]), *rows[1:]]):
        monkeypatch.setattr(bigquery, "rows_of", lambda *_, wrong=wrong: wrong)
        with pytest.raises(RuntimeError, match="the table"):
            gcs_to_bigquery.verify("google", params, run, None)
