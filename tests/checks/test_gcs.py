from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from bootstrap.checks import _google
from tests.checks import google_bench
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.checks.google_bench import BUCKET, FRESH, OLD, Google, refusal
from tests.systems import liar
from tests.systems.in_process import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootstrap.smoke.verdict import CheckResult

pytestmark = pytest.mark.airflow
CHECK = {"gcs": {"bucket": BUCKET}}
READ = {"gcs": {"bucket": BUCKET, "read_only": True}}


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Google]:
    with google_bench.running(tmp_path_factory.mktemp("google"), bench) as running:
        yield running


def without(google: Google, permission: str, check: Any, step: str) -> Cell:
    return Cell(
        google.denied(permission), check, step, "permission", says=permission, hint=f"grant {permission} to the service"
    )


def cells(google: Google) -> dict[str, Cell]:
    good = google.account()
    disabled = refusal(
        403,
        "accessNotConfigured",
        "Cloud Storage API has not been used in project 123 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/storage.googleapis.com/overview?project=123 then retry.",
    )
    return {
        "writes": Cell(good, CHECK),
        "writes_below": Cell(good, {"gcs": {"bucket": BUCKET, "prefix": "smoke/"}}),
        "lists": Cell(google.denied("storage.objects.create", "storage.objects.get"), READ),
        "no_bucket": Cell(good, {"gcs": {"bucket": "nope"}}, "access", "not_found", hint="create the resource"),
        "lists_no_bucket": Cell(good, {"gcs": {"bucket": "nope", "read_only": True}}, "access", "not_found"),
        "denied_create": without(google, "storage.objects.create", CHECK, "write"),
        "denied_get": without(google, "storage.objects.get", CHECK, "write"),
        "denied_delete": without(google, "storage.objects.delete", CHECK, "clean"),
        "denied_list": without(google, "storage.objects.list", READ, "access"),
        "changed": Cell(
            google.refused("changed", "storage.objects.get", Answer(200, b"other")),
            CHECK,
            "write",
            "check_error",
            says="reads back different",
        ),
        "disabled": Cell(
            google.refused("disabled", "storage.objects.create", disabled),
            CHECK,
            "write",
            "permission",
            says="has not been used in project 123",
            hint="gcloud services enable storage.googleapis.com --project 123",
        ),
        "anonymous": Cell(
            {"conn_type": "google_cloud_platform", "extra": {"project": "proj", "is_anonymous": True}},
            CHECK,
            "write",  # anonymous is a login that nobody refuses
            "auth",
            hint="keyfile_dict",
        ),
        **google_bench.keys(google, CHECK),
        **secrets(good, CHECK),
    }


def test_gcs(google: Google, isolated: bool) -> None:  # noqa: FBT001  a fixture
    before = google.objects
    with google_bench.bad_token_uris(google, CHECK) as tokens:
        results = google.hold({**cells(google), **tokens}, keep=("writes", "lists", "denied_delete"), isolated=isolated)
    assert passed_steps(results["writes"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert passed_steps(results["lists"]) == ["resolve", "reach", "authenticate", "access"]
    left = [name for name in google.objects if name not in before]
    assert [google_bench.said_left(results["denied_delete"])] == left, left


@pytest.mark.parametrize(
    "kind",
    [
        "refused",
        "self_signed",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("silent", "dns", "expired", "no_tls")),
    ],
)
def test_an_address_that_is_no_storage(google: Google, kind: str) -> None:
    step, cause, says = {
        "refused": ("reach", "connection_refused", "127.0.0.1"),
        "dns": ("reach", "dns", "no-such-host.invalid"),
        "self_signed": ("reach", "tls", "self-signed"),
        "expired": ("reach", "tls", "expired"),
        "no_tls": ("reach", "tls", ""),
        "silent": ("write", "timeout", ""),
    }[kind]
    with google_bench.wrong_address(kind, "STORAGE_EMULATOR_HOST") as env:
        cell = Cell(google.account(), CHECK, step, cause, says=says)
        google.hold({"writes": cell}, env=env, timeout=google_bench.DEADLINE)


@pytest.fixture(scope="module")
def killed(google: Google) -> dict[str, CheckResult]:
    """Two that come to their deadline, while they wait at the same time."""
    before = google.objects
    answer = refusal(429, "rateLimitExceeded", "The rate limit for this bucket is used up.")
    cells = {
        "limited": Cell(google.refused("limited", "storage.objects.list", answer), READ, "access", "timeout"),
        "hangs": Cell(google.hanging("storage.objects.get"), CHECK, "write", "timeout"),
    }
    results = google.hold(cells, timeout=google_bench.DEADLINE)
    assert google.objects == before
    return results


def test_a_quota_that_is_used_up_is_named_at_the_deadline(killed: dict[str, CheckResult]) -> None:
    assert "The rate limit for this bucket is used up." in killed["limited"].warnings[0]


def test_a_check_killed_at_its_deadline_leaves_no_object(google: Google, killed: dict[str, CheckResult]) -> None:
    assert passed_steps(killed["hangs"])[-1] == "clean", killed["hangs"]
    assert any(call.method == "POST" and "hangs" in call.email for call in google.front.requests)


def test_what_earlier_runs_left_is_swept(google: Google) -> None:
    google.put(f"sweep/{OLD}")
    google.put(f"sweep/{FRESH}")
    google.put(f"sweep/mine-{OLD}")
    sweeping = {"gcs": {"bucket": BUCKET, "prefix": "sweep/"}}
    results = google.hold({"sweeps": Cell(google.account(), sweeping)})
    assert results["sweeps"].steps[-1].detail == "and 1 left by earlier runs"
    assert [name for name in google.objects if "sweep/" in name] == [f"sweep/{FRESH}", f"sweep/mine-{OLD}"]


GOOGLE_SAYS = """{
  "error": {
    "code": 404,
    "message": "The specified bucket does not exist.",
    "errors": [{"message": "The specified bucket does not exist.", "domain": "global", "reason": "notFound"}]
  }
}
"""


@pytest.mark.parametrize(
    ("code", "said", "expected", "hint"),
    [
        (404, f"POST https://storage.googleapis.com/upload?x: {GOOGLE_SAYS}: ('Request failed', 404)", "not_found", ""),
        (
            403,
            "GET https://x/y: Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: a1",
            "permission",
            "VPC Service Controls",
        ),
        (
            403,
            "POST https://x/y: The billing account for the owning project is disabled in state absent",
            "permission",
            "enable billing",
        ),
        (
            400,
            "Cannot read and write in different locations: source: EU, destination: US",
            "check_error",
            "one location",
        ),
        (
            403,
            "The storage.googleapis.com API requires a quota project, which is not set by default.",
            "permission",
            "",
        ),
        (429, "Quota exceeded for quota metric 'Queries'", "check_error", "higher quota"),
        (503, "Service unavailable", "check_error", ""),
    ],
)
def test_what_google_says_has_a_cause(code: int, said: str, expected: str, hint: str) -> None:
    """Google's own words (cloud.google.com/storage/docs/json_api/v1/status-codes, .../bigquery/docs/error-messages):
    no server here says them."""
    from google.api_core.exceptions import from_http_status

    error: Exception = from_http_status(code, said)  # type: ignore[no-untyped-call]
    found = _google.cause(error)
    assert found is not None
    assert found.name == expected
    assert hint in found.hint
    assert bool(hint) == bool(found.hint)
    assert "https://" not in found.message
    assert "{" not in found.message


def test_what_google_never_says_is_no_fault_of_its_libraries() -> None:
    auth: Any = import_module("google.auth.credentials")
    storage: Any = import_module("google.cloud.storage")
    with liar.speaking_http("list") as url:
        to = {"client_options": {"api_endpoint": url}, "credentials": auth.AnonymousCredentials()}
        pages = storage.Client(project="p", **to).list_blobs("b")
        with pytest.raises(AttributeError) as failed:
            list(pages)
    found = _google.cause(failed.value)
    assert found is not None
    assert "not a service of Google's" in found.message
    assert _google.cause(AttributeError("of somebody else")) is None


def test_the_fallback_shows_no_access_token(google: Google) -> None:
    """The hook's test_connection sends its token in a URL, which is in the message of whatever goes wrong."""
    results = google.hold({"tested": Cell(google.account(), "hook", "authenticate", "dns")})
    assert "tokeninfo?access_token=*** " in results["tested"].message
