"""Which connections and variables code needs, followed as Python would."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bootstrap.scan.result import Declared, Result
from bootstrap.scan.whole import scan

SQL = "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator as Sql\n"
NOTHING = Declared()
HOOK = "from airflow.providers.postgres.hooks.postgres import PostgresHook\n"


def scanned(folder: Path, code: str = "", declared: Declared = NOTHING, **files: str) -> Result:
    for name, text in {"etl_py": f"from airflow import DAG\n{dedent(code)}", **files}.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_yaml", ".yaml").replace("_sql", ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return scan(folder, declared)


def ids(result: Result) -> dict[str, str]:
    return {each.conn_id: each.evidence for each in result.connections}


@pytest.mark.parametrize(
    "code",
    [
        f"{SQL}Sql(task_id='t', conn_id='warehouse')",
        f"{SQL}ID = 'ware' + 'house'\nSql(task_id='t', conn_id=ID)",
        f"{SQL}E = 'house'\nSql(task_id='t', conn_id=f'ware{{E}}')",
        f"{SQL}CONFIG = {{'db': {{'id': 'warehouse'}}}}\nSql(task_id='t', conn_id=CONFIG['db']['id'])",
        f"{SQL}for each in ['warehouse']:\n    Sql(task_id=each, conn_id=each)",
        f"{SQL}Sql(task_id='t', **{{'conn_id': 'warehouse'}})",
        f"{SQL}Sql.partial(task_id='t', conn_id='warehouse').expand(sql=['SELECT 1'])",
        f"{SQL}Sql.partial(task_id='t').expand_kwargs([{{'conn_id': 'warehouse', 'sql': 'SELECT 1'}}])",
        f"{SQL}with DAG('d', default_args={{'conn_id': 'warehouse'}}):\n    Sql(task_id='t')",
        f"{SQL}dag = DAG('d', default_args=dict(conn_id='warehouse'))\nSql(task_id='t', dag=dag)",
        f"{HOOK}PostgresHook('warehouse').get_conn()",
        f"{HOOK}def engine(conn_id):\n    return PostgresHook(conn_id).get_sqlalchemy_engine()\nengine('warehouse')",
        (
            f"{HOOK}class Loader:\n    def __init__(self, conn='warehouse'):\n        self.conn = conn\n"
            "    def load(self):\n        return PostgresHook(postgres_conn_id=self.conn)\nLoader()"
        ),
        f"{HOOK}from airflow.sdk import task\n@task\ndef load(conn):\n    PostgresHook(conn)\nload('warehouse')",
        (
            f"{HOOK}from airflow.operators.python import PythonOperator\ndef load(conn):\n    PostgresHook(conn)\n"
            "PythonOperator(task_id='t', python_callable=load, op_kwargs={'conn': 'warehouse'})"
        ),
        "from airflow.hooks.base import BaseHook\nBaseHook.get_connection('warehouse')",
        "from airflow.sdk import Connection\nConnection.get('warehouse')",
        "from airflow.operators.postgres_operator import PostgresOperator\nPostgresOperator(task_id='t', postgres_conn_id='warehouse')",
        "from acme import Operator\nOperator(task_id='t', acme_conn_id='warehouse')",
    ],
)
def test_an_id_that_the_code_says_is_explicit_or_the_classes_own(code: str, tmp_path: Path) -> None:
    assert set(ids(scanned(tmp_path, code))) == {"warehouse"}


def test_a_default_is_needed_where_nothing_is_given(tmp_path: Path) -> None:
    code = (
        "from airflow.providers.amazon.aws.operators.s3 import S3ListOperator\nS3ListOperator(task_id='t', bucket='b')"
    )
    assert ids(scanned(tmp_path, code)) == {"aws_default": "default"}


def test_templates_and_environment_variables_name_connections_and_variables(tmp_path: Path) -> None:
    code = """
    import os
    from airflow.operators.bash import BashOperator
    BashOperator(task_id="t", bash_command="curl {{ conn.partner.host }}/{{ var.value.path }}", doc_md="{{ conn.prose.host }}")
    os.environ["AIRFLOW_CONN_FTP"]
    """
    result = scanned(tmp_path, code, load_sql="SELECT '{{ var.json.region.name }}', '{{ conn.get('other') }}'")
    assert ids(result) == {"partner": "template", "other": "template", "ftp": "environment"}
    assert {use.key for use in result.variables} == {"path", "region"}


def test_an_id_that_only_a_run_can_tell_is_said_and_not_dropped(tmp_path: Path) -> None:
    code = f"{SQL}from airflow.models import Variable\nSql(task_id='t', conn_id=Variable.get('db'))\nSql(task_id='u', conn_id=f\"db_{{region}}\")"
    result = scanned(tmp_path, code)
    assert ids(result) == {}
    assert {each.expression for each in result.dynamic} == {"Variable.get('db')", "f'db_{region}'"} or {
        each.expression for each in result.dynamic
    } == {"Variable.get('db')", 'f"db_{region}"'}


def test_a_password_in_an_expression_is_not_shown(tmp_path: Path) -> None:
    result = scanned(tmp_path, f"{SQL}Sql(task_id='t', conn_id=look_up(password='c4n4ry-s3cret'))")
    assert "c4n4ry" not in str(result.document())
    assert len(result.dynamic) == 1


def test_a_place_is_the_line_that_passes_the_id_on(tmp_path: Path) -> None:
    code = f"{HOOK}def engine(conn_id):\n    return PostgresHook(conn_id)\nengine('a')\nengine('b')\n"
    places = {
        each.conn_id: [(place.line, place.by) for place in each.places] for each in scanned(tmp_path, code).connections
    }
    assert places == {"a": [(5, "PostgresHook.postgres_conn_id")], "b": [(6, "PostgresHook.postgres_conn_id")]}


def test_modules_beside_the_dags_are_followed_and_what_nobody_imports_is_not(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "ours.py").write_text(f"{HOOK}ID = 'shared'\ndef unused():\n    PostgresHook('nobody')\n")
    result = scanned(
        tmp_path / "dags",
        f"{SQL}from ours import ID\nSql(task_id='t', conn_id=ID)",
        helper_py=f"{HOOK}PostgresHook('alone')",
    )
    assert ids(result) == {"shared": "explicit"}


def test_a_dag_factorys_yaml_is_read(tmp_path: Path) -> None:
    factory = """
    d:
      default_args: {start_date: 2024-01-01}
      tasks:
        load:
          operator: airflow.providers.http.operators.http.HttpOperator
          http_conn_id: partner
    """
    result = scanned(tmp_path, factory_yaml=factory)
    assert [(each.conn_id, each.conn_type, each.places[0].line) for each in result.connections] == [
        ("partner", "http", 6)
    ]


def test_a_broken_file_stops_nothing(tmp_path: Path) -> None:
    result = scanned(
        tmp_path, f"{SQL}Sql(task_id='t', conn_id='warehouse')", broken_py="import airflow.dag\ndef broken(:\n"
    )
    assert set(ids(result)) == {"warehouse"}
    assert [each.file for each in result.skipped] == ["broken.py"]


def test_against_the_manifest_each_difference_is_said(tmp_path: Path) -> None:
    code = f"{HOOK}PostgresHook('a')\nPostgresHook('b')\n"
    result = scanned(tmp_path, code, Declared({"a": "http", "old": "ftp"}))
    found = {each.conn_id: (each.declared, each.wrong_type, each.package) for each in result.connections}
    package = "apache-airflow-providers-postgres"
    assert found == {"a": (True, True, package), "b": (False, False, package)}
    assert result.unused == ["old"]


def test_a_statement_that_is_nested_too_deep_hides_no_other(tmp_path: Path) -> None:
    deep = "X = " + " + ".join(["a.b"] * 20_000)
    chain = "Y = a" + ".b()" * 5_000
    result = scanned(tmp_path, f"{HOOK}{deep}\n{chain}\nPostgresHook('warehouse')")
    assert set(ids(result)) == {"warehouse"}


def test_yaml_beside_a_dag_factorys_is_no_template(tmp_path: Path) -> None:
    factory = "d: {tasks: {t: {operator: airflow.providers.http.operators.http.HttpOperator}}}\n"
    result = scanned(tmp_path, a_yaml=factory, values_yaml="url: '{{ conn.helm.host }}'\n")
    assert ids(result) == {"http_default": "default"}


def test_what_only_the_main_module_runs_is_not_needed(tmp_path: Path) -> None:
    code = f"""{HOOK}
if __name__ == "__main__":
    PostgresHook("by_hand")
else:
    PostgresHook("in_airflow")
if __name__ != "__main__":
    PostgresHook("also")
while unknown():
    PostgresHook("looped")
else:
    PostgresHook("after")
"""
    assert set(ids(scanned(tmp_path, code))) == {"in_airflow", "also", "looped", "after"}
