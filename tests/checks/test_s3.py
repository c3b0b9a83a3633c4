from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.checks import _aws
from bootstrap.checks.base import PREFIX, Cause, CheckParams, Run, new_run_id
from tests.checks.aws import BUCKET, Aws, connection, running, unreachable
from tests.checks.bench import Bench, Cell, passed_steps
from tests.systems.in_process import Answer, Request, http_server, serving

pytestmark = pytest.mark.airflow

CHECK = {"s3": {"bucket": BUCKET, "prefix": "a/"}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("moto")) as started:
        yield started


class WithoutSts:
    """A store that speaks S3 and no STS: it knows one object at a time, and one key."""

    def __init__(self) -> None:
        self.content = b""

    def answer(self, request: Request) -> Answer:
        if request.method == "POST":
            return self._refused("SignatureDoesNotMatch")  # of a request for another service than its own
        if "GOOD" not in request.headers.get("Authorization", ""):
            return self._refused("SignatureDoesNotMatch")
        if request.method == "PUT":
            self.content = f"written by {request.path.rpartition('/')[2]}\n".encode()
        return Answer(200, self.content if request.method == "GET" else b"", [("Content-Type", "text/plain")])

    @staticmethod
    def _refused(code: str) -> Answer:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>signature</Message></Error>"
        return Answer(403, body.encode(), [("Content-Type", "application/xml")])


def of_another_region(request: Request) -> Answer:
    """S3 where the bucket isn't; of a HEAD only the header tells where it is (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    if request.method == "POST":
        return WithoutSts._refused("SignatureDoesNotMatch")
    body = b"<?xml version='1.0'?><Error><Code>PermanentRedirect</Code><Message>Use its endpoint.</Message></Error>"
    told = [("Content-Type", "application/xml"), ("x-amz-bucket-region", "eu-west-1")]
    return Answer(301, b"" if request.method == "HEAD" else body, told)


@contextmanager
def answering(answer: Callable[[Request], Answer]) -> Iterator[str]:
    with serving(http_server(answer)) as port:
        yield f"http://127.0.0.1:{port}"


def test_s3(bench: Bench, aws: Aws, isolated: bool, tmp_path: Path) -> None:  # noqa: FBT001  a fixture
    good, canary = aws.connection("good"), bench.canary.value
    only_reads = aws.connection("only_reads", "s3:PutObject", "s3:DeleteObject", "s3:GetObject")
    readable = {"s3": {"bucket": BUCKET, "read_only": True}}
    with (
        unreachable(good, CHECK, tmp_path, canary) as others,
        answering(WithoutSts().answer) as store,
        answering(of_another_region) as other,
    ):
        results = bench.hold(
            {
                "writes": Cell(good, CHECK),
                "lists": Cell(only_reads, readable),
                "no_sts": Cell(connection(store, "GOOD", canary), CHECK),
                "no_sts_wrong_key": Cell(
                    connection(store, "BAD", canary), CHECK, "authenticate", "auth", says="SignatureDoesNotMatch"
                ),
                "elsewhere": Cell(
                    connection(other, "GOOD", canary),
                    readable,
                    "access",
                    "check_error",
                    says="PermanentRedirect: Use its endpoint. (asked in region us-east-1)",
                    hint="region_name in the connection's extra, and endpoint_url if it names one: the bucket is in eu-west-1",
                ),
                "wrong_secret": Cell(
                    {**good, "password": canary}, CHECK, "authenticate", "auth", says="Signature", hint="store put"
                ),
                "unknown_key": Cell(
                    {**good, "login": "AKIANOBODY"}, CHECK, "authenticate", "auth", says="InvalidClientTokenId"
                ),
                "no_bucket": Cell(good, {"s3": {"bucket": "nope"}}, "access", "not_found", says="nope"),
                "no_bucket_listing": Cell(
                    good, {"s3": {"bucket": "nope", "read_only": True}}, "access", "not_found", says="nope"
                ),
                "denied_writing": Cell(
                    aws.connection("denied_writing", "s3:PutObject"), CHECK, "write", "permission", hint="s3:PutObject"
                ),
                "denied_reading": Cell(
                    aws.connection("denied_reading", "s3:GetObject"), CHECK, "write", "permission", hint="s3:GetObject"
                ),
                "denied_listing": Cell(
                    aws.connection("denied_listing", "s3:ListBucket"),
                    readable,
                    "access",
                    "permission",
                    hint="s3:ListBucket",
                ),
                "denied_deleting": Cell(
                    aws.connection("denied_deleting", "s3:DeleteObject"), CHECK, "clean", "permission", hint="Delete"
                ),
                **others,
            },
            keep=("writes", "no_sts", "denied_deleting"),
            isolated=isolated,
            timeout=25 if isolated else 10,
        )
    assert passed_steps(results["writes"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert "arn:aws:iam::123456789012:user/good" in results["writes"].steps[2].detail
    assert "STS" in results["no_sts"].steps[2].detail
    assert "took it" in results["no_sts"].steps[2].detail
    assert PREFIX in results["denied_deleting"].warnings[0]
    left = aws.keys()
    assert len(left) == 1, left  # that of whom deleting is denied
    aws.server.client("s3").delete_object(Bucket=BUCKET, Key=left[0])


def test_a_failure_in_the_middle_leaves_nothing(bench: Bench, aws: Aws) -> None:
    denied = aws.connection("denied_middle", "s3:GetObject")
    results = bench.run({"middle": Cell(denied, CHECK)})
    assert results["middle"].cause == "permission"
    assert passed_steps(results["middle"])[-1] == "clean"
    assert aws.keys() == []


class Slow:
    """A front of the server that takes what is written, and answers nobody who reads it back until the run is `over`."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.over = threading.Event()

    def answer(self, request: Request) -> Answer:
        import http.client
        from urllib.parse import urlsplit

        if request.method in ("GET", "HEAD") and PREFIX in request.path:
            self.over.wait(60)
        link = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        link.request(request.method, request.target, request.body, dict(request.headers.items()))
        reply = link.getresponse()
        answer = Answer(reply.status, reply.read(), [("Content-Type", reply.getheader("Content-Type") or "text/xml")])
        link.close()
        return answer


def test_a_killed_check_leaves_nothing(bench: Bench, aws: Aws) -> None:
    front = Slow(aws.server.url)
    server = http_server(front.answer)
    with serving(server):
        slow = aws.connection("slow", endpoint_url=f"http://127.0.0.1:{server.port}")
        results = bench.run({"slow": Cell(slow, CHECK)}, timeout=10)
        front.over.set()
    assert results["slow"].cause == "timeout", results
    assert passed_steps(results["slow"])[-1] == "clean"
    assert aws.keys() == []


def test_leftovers_of_earlier_runs_are_swept(bench: Bench, aws: Aws) -> None:
    old = (datetime.now(timezone.utc) - timedelta(days=2)).strftime("%Y%m%d%H%M%S")
    left, young = f"a/{PREFIX}-{old}-abcdef-0", f"a/{PREFIX}-{new_run_id()}-0"
    others = [young, f"a/not-{PREFIX}-{old}-abcdef-0", "a/report.csv", f"{PREFIX}-{old}-abcdef-0"]
    for key in (left, *others):
        aws.server.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    results = bench.run({"sweeps": Cell(aws.connection("sweeps"), CHECK)})
    assert "1 left by earlier runs" in results["sweeps"].steps[-1].detail
    assert aws.keys() == sorted(others)
    _delete(aws, others)


def _delete(aws: Aws, keys: list[str]) -> None:
    for key in keys:
        aws.server.client("s3").delete_object(Bucket=BUCKET, Key=key)


class Conn:
    def __init__(self, **extra: Any) -> None:
        self.extra_dejson = extra


@pytest.mark.parametrize(
    ("service", "extra", "environment", "address"),
    [
        ("s3", {"endpoint_url": "http://h:1"}, {}, "h:1"),
        ("s3", {"endpoint_url": "http://h:1", "service_config": {"s3": {"endpoint_url": "http://own"}}}, {}, "own:80"),
        ("s3", {"endpoint_url": "http://h:1", "service_config": {"s3": None}}, {}, "h:1"),
        ("sts", {"region_name": "eu-west-1"}, {}, "sts.eu-west-1.amazonaws.com:443"),
        ("sts", {}, {"AWS_DEFAULT_REGION": "eu-west-1"}, "sts.eu-west-1.amazonaws.com:443"),
        ("sts", {}, {"AWS_REGION": "eu-west-1"}, "sts.amazonaws.com:443"),  # botocore doesn't read it
        ("sts", {"region_name": "cn-north-1"}, {}, "sts.cn-north-1.amazonaws.com.cn:443"),
        ("sagemaker", {"region_name": "eu-west-1"}, {}, "api.sagemaker.eu-west-1.amazonaws.com:443"),
        ("s3", {}, {}, "s3.amazonaws.com:443"),
        ("s3", {}, {"AWS_ENDPOINT_URL": "http://every:2"}, "every:2"),
        ("s3", {}, {"AWS_ENDPOINT_URL": "http://every:2", "AWS_ENDPOINT_URL_S3": "http://s3:3"}, "s3:3"),
        ("lambda", {}, {}, None),
    ],
)
def test_reach_tries_where_the_hook_connects_to(
    monkeypatch: pytest.MonkeyPatch, service: str, extra: Any, environment: dict[str, str], address: str | None
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = _aws.service_endpoint(Conn(**extra), service)
    assert (f"{found.host}:{found.port}" if found else None) == address


def client_error(code: str, message: str, operation: str = "PutObject", **more: str) -> Exception:
    from botocore.exceptions import ClientError

    made: Exception = ClientError({"Error": {"Code": code, "Message": message, **more}}, operation)
    return made


@pytest.mark.parametrize(
    ("error", "name", "says", "hint"),
    [
        (client_error("InvalidAccessKeyId", "The key does not exist"), "auth", "InvalidAccessKeyId", ""),
        (client_error("ExpiredToken", "The token has expired"), "auth", "ExpiredToken", ""),
        (client_error("RequestTimeTooSkewed", "The difference…"), "auth", "RequestTime", "clock"),
        (client_error("SlowDown", "Please reduce your request rate."), "check_error", "SlowDown", "limits the rate"),
        (client_error("AccessDenied", "Access Denied"), "permission", "AccessDenied", "s3:PutObject"),
        (client_error("AccessDenied", "Access Denied", "UploadPart"), "permission", "", "s3:PutObject"),
        (client_error("403", "Forbidden", "HeadObject"), "permission", "HeadObject", "s3:GetObject"),
        (client_error("404", "Not Found", "HeadBucket"), "not_found", "HeadBucket", ""),
        (client_error("NoSuchBucket", "none", BucketName="data"), "not_found", "data", ""),
        (client_error("ValidationException", 'Could not find endpoint "e".'), "not_found", '"e"', ""),
        (client_error("PermanentRedirect", "elsewhere"), "check_error", "Permanent", "region_name"),
        (
            client_error("AuthorizationHeaderMalformed", "expecting 'eu-west-1'", Region="eu-west-1"),
            "check_error",
            "expecting",
            "the bucket is in eu-west-1",
        ),
        (
            client_error("SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'x'."),
            "check_error",
            "scoped",
            "correct region_name",
        ),
        (client_error("400", "Bad Request", "HeadObject"), "check_error", "Bad Request", ""),
        (
            client_error(
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/u is not authorized to perform: lambda:ListFunctions on resource: *",
                "ListFunctions20150331",
            ),
            "permission",
            "arn:aws:iam::1:user/u",
            "grant lambda:ListFunctions to",
        ),
    ],
)
def test_what_aws_says_has_its_cause(error: Exception, name: str, says: str, hint: str) -> None:
    found = _aws.cause(error)
    assert found is not None
    assert found.name == name
    assert says in found.message
    assert hint in found.hint


def test_whoever_redirects_everywhere_is_not_s3() -> None:
    """botocore asks such a server for the bucket's region, without end."""
    import boto3
    from botocore.config import Config

    def redirect(_: Request) -> Answer:
        return Answer(302, b"", [("Location", "/login")])

    config = Config(proxies={}, retries={"total_max_attempts": 1})
    with answering(redirect) as url, pytest.raises(RecursionError) as failed:
        boto3.client("s3", "eu-west-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", config=config).list_objects_v2(Bucket="smoke")  # fmt: skip
    found = _aws.cause(failed.value)
    assert found is not None
    assert "it is not S3" in found.message
    assert "endpoint_url" in found.hint
    assert _aws.cause(RecursionError("of somebody else")) is None


def place(monkeypatch: pytest.MonkeyPatch, found: Cause, **extra: Any) -> tuple[str, str]:
    """The region that is told of a failure, and what to do about it."""
    import bootstrap.airflow.compat

    hook = SimpleNamespace(get_connection=lambda _: Conn(**extra))
    monkeypatch.setattr(bootstrap.airflow.compat, "BaseHook", hook)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    told = _aws.place("any", CheckParams(), Run("1"), found)
    return (told.name, told.correct) if told else ("", "")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Cause("not_found", "Requested resource not found."), "correct region_name"),
        (Cause("permission", "AccessDeniedException: no"), "correct region_name"),
        (Cause("dns", "no address for host lambda.eu-nowhere-1.amazonaws.com"), "correct region_name"),
        (Cause("dns", "no address for host vpce.internal"), None),
        (Cause("auth", "UnrecognizedClientException: invalid"), "not enabled"),
        (Cause("auth", "SignatureDoesNotMatch: wrong"), None),
        (Cause("connection_refused", "h:1 refuses connections"), None),
        (Cause("check_error", "Permanent", "correct region_name in the connection's extra, and"), ""),
    ],
)
def test_the_region_is_told_where_it_may_be_the_reason(
    monkeypatch: pytest.MonkeyPatch, found: Cause, told: str | None
) -> None:
    region, correct = place(monkeypatch, found, region_name="eu-west-1")
    assert (region == "eu-west-1") is (told is not None)
    assert (told or "") in correct
    assert bool(told) == bool(correct)
    assert place(monkeypatch, found)[0] == ("eu-north-1" if told is not None else "")


def test_what_botocore_could_not_do_has_its_cause() -> None:
    from botocore import exceptions

    def of(error: Exception) -> str:
        found = _aws.cause(error)
        return found.name if found else ""

    def unconnected(why: str) -> Exception:
        made: Exception = exceptions.EndpointConnectionError(endpoint_url="http://h", error=why)
        return made

    assert of(unconnected("[Errno 111] Connection refused")) == "connection_refused"
    assert of(unconnected("Failed to resolve 'h' ([Errno -2] Name or service not known)")) == "dns"
    assert of(unconnected("[Errno 113] No route to host")) == "unreachable"
    assert of(exceptions.SSLError(endpoint_url="https://h", error="x")) == "tls"
    assert of(exceptions.ConnectTimeoutError(endpoint_url="http://h", error="x")) == "timeout"
    assert of(exceptions.ReadTimeoutError(endpoint_url="http://h", error="x")) == "timeout"
    assert of(exceptions.ConnectionClosedError(endpoint_url="http://h", error="x")) == "unreachable"
    assert of(exceptions.NoCredentialsError()) == "auth"
    assert of(exceptions.NoRegionError()) == "check_error"
    assert of(exceptions.InvalidRegionError(region_name="-")) == "check_error"
    assert of(ValueError("x")) == ""
