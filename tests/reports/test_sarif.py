from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from bootstrap.reports.github import finding_commands
from bootstrap.reports.sarif import sarif
from bootstrap.scan.model import ConnectionUse, Dynamic, Place, Risk, Skipped
from bootstrap.scan.risks import connections
from bootstrap.scan.risks.rules import RULES
from tests.project import ROOT

SCHEMA = ROOT / "tests/data/sarif-2.1.0-rtm.4.json.xz"  # as Microsoft's sarif-om 1.0.4 has it, MIT licence
USE = ConnectionUse("warehouse", "explicit", Place("etl/load.py", 12, "SQLExecuteQueryOperator.conn_id"), "postgres", "apache-airflow-providers-postgres")  # fmt: skip


def risk(line: int, code: str = "AB201", message: str = "it doesn't wait", file: str = "etl/load.py") -> Risk:
    return Risk(code, Place(file, line, "EmrAddStepsOperator.wait_for_completion"), message, "set it")


def document(*findings: Risk, root: Path, skipped: tuple[Skipped, ...] = ()) -> Any:
    return json.loads(sarif(findings, skipped, root / "dags", root))


def hashes(*findings: Risk, root: Path) -> list[str]:
    results = document(*findings, root=root)["runs"][0]["results"]
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]


def test_it_is_sarif_for_every_rule_and_every_kind_of_place(tmp_path: Path) -> None:
    findings = [
        *(risk(line, code, "what\x1b[31m it is") for line, code in enumerate(RULES)),
        connections.undeclared(USE),
        connections.unused("old_ftp", Place("../bootstrap.yaml", 7)),
        connections.differs(USE, "mysql"),
        connections.not_installed(USE),
        connections.dynamic(Dynamic(USE.place, 'f"db_{region}"')),
        risk(3, file="../../elsewhere.py"),
        risk(4, file="naïve plan.py"),
    ]
    made = document(*findings, root=tmp_path, skipped=(Skipped("broken.py", "syntax error at line 3"),))
    jsonschema.validate(made, json.loads(lzma.decompress(SCHEMA.read_bytes())), jsonschema.Draft4Validator)
    (run,) = made["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    assert all(RULES[each["ruleId"]] is list(RULES.values())[each["ruleIndex"]] for each in run["results"])


def test_places_are_relative_to_the_repository(tmp_path: Path) -> None:
    found = [risk(3), risk(4, file="../bootstrap.yaml"), risk(5, file="naïve plan.py"), risk(6, file="../../else.py")]
    results = document(*found, root=tmp_path)["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert [place["artifactLocation"]["uri"] for place in places] == [
        "dags/etl/load.py",
        "bootstrap.yaml",
        "dags/na%C3%AFve%20plan.py",
        (tmp_path.parent / "else.py").as_uri(),
    ]
    assert [place["region"]["startLine"] for place in places] == [3, 4, 5, 6]


def test_a_fingerprint_stays_when_lines_move_and_differs_for_two_of_a_kind(tmp_path: Path) -> None:
    before = hashes(risk(3), risk(9), risk(12, message="another"), root=tmp_path)
    assert before == hashes(risk(103), risk(109), risk(112, message="another"), root=tmp_path)
    assert len(set(before)) == 3


@pytest.mark.parametrize(
    ("finding", "message"),
    [
        (connections.undeclared(USE), "connection warehouse (postgres) isn't in the manifest"),
        (connections.differs(USE, "mysql"), "connection warehouse is used as postgres, and declared as mysql"),
        (connections.not_installed(USE), "apache-airflow-providers-postgres isn't installed, which connection warehouse needs"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_connection_is_a_finding_where_it_is_used(finding: Risk, message: str) -> None:
    assert (finding.message, finding.place) == (message, USE.place)


def test_a_finding_is_an_annotation_at_its_line(tmp_path: Path) -> None:
    found = [risk(3, message="50% of it\nfails"), risk(4, "AB002", file="../../else.py"), risk(5, "AB301")]
    assert list(finding_commands(found, tmp_path / "dags", tmp_path)) == [
        (
            "::warning file=dags/etl/load.py,line=3,title=AB201%3A fire and forget%3A an operator doesn't wait for what it starts"
            "::50%25 of it%0Afails — next: set it"
        ),
        "::notice title=AB002%3A a connection of the manifest is used by no DAG::it doesn't wait — next: set it",
        "::error file=dags/etl/load.py,line=5,title=AB301%3A a secret stands in the code::it doesn't wait — next: set it",
    ]
