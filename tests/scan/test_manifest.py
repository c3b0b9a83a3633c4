"""`init --from-dags`: a manifest that loads, with all that the code needs and nothing that anybody made up."""

from pathlib import Path

import pytest
import yaml

from bootstrap.manifest.loader import load
from tests.project import Project, Result

DAG = """\
from airflow import DAG
from airflow.models import Variable
from airflow.hooks.base import BaseHook
from airflow.providers.amazon.aws.operators.s3 import S3ListOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.postgres.operators.postgres import PostgresOperator
from airflow.providers.snowflake.operators.snowflake import SnowflakeOperator

with DAG("orders"):
    PostgresOperator(task_id="load", postgres_conn_id="warehouse", sql="INSERT INTO orders SELECT 1")
    S3ListOperator(task_id="list", bucket="landing", prefix="in/")
    SnowflakeOperator(task_id="mart", snowflake_conn_id="mart", sql="SELECT 1")


def copy():
    PostgresHook("warehouse")
    BaseHook.get_connection("partner")
    PostgresHook(of_the_day())
    Variable.get("recipient")
    Variable.get("retries", default_var=3)
"""


pytestmark = pytest.mark.usefixtures("warm_command_line")


def _code(project: Project, text: str, name: str = "orders.py") -> None:
    folder = project.manifest.parent / "dags"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def _init(project: Project, *arguments: str) -> Result:
    return project.run("init", "--from-dags", str(project.manifest.parent / "dags"), *arguments)


@pytest.fixture
def made(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    _code(project, DAG)
    assert _init(project).code == 0
    return project


def test_each_connection_has_its_type_its_references_and_its_checks(made: Project) -> None:
    manifest = load(made.manifest)
    assert {name: spec.conn_type for name, spec in manifest.connections.items()} == {
        "aws_default": "aws",
        "mart": "snowflake",
        "warehouse": "postgres",
    }
    warehouse = manifest.connections["warehouse"]
    assert str(warehouse.password) == "local:source-connections/warehouse#password"
    assert [check.given for check in manifest.checks["warehouse"]] == [{"table": "orders", "rights": ["INSERT"]}]
    assert str((manifest.connections["mart"].extra or {})["account"]) == "local:source-connections/mart#extra.account"
    assert manifest.airflow.dags == "dags"


def test_nothing_but_what_the_code_says_and_references_is_in_it(made: Project) -> None:
    connections = yaml.safe_load(made.manifest.read_text())["connections"]
    fields = [
        value for each in connections.values() for name, value in each.items() if name not in ("conn_type", "checks")
    ]
    assert all(
        set(value) == {"secret"} or name == "extra"
        for each in connections.values()
        for name, value in each.items()
        if isinstance(value, dict)
    )
    assert not any(isinstance(value, str | int) for value in fields)


def test_the_places_stand_over_each_connection(made: Project) -> None:
    lines = made.manifest.read_text().splitlines()
    at = lines.index("  warehouse:")
    assert lines[at - 3 : at] == [
        "",
        "  # orders.py:11 PostgresOperator.postgres_conn_id",
        "  # orders.py:17 PostgresHook.postgres_conn_id",
    ]


def test_a_connection_of_an_unknown_type_is_a_comment_with_its_place(made: Project) -> None:
    text = made.manifest.read_text()
    assert "  # orders.py:18 BaseHook.get_connection\n  # partner:  # the code doesn't tell its conn_type" in text
    assert '  #   password: {secret: "local:source-connections/partner#password"}\n' in text


def test_taking_out_the_marks_of_such_a_comment_and_naming_its_type_declares_it(made: Project) -> None:
    lines = made.manifest.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  # partner:"))
    for number in range(at, at + 5):
        lines[number] = lines[number].replace("# ", "", 1).replace("CONN_TYPE", "http")
    made.manifest.write_text("\n".join(lines) + "\n")
    assert load(made.manifest).connections["partner"].conn_type == "http"


def test_dynamic_ids_are_listed_at_the_end(made: Project) -> None:
    assert made.manifest.read_text().endswith(
        "\n# Connection ids that are only known when the code runs; declare what they can be:\n"
        "#   orders.py:19 PostgresHook.postgres_conn_id = of_the_day()\n"
    )


def test_a_variable_without_a_default_is_declared_and_one_with_a_default_a_comment(made: Project) -> None:
    assert {key: str(value) for key, value in load(made.manifest).variables.items()} == {
        "recipient": "local:source-variables/recipient#value"
    }
    assert (
        '  # retries: {secret: "local:source-variables/retries#value"}  # the code has a default\n'
        in made.manifest.read_text()
    )


def test_a_second_run_changes_nothing(made: Project) -> None:
    before = made.manifest.read_bytes()
    assert made.run("scan", "--update").code == 0
    assert made.manifest.read_bytes() == before


def test_a_manifest_is_never_overwritten(made: Project) -> None:
    before = made.manifest.read_bytes()
    result = _init(made)
    assert result.code == 2
    assert "scan --update" in result.err
    assert made.manifest.read_bytes() == before


def test_a_secret_in_an_expression_does_not_get_into_the_manifest(made: Project) -> None:
    password = "hunter2-7f3a9c"
    _code(
        made,
        "from airflow.providers.postgres.hooks.postgres import PostgresHook\n"
        "from airflow import DAG\n"
        f"PostgresHook('postgresql://etl:{password}@db/orders')\n",
        "bad.py",
    )
    made.manifest.unlink()
    assert _init(made).code == 0
    assert "bad.py:3" in made.manifest.read_text()
    assert password not in made.manifest.read_text()


def test_code_that_needs_nothing_gives_a_manifest_that_loads(made: Project) -> None:
    _code(made, "from airflow import DAG\nDAG('nothing')\n")
    made.manifest.unlink()
    assert _init(made).code == 0
    assert not load(made.manifest).connections


def test_code_that_needs_only_what_nobody_knows_gives_a_manifest_that_loads(made: Project) -> None:
    _code(
        made,
        "from airflow import DAG\nfrom airflow.hooks.base import BaseHook\nDAG('x')\nBaseHook.get_connection('partner')\n",
    )
    made.manifest.unlink()
    assert _init(made).code == 0
    assert "  # partner:" in made.manifest.read_text()
    assert not load(made.manifest).connections
    assert made.run("scan", "--update").code == 0


def test_an_id_that_no_manifest_takes_is_a_comment(made: Project) -> None:
    _code(
        made,
        "from airflow import DAG\nfrom airflow.providers.postgres.hooks.postgres import PostgresHook\nDAG('x')\n"
        f"PostgresHook('{'x' * 260}')\nPostgresHook('größe')\n",
    )
    made.manifest.unlink()
    assert _init(made).code == 0
    assert "  # größe:  # a manifest takes no such conn_id" in made.manifest.read_text()
    assert not load(made.manifest).connections


def test_other_sections_come_from_the_manifest_at_hand(made: Project) -> None:
    made.manifest.write_text(
        "version: 1\nstores:\n  team: {kind: file, path: secrets}\nconnections:\n  old: {conn_type: http}\n"
    )
    assert _init(made, "-o", str(made.manifest.parent / "new.yaml")).code == 0
    manifest = load(made.manifest.parent / "new.yaml")
    assert list(manifest.stores) == ["team"]
    assert "old" not in manifest.connections
    assert str(manifest.connections["warehouse"].host) == "team:source-connections/warehouse#host"
