"""What `render --diff` shows of an airflow.cfg: the options, and no secret, on either side."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.render.cfg_file import Rendering
from bootstrap.render.cfg_masking import lines_of, masked
from tests.project import Project

S = "s3cret/Canary-0815"
SECRETS = [
    f"fernet_key = {S}",
    f"fernet_key={S}",
    f"fernet_key : {S}",
    f"FERNET_KEY = {S}",
    f"#fernet_key = {S}",
    f"# fernet_key = {S}",
    f"; fernet_key = {S}",
    f"# export AIRFLOW__CORE__FERNET_KEY={S}",
    f"# it was fernet_key = {S}",
    f"# old password: {S}",
    f"fernet_key =\n    {S}",
    f"fernet_key = first{S},\n    {S}\n\n    {S}",
    f"fernet_key = x\n# comment\n    {S}",
    f"fernet_key = x\u2028{S}\x0c{S}\x85{S}",
    f"# fernet_key = first{S}\n#    {S}",
    f"sql_alchemy_conn = postgresql://airflow:{S}@db/a",
    f"sql_alchemy_conn_async = {S}",
    f'sql_alchemy_engine_args = {{"connect_args": {{"x": "{S}"}}}}',
    f"other_conn = postgresql+psycopg2://airflow:{S}@db/a?x=1",
    f"other_conn = postgresql://airflow:p@ss@{S}@db/a",
    f"other_conn = redis://:{S}@redis:6379/0",
    f"other_conn = https://{S.replace('/', '')}@github.com/x.git",
    f"other_conn = https://{S.replace('/', '')}:@api.stripe.com",
    f"other_conn = https://h/x?user=a&password={S}&y=1",
    f"other_conn = https://h/x?sig={S}",
    f"other_conn = postgresql:///?__extra__=%7B{S}%7D",
    f"other_conn = host=db user=x password={S} dbname=y",
    f"other_conn = host=db password='{S} and more' dbname=y",
    f'other = {{"a": {{"access_token": "{S}"}}}}',
    f'other = {{"headers": {{"Authorization": "Bearer {S}"}}}}',
    f"other =\n    one\n    amqp://guest:{S}@rabbit//",
    f"other_cmd = curl https://u:{S}@h",
    f"smtp_password = {S}",
    f"my_api_key = {S}",
    f"result_backend = {S}",
    f"broker_url = {S}",
    f"flower_basic_auth = admin:{S}",
    f"sentry_dsn = {S}",
    f"secret_key = {S}",
    f"jwt_secret = {S}",
    f'backend_kwargs = {{"url": "http://x", "token": "{S}"}}',
    f'backend_kwargs = {{"url": "http://x",\n   "token":\n   "{S}"}}',
    f'backend_kwargs = {{"url": "http://x", "token": "{S}"',
    f'backend_kwargs = {{"url": "http://u:{S}@x"}}',
    f'backend_kwargs = {{"nested": {{"password": ["{S}", 1]}}}}',
    f'backend_kwargs = {{"token": "{S.replace("/", chr(92) + "/")}"}}',
    f'backend_kwargs =\n    {{"secret_id": "{S}"}}',
    f'secrets_backend_kwargs = {{"token": "{S}"}}',
    f'# backend_kwargs = {{"token": "{S}"}}',
    f"other = -----BEGIN RSA PRIVATE KEY-----\n    {S}\n    -----END RSA PRIVATE KEY-----",
    f"# -----BEGIN PRIVATE KEY-----\n# {S}\n# -----END PRIVATE KEY-----",
]
PUBLIC = [
    "executor = LocalExecutor",
    "fernet_key_cmd = cat /run/secrets/fernet_key",
    "sql_alchemy_conn_secret = database",
    "sql_alchemy_conn =",
    "# The secret key of the webserver is kept elsewhere",
    "# Variable: AIRFLOW__CORE__FERNET_KEY",
    "base_url = http://localhost:8080/x?page=1",
    "private_key_file = /etc/key.pem",
    "backend = airflow.providers.hashicorp.secrets.vault.VaultBackend",
    'backend_kwargs = {"url": "https://vault:8200", "mount_point": "airflow", "token_path": "/run/token"}',
    "[core]",
    "",
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_is_shown_and_every_line_stays_one(text: str, newline: str) -> None:
    whole = f"[core]\nx = 1\n{text}\n[other]\ny = 2\n".replace("\n", newline)
    shown = masked(whole)
    assert len(shown) == len(lines_of(whole))
    assert (shown[:2], shown[-2:]) == (
        [f"[core]{newline}", f"x = 1{newline}"],
        [f"[other]{newline}", f"y = 2{newline}"],
    )
    assert "***" in "".join(shown)
    assert not any(part in "".join(shown) for part in (S, S[:8], S[-8:]))


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.slack.com/services/T0/B0/Xyz123Canary",
        "ghp_0123456789abcdefghijCanary0123456789",
        "Bearer abc.Canary0815",
    ],
)
def test_what_looks_like_a_secret_is_masked_whatever_its_name(value: str) -> None:
    for text in (f"x = {value}", f"# x = {value}", f"# it was {value}", f"x =\n    one\n    {value}"):
        assert "Canary" not in "".join(masked(f"[core]\n{text}\n"))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_none_stays_readable(text: str) -> None:
    assert masked(f"[x]\n{text}\n")[1:] == [f"{text}\n"]


def test_a_secret_that_changes_is_told_of() -> None:
    before = f"[core]\nfernet_key = {S}\nx = 1\n[database]\nsql_alchemy_conn = postgresql://a:{S}@db/a\n"
    after = before.replace(S, f"{S}-2").replace("x = 1", "x = 2").replace("@db", "@other")
    diff = Rendering(Path("airflow.cfg"), before, after).diff()
    assert diff.splitlines() == [
        "--- airflow.cfg",
        "+++ airflow.cfg (rendered)",
        "@@ -2,2 +2,2 @@",
        "-fernet_key = ***",
        "-x = 1",
        "+fernet_key = *** (another value)",
        "+x = 2",
        "@@ -5 +5 @@",
        "-sql_alchemy_conn = ***",
        "+sql_alchemy_conn = *** (another value)",
    ]


def test_lines_that_come_and_go() -> None:
    diff = Rendering(Path("airflow.cfg"), "[a]\nx = 1\n", "[a]\n[b]\npassword = x").diff()
    assert diff.splitlines()[2:] == ["@@ -2 +2,2 @@", "-x = 1", "+[b]", "+password = ***"]
    assert Rendering(Path("airflow.cfg"), None, "[a]\n").diff().splitlines()[2:] == ["@@ -0,0 +1 @@", "+[a]"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(
        "version: 1\nairflow: {home: airflow}\nstores: {prod: {kind: aws_secrets_manager, region: eu-west-1}}\n"
        "backend: {store: prod}\nconfig:\n  database: {sql_alchemy_conn: {secret: 'prod:config/database'}}\n"
        "  core: {fernet_key: {cmd: 'cat /run/secrets/fernet_key'}}\n"
    )
    (project.manifest.parent / "airflow").mkdir()
    return project


def test_a_difference_shows_no_old_value(project: Project) -> None:
    file = project.manifest.parent / "airflow" / "airflow.cfg"
    text = f"[core]\nfernet_key = {S}\n\n[database]\nsql_alchemy_conn = postgresql://airflow:{S}@db/a\n"
    file.write_text(text)
    assert project.run("render").code == 0
    file.write_text(f"{file.read_text()}[secrets2]\ntoken = {S}\n".replace("[core]\n", f"[core]\nfernet_key = {S}\n"))
    for options in ([], ["--remove"], ["--check"], ["--check", "--remove"]):
        for log in ([], ["--log-format", "json"]):
            done = project.run(*log, "render", "--diff", *options)
            assert done.code in (0, 1), done.text
            assert "***" in done.text
            assert S not in done.text
