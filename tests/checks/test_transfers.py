from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from bootstrap.checks import _transfer, _usage, gcs_to_s3, sql_to_gcs
from bootstrap.checks.base import PREFIX, Run, new_run_id
from bootstrap.smoke.verdict import CheckResult
from tests.checks import aws as aws_server
from tests.checks.bench import Bench, Cell, passed_steps, secrets
from tests.systems import faulty, gcs, google_front, mariadb, postgres
from tests.systems.in_process import Answer, Request, http_server, serving

pytestmark = pytest.mark.airflow

SMALL = 3_000_001  # of no round number of pieces
LARGE = 20_000_000
SIZE = "3MB"
FIGURES = {
    "route",
    "bytes",
    "seconds",
    "bytes_per_second",
    "temporary_disk_bytes",
    "peak_memory_bytes",
    "peak_memory_per_byte",
}


@dataclass(frozen=True)
class Systems:
    """Both clouds and a database, and connections to them for logins that may and may not."""

    aws: aws_server.Aws
    gcs: gcs.Gcs
    front: google_front.Front
    warehouse: Mapping[str, Any]

    def google(self, name: str, *denied: str) -> dict[str, Any]:
        email = f"{name.replace('_', '-')}@proj.iam.gserviceaccount.com"
        key = self.front.service_account(email)
        for permission in denied:
            self.front.deny(email, permission)
        return google_connection(key)

    @property
    def left(self) -> list[str]:
        return [*self.gcs.objects("lake"), *self.aws.keys()]

    @property
    def env(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.front.gcs_url, "AWS_EC2_METADATA_DISABLED": "true"}


def google_connection(key: Mapping[str, str]) -> dict[str, Any]:
    return {"conn_type": "google_cloud_platform", "extra": {"project": "proj", "keyfile_dict": json.dumps(key)}}


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Iterator[Systems]:
    folder = tmp_path_factory.mktemp("transfers")
    with ExitStack() as stack:
        aws = stack.enter_context(aws_server.running(folder / "moto"))
        storage = stack.enter_context(gcs.running(folder / "gcs"))
        front = stack.enter_context(google_front.running(gcs_url=storage.url))
        database = stack.enter_context(postgres.running(folder / "postgres"))
        storage.make_bucket("lake")
        database.ensure_login("etl", bench.canary.value, "analytics")
        warehouse = {
            "conn_type": "postgres",
            "host": database.host,
            "port": database.port,
            "schema": "analytics",
            "login": "etl",
            "password": bench.canary.value,
        }
        yield Systems(aws, storage, front, warehouse)


def to_s3(connection: str = "s3", bucket: str = aws_server.BUCKET, **more: Any) -> dict[str, Any]:
    return {"connection": connection, "bucket": bucket, "prefix": "in", **more}


def to_gcs(connection: str = "google", bucket: str = "lake", **more: Any) -> dict[str, Any]:
    return {"connection": connection, "bucket": bucket, "prefix": "in/", **more}


def moved(result: Any, size: int) -> None:
    """All figures are there, and none of them can't be."""
    figures = result.measured
    assert set(figures) == FIGURES, figures
    assert figures["route"] == "through the worker"
    assert abs(figures["bytes"] - size) <= size / 50
    assert figures["seconds"] > 0
    assert figures["bytes_per_second"] > 0


def test_gcs_to_s3(bench: Bench, systems: Systems, isolated: bool) -> None:  # noqa: FBT001  a fixture
    def check(size: int | str = SIZE, **to: Any) -> dict[str, Any]:
        return {"gcs_to_s3": {"bucket": "lake", "prefix": "out/", "to": to_s3(**to), "size": size}}

    good, canary = systems.google("good"), bench.canary.value
    s3 = systems.aws.connection("s3")
    unknown = google_connection(systems.front.service_account("gone@proj.iam.gserviceaccount.com"))
    systems.front.delete_key(json.loads(unknown["extra"]["keyfile_dict"])["private_key_id"])
    with faulty.refused() as closed:
        cells = {
            "moves": Cell(good, check(SMALL)),
            "moves_little": Cell(good, check(1)),
            "moves_much": Cell(good, check(LARGE)),
            "wrong_key": Cell(unknown, check(), "authenticate", "auth", says="Invalid JWT Signature", hint="store put"),
            "denied_making": Cell(
                systems.google("denied_making", "storage.objects.create"),
                check(),
                "access",
                "permission",
                says="denied_making: denied-making@",
                hint="grant storage.objects.create",
            ),
            "denied_listing": Cell(
                systems.google("denied_listing", "storage.objects.list"),
                check(),
                "write",
                "permission",
                hint="grant storage.objects.list",
            ),
            "no_bucket": Cell(
                good,
                {"gcs_to_s3": {"bucket": "nope", "to": to_s3(), "size": SIZE}},
                "access",
                "not_found",
                says="no_bucket: ",
            ),
            "no_bucket_there": Cell(good, check(bucket="nope"), "access", "not_found", says="nope"),
            "wrong_secret_there": Cell(good, check(connection="s3_wrong"), "write", "auth", says="Signature"),
            "unknown_key_there": Cell(
                good, check(connection="s3_unknown"), "authenticate", "auth", says="s3_unknown: InvalidClientTokenId"
            ),
            "denied_there": Cell(
                good, check(connection="s3_denied"), "write", "permission", says="Denied", hint="grant s3:PutObject"
            ),
            "denied_comparing": Cell(
                good, check(connection="s3_blind"), "write", "permission", says="s3_blind: ", hint="grant s3:GetObject"
            ),
            "refused_there": Cell(
                good, check(connection="s3_refused"), "write", "connection_refused", says=str(closed[1])
            ),
            "nobody_there": Cell(good, check(connection="missing"), "resolve", "secret_missing", says="'missing'"),
            **secrets(good, check()),
        }
        others = {
            "s3": s3,
            "s3_wrong": {**s3, "password": canary},
            "s3_unknown": {**s3, "login": "AKIANOBODY", "password": canary},
            "s3_denied": systems.aws.connection("s3_denied", "s3:PutObject"),
            "s3_blind": systems.aws.connection("s3_blind", "s3:GetObject"),
            "s3_refused": aws_server.connection(
                f"http://127.0.0.1:{closed[1]}", "AKIA", canary, config_kwargs={"retries": {"total_max_attempts": 1}}
            ),
        }
        results = bench.hold(
            cells,
            others=others,
            env=systems.env,
            keep=("moves", "moves_little", "moves_much"),
            isolated=isolated,
            timeout=60,
        )
    assert passed_steps(results["moves"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert results["moves"].steps[4].detail == f"{SMALL} bytes arrived, with the right checksum"
    assert "s3: account" in results["moves"].steps[2].detail
    for name, size in {"moves": SMALL, "moves_little": 1, "moves_much": LARGE}.items():
        moved(results[name], size)
        assert own_warnings(results[name]) == []
    assert results["moves_much"].measured["temporary_disk_bytes"] > LARGE / 2
    assert systems.left == []


def test_s3_to_gcs(bench: Bench, systems: Systems, isolated: bool) -> None:  # noqa: FBT001  a fixture
    def check(size: int | str = SIZE, **to: Any) -> dict[str, Any]:
        return {"s3_to_gcs": {"bucket": aws_server.BUCKET, "prefix": "out/", "to": to_gcs(**to), "size": size}}

    good, canary = systems.aws.connection("good"), bench.canary.value
    unknown = google_connection(systems.front.service_account("gone@proj.iam.gserviceaccount.com"))
    systems.front.delete_key(json.loads(unknown["extra"]["keyfile_dict"])["private_key_id"])
    cells = {
        "moves": Cell(good, check(SMALL)),
        "moves_much": Cell(good, check(LARGE)),
        "wrong_secret": Cell({**good, "password": canary}, check(), "access", "auth", says="Signature"),
        "unknown_key": Cell({**good, "login": "AKIANOBODY"}, check(), "authenticate", "auth", says="unknown_key: "),
        "denied_making": Cell(
            systems.aws.connection("denied_making", "s3:PutObject"),
            check(),
            "access",
            "permission",
            says="denied_making: ",
            hint="grant s3:PutObject",
        ),
        "denied_listing": Cell(
            systems.aws.connection("denied_listing", "s3:ListBucket"),
            check(),
            "write",
            "permission",
            hint="grant s3:ListBucket",
        ),
        "no_bucket": Cell(
            good,
            {"s3_to_gcs": {"bucket": "nope", "to": to_gcs(), "size": SIZE}},
            "access",
            "not_found",
            says="no_bucket: ",
        ),
        "no_bucket_there": Cell(good, check(bucket="nope"), "access", "not_found"),
        "wrong_key_there": Cell(
            good, check(connection="google_gone"), "authenticate", "auth", says="google_gone: ", hint="store put"
        ),
        "denied_there": Cell(
            good,
            check(connection="google_denied"),
            "write",
            "permission",
            says="google-denied@",
            hint="grant storage.objects.create",
        ),
        "nobody_there": Cell(good, check(connection="missing"), "resolve", "secret_missing", says="'missing'"),
        **secrets({**good, "password": canary}, check()),
    }
    others = {
        "google": systems.google("google"),
        "google_gone": unknown,
        "google_denied": systems.google("google_denied", "storage.objects.create"),
    }
    results = bench.hold(
        cells, others=others, env=systems.env, keep=("moves", "moves_much"), isolated=isolated, timeout=60
    )
    assert passed_steps(results["moves"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert results["moves"].steps[4].detail == f"{SMALL} bytes arrived, with the right checksum"
    for name, size in {"moves": SMALL, "moves_much": LARGE}.items():
        moved(results[name], size)
        assert own_warnings(results[name]) == [], results[name].measured
    assert results["moves_much"].measured["temporary_disk_bytes"] > LARGE / 2
    assert systems.left == []


def test_local_to_gcs(bench: Bench, systems: Systems, isolated: bool) -> None:  # noqa: FBT001  a fixture
    def check(size: int | str = SIZE, bucket: str = "lake") -> dict[str, Any]:
        return {"local_to_gcs": {"bucket": bucket, "prefix": "in/", "size": size}}

    good = systems.google("good")
    unknown = google_connection(systems.front.service_account("gone@proj.iam.gserviceaccount.com"))
    systems.front.delete_key(json.loads(unknown["extra"]["keyfile_dict"])["private_key_id"])
    cells = {
        "moves": Cell(good, check(SMALL)),
        "moves_much": Cell(good, check(LARGE)),
        "wrong_key": Cell(unknown, check(), "authenticate", "auth", says="Invalid JWT Signature", hint="store put"),
        "denied": Cell(
            systems.google("denied", "storage.objects.create"),
            check(),
            "write",
            "permission",
            says="denied@",
            hint="grant storage.objects.create",
        ),
        "denied_comparing": Cell(
            systems.google("denied_comparing", "storage.objects.get"),
            check(),
            "write",
            "permission",
            says="denied_comparing: ",
            hint="grant storage.objects.get",
        ),
        "no_bucket": Cell(good, check(bucket="nope"), "access", "not_found"),
        **secrets(good, check()),
    }
    results = bench.hold(cells, env=systems.env, keep=("moves", "moves_much"), isolated=isolated, timeout=60)
    assert passed_steps(results["moves"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    for name, size in {"moves": SMALL, "moves_much": LARGE}.items():
        moved(results[name], size)
        assert own_warnings(results[name]) == [], results[name].measured
    assert systems.left == []


def test_sql_to_gcs(bench: Bench, systems: Systems, isolated: bool) -> None:  # noqa: FBT001  a fixture
    def check(size: int | str = SIZE, *, cursor: bool = True, **to: Any) -> dict[str, Any]:
        return {"sql_to_gcs": {"to": to_gcs(**to), "size": size, "server_side_cursor": cursor}}

    good = systems.warehouse
    sqlite = {"conn_type": "sqlite", "host": ":memory:"}
    with faulty.refused() as closed:
        cells = {
            "moves": Cell(good, check(SMALL)),
            "moves_much": Cell(good, check(LARGE)),
            "holds_all": Cell(good, check(LARGE, cursor=False)),
            "wrong_password": Cell(
                {**good, "password": "wrong"},
                check(),
                "authenticate",
                "auth",
                says="password: connection failed",
                hint="store put",
            ),
            "no_database": Cell({**good, "schema": "nope"}, check(), "authenticate", "not_found", says="nope"),
            "refused": Cell({**good, "port": closed[1]}, check(), "reach", "connection_refused"),
            "no_operator": Cell(sqlite, check(), "write", "check_error", says="sqlite", hint="postgres or mysql"),
            "no_bucket_there": Cell(good, check(bucket="nope"), "access", "not_found"),
            "denied_there": Cell(
                good, check(connection="google_denied"), "write", "permission", hint="grant storage.objects.create"
            ),
            "nobody_there": Cell(good, check(connection="missing"), "resolve", "secret_missing", says="'missing'"),
            **secrets(good, check()),
        }
        others = {
            "google": systems.google("google"),
            "google_denied": systems.google("google_denied", "storage.objects.create"),
        }
        results = bench.hold(
            cells,
            others=others,
            env=systems.env,
            keep=("moves", "moves_much", "holds_all"),
            isolated=isolated,
            timeout=60,
        )
    assert passed_steps(results["moves"]) == ["resolve", "reach", "authenticate", "access", "write", "clean"]
    assert "rows; " in results["moves"].steps[4].detail
    for name, size in {"moves": SMALL, "moves_much": LARGE, "holds_all": LARGE}.items():
        moved(results[name], size)
    for name in ("moves", "moves_much"):
        assert own_warnings(results[name]) == [], results[name].measured
    assert "memory grows with the size" in own_warnings(results["holds_all"])[0], results["holds_all"].measured
    assert systems.left == []


def own_warnings(result: CheckResult) -> list[str]:
    """Without those about a busy emulator that Google's client had to ask again."""
    return [warning for warning in result.warnings if "tried again" not in warning]


class Stalling:
    """A front of S3 that makes whoever asks for an object below `in/` wait until the run is `over`: it is there by then."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.over = threading.Event()

    def answer(self, request: Request) -> Answer:
        if request.method in ("GET", "HEAD") and f"/in/out/{PREFIX}" in request.path:
            self.over.wait(60)
        link = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        link.request(request.method, request.target, request.body, dict(request.headers.items()))
        reply = link.getresponse()
        answer = Answer(reply.status, reply.read(), [("Content-Type", reply.getheader("Content-Type") or "text/xml")])
        link.close()
        return answer


def test_a_killed_transfer_leaves_nothing(bench: Bench, systems: Systems) -> None:
    stall = Stalling(systems.aws.server.url)
    server = http_server(stall.answer)
    check = {"gcs_to_s3": {"bucket": "lake", "prefix": "out/", "to": to_s3(), "size": 1000}}
    with serving(server):
        stalling = systems.aws.connection("stalling", endpoint_url=f"http://127.0.0.1:{server.port}")
        results = bench.run(
            {"killed": Cell(systems.google("killed"), check)}, others={"s3": stalling}, env=systems.env, timeout=15
        )
        stall.over.set()
    assert results["killed"].cause == "timeout", results
    assert passed_steps(results["killed"])[-1] == "clean", results
    assert systems.left == []


def test_leftovers_of_earlier_runs_are_swept_on_both_sides(bench: Bench, systems: Systems) -> None:
    old = (datetime.now(timezone.utc) - timedelta(days=2)).strftime("%Y%m%d%H%M%S")
    left, young = f"out/{PREFIX}-{old}-abcdef-0/full", f"out/{PREFIX}-{new_run_id()}-0/full"
    for name in (left, young, f"out/{old}.csv"):
        gcs.call("POST", f"{systems.gcs.url}/upload/storage/v1/b/lake/o?uploadType=media&name={name}", {})
        systems.aws.server.client("s3").put_object(Bucket=aws_server.BUCKET, Key=f"in/{name}", Body=b"x")
    check = {"gcs_to_s3": {"bucket": "lake", "prefix": "out/", "to": to_s3(), "size": 1000}}
    others = {"s3": systems.aws.connection("s3")}
    results = bench.run({"sweeps": Cell(systems.google("sweeps"), check)}, others=others, env=systems.env)
    assert "2 left by earlier runs" in results["sweeps"].steps[-1].detail
    kept = sorted([young, f"out/{old}.csv"])
    assert systems.gcs.objects("lake") == kept
    assert systems.aws.keys() == [f"in/{name}" for name in kept]
    for name in kept:
        (systems.gcs.root / "lake" / name).unlink()
        systems.aws.server.client("s3").delete_object(Bucket=aws_server.BUCKET, Key=f"in/{name}")


@pytest.mark.parametrize(
    ("size", "total"),
    [(1, 1), (2_500, 2_500), ("10MB", 10_000_000), ("10 MB", 10_000_000), ("64KiB", 65_536), ("1GB", 1_000_000_000)],
)
def test_a_size_is_bytes_or_text_with_a_unit(size: int | str, total: int) -> None:
    assert sql_to_gcs.Params(to=DESTINATION, size=size).total == total
    assert sql_to_gcs.Params(to=DESTINATION).total == 1_000_000


@pytest.mark.parametrize("size", [0, -1, "0B", "2GB", 1_000_000_001, "1.5MB", "10", "10M", "MB", True])
def test_any_other_size_is_refused(size: Any) -> None:
    with pytest.raises(ValidationError):
        sql_to_gcs.Params(to=DESTINATION, size=size)


DESTINATION = _transfer.Destination(connection="google", bucket="lake")


def test_a_transfer_needs_its_other_connection() -> None:
    assert gcs_to_s3.Params(bucket="b", to=DESTINATION).connections == ("google",)
    assert sql_to_gcs.Params(to=DESTINATION).connections == ("google",)


def told_by(transfer: Any, size: int, *buffers: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    _transfer.measured(Run("x", tell=told.update), size, [lambda: None, lambda: None, transfer], buffers=buffers)
    return told


def hold(size: int) -> None:
    held = bytearray(size)
    held[::4096] = b"x" * len(held[::4096])  # or it costs no memory


def test_only_a_transfer_whose_memory_grows_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # whose files are counted
    size = 40_000_000
    assert "1.0 bytes per byte moved" in told_by(lambda: hold(size), size)["warning"]
    assert "warning" not in told_by(lambda: hold(4_000_000), size)  # a buffer
    assert "warning" not in told_by(lambda: hold(size), size, _transfer.GCS_UPLOAD)  # one that is known
    assert "warning" not in told_by(lambda: hold(60_000_000), size, _transfer.S3_DOWNLOAD, _transfer.GCS_UPLOAD)
    assert "warning" not in told_by(lambda: hold(size), size, _transfer.S3_UPLOAD)
    assert "2.0 bytes" in told_by(lambda: hold(2 * size), size, _transfer.GCS_UPLOAD)["warning"]
    assert "warning" not in told_by(lambda: hold(1_000_000), 1_000_000)  # too little to tell


def test_temporary_files_are_measured_also_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "before").write_bytes(bytes(5_000_000))
    with _usage.metered() as usage:
        with tempfile.TemporaryFile() as nameless, (tmp_path / "named").open("wb") as named:
            nameless.write(bytes(2_000_000))
            named.write(bytes(1_000_000))
            nameless.flush()
            named.flush()
            time.sleep(0.1)
        (tmp_path / "named").unlink()
    assert usage.peak_disk == 3_000_000
    assert usage.seconds >= 0.1


def test_folders_of_others_may_be_deeper_than_python_calls_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders = [f"{tmp_path}{'/d' * depth}" for depth in range(1, sys.getrecursionlimit() + 200)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102  pathlib would call itself, too
    file = Path(folders[-1], "file")
    file.write_bytes(b"12345")
    assert _usage.temporary_disk() == 5
    file.unlink()
    for folder in reversed(folders):
        os.rmdir(folder)  # noqa: PTH106


def test_without_proc_nothing_is_said_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_usage, "_SELF", tmp_path / "nowhere")
    told = told_by(lambda: hold(40_000_000), 40_000_000)
    assert "warning" not in told
    assert set(told["measured"]) == FIGURES - {"peak_memory_bytes", "peak_memory_per_byte"}


def test_what_arrived_is_compared() -> None:
    assert "2 bytes arrived" in _transfer.compare("gs://b/o", (2, "a"), (2, "a"))
    with pytest.raises(RuntimeError, match="has 1 bytes; 2 were sent"):
        _transfer.compare("gs://b/o", (1, "a"), (2, "a"))
    with pytest.raises(RuntimeError, match="other content"):
        _transfer.compare("gs://b/o", (2, "b"), (2, "a"))


def test_the_bytes_of_a_run_are_its_own_and_nothing_compresses_them() -> None:
    size = 2_500_000
    data = b"".join(_transfer.pieces(Run("x"), size))
    assert len(data) == size
    assert data == b"".join(_transfer.pieces(Run("x"), size))
    assert data != b"".join(_transfer.pieces(Run("y"), size))
    assert len(zlib.compress(data)) > size


def test_mysql_counts_without_a_table(tmp_path: Path) -> None:
    """As MariaDB does it: mysqlclient, which the operator needs, is nothing that pip installs without a compiler."""
    with mariadb.running(tmp_path) as server:
        for rows in (1, 9, 10, 1234):
            found = [line.split("\t") for line in server.sql(sql_to_gcs._query("mysql", rows)).splitlines()]
            lines = b"".join(sql_to_gcs._csv(rows)).decode().splitlines()
            assert [",".join(row) for row in found] == lines[1:]
            assert lines[0] == "id,filler"


def test_mysql_without_its_client_library_names_the_package() -> None:
    said = RuntimeError("You do not have `mysqlclient` package installed. Please install it with …")
    found = sql_to_gcs.cause(said)
    assert found is not None
    assert (found.name, found.hint) == ("provider_missing", "pip install mysqlclient")


def test_a_refusal_at_one_side_names_its_connection() -> None:
    from botocore.exceptions import ClientError

    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "PutObject")
    try:
        with _transfer.side("cloud"):
            try:
                raise refused
            except ClientError:
                raise ValueError("upload failed")  # noqa: B904  as boto3's S3UploadFailedError
    except _transfer.SideFailed as err:
        found = _transfer.cause(err)
    assert found is not None
    assert found.message == "cloud: AccessDenied: Access Denied"
    assert "s3:PutObject" in found.hint
