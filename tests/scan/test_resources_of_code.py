from __future__ import annotations

import textwrap
from pathlib import Path

from bootstrap.scan.result import Declared
from bootstrap.scan.whole import scan

HEAD = """
    import pandas as pd
    from airflow import DAG
    from airflow.decorators import task
    from airflow.hooks.base import BaseHook
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.providers.postgres.operators.postgres import PostgresOperator
    from airflow.providers.ssh.hooks.ssh import SSHHook
"""


def found(folder: Path, code: str) -> dict[str, set[str]]:
    """What each connection's resources are, as `INSERT orders`."""
    (folder / "dag.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(code))
    return {
        each.conn_id: {f"{touched.right or touched.verb} {touched.name}" for touched in each.resources}
        for each in scan(folder, Declared()).connections
    }


def test_a_cursor_an_engine_and_pandas_are_asked_through_the_hooks_connection(tmp_path: Path) -> None:
    code = """
        @task
        def move():
            hook = PostgresHook("wh")
            with hook.get_conn() as conn, conn.cursor() as cursor:
                cursor.execute("DELETE FROM a")
            with hook.get_sqlalchemy_engine().begin() as connection:
                connection.execute("INSERT INTO b VALUES (1)")
            pd.read_sql("SELECT * FROM c", con=hook.get_conn())
            BaseHook.get_connection("wh").get_hook().run("TRUNCATE d")
    """
    assert found(tmp_path, code) == {"wh": {"DELETE a", "INSERT b", "SELECT c", "TRUNCATE d"}}


def test_a_client_of_a_hook_is_asked_through_its_connection(tmp_path: Path) -> None:
    code = """
        def move():
            S3Hook("lake").get_conn().upload_file("f", "b", "k/x")
            with SSHHook("box").get_conn() as client:
                client.exec_command("ls /data")
    """
    assert found(tmp_path, code) == {"lake": {"write b/k/x"}, "box": {"run ls /data"}}


def test_an_operator_of_the_projects_own_touches_what_its_base_does(tmp_path: Path) -> None:
    code = """
        class Load(PostgresOperator):
            def __init__(self, table, **more):
                super().__init__(sql=f"INSERT INTO {table} SELECT 1 FROM src", postgres_conn_id="wh", **more)

        with DAG("d"):
            for name in ("x", "y"):
                Load(task_id=name, table=f"out_{name}")
    """
    assert found(tmp_path, code) == {"wh": {"INSERT out_x", "INSERT out_y", "SELECT src"}}


def test_sql_in_a_file_is_read_and_what_is_expanded_is_each(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql/load.sql").write_text("UPDATE orders SET x = 1 WHERE day = '{{ ds }}'")
    code = """
        with DAG("d", default_args={"conn_id": "wh"}):
            SQLExecuteQueryOperator(task_id="a", sql="sql/load.sql")
            SQLExecuteQueryOperator.partial(task_id="b").expand(sql=["SELECT 1 FROM m", "SELECT 1 FROM n"])
    """
    assert found(tmp_path, code) == {"wh": {"UPDATE orders", "SELECT orders", "SELECT m", "SELECT n"}}


def test_a_decorated_task_names_its_image(tmp_path: Path) -> None:
    code = """
        @task.docker(image="org/app:1", docker_conn_id="registry")
        def inside():
            pass
    """
    assert found(tmp_path, code) == {"registry": {"read org/app:1"}}


def test_a_tables_name_is_written_as_the_connections_database_reads_it(tmp_path: Path) -> None:
    code = """
        from airflow.providers.oracle.hooks.oracle import OracleHook

        def move():
            pd.read_sql("SELECT * FROM dw.facts", con=OracleHook("ami").get_conn())
    """
    assert found(tmp_path, code) == {"ami": {"SELECT DW.FACTS"}}
