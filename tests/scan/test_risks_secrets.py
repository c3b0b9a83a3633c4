from __future__ import annotations

import pytest

from bootstrap.scan.model import Risk
from bootstrap.scan.operators.table import Operators
from bootstrap.scan.risks.find import risks
from bootstrap.scan.sources.syntax import parse

AWS = "AKIA" + "QYLPMN5HNM4OSHGC"  # in two parts: scanners of repositories don't take it for a key
RANDOM = "kJ8vQ2mZx9Lr4TnW7bYc"


def found(source: str, file: str = "load.py") -> list[Risk]:
    return risks([], Operators(), {file: parse(source.encode())})


@pytest.mark.parametrize(
    "source",
    [
        f'KEY = "{AWS}"',
        f"# used to be {AWS}",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        'Connection(conn_id="w", password="hunter2")',
        'PostgresHook(password="x7")',
        'db_password = "tr0ub4dor"',
        'def connect(password="tr0ub4dor"): ...',
        'os.environ["DB_PASSWORD"] = "tr0ub4dor"',
        'self.password: str = "tr0ub4dor"',
        'requests.get(url, params={"api_key": "tr0ub4dor"})',
        'engine = create_engine("postgresql://loader:tr0ub4dor@db/sales")',
        """os.environ["AIRFLOW_CONN_W"] = '{"conn_type": "postgres", "password": "tr0ub4dor"}'""",
        f'headers = {{"Authorization": "Bearer {RANDOM}"}}',
        f'token = "{RANDOM}"',
    ],
)  # fmt: skip
def test_a_secret_in_the_code_is_found(source: str) -> None:
    (risk,) = found(f"x = 1\n{source}\n")
    assert (risk.code, risk.place.line) == ("AB301", 2)


@pytest.mark.parametrize(
    "source",
    [
        'Connection(conn_id="w", password="changeme")',
        'Connection(conn_id="w", password="<password>")',
        'Connection(conn_id="w", password="{{ conn.w.password }}")',
        'Connection(conn_id="w", password="***")',
        'Connection(conn_id="w", password="")',
        'Connection(conn_id="w", password=os.environ["W_PASSWORD"])',
        'password = os.getenv("W_PASSWORD", "")',
        'password = Variable.get("warehouse_password")',
        'DB_PASSWORD = "WAREHOUSE_PASSWORD"',
        'api_key = "/run/secrets/api.json"',
        'secret = "projects/12/secrets/warehouse/versions/latest"',
        'Secret("env", "PASSWORD", secret="airflow-gke-secrets", key="sftp_password")',
        'token = "next-page"',
        'engine = create_engine("postgresql://loader:{password}@db/sales")',
        'engine = create_engine(f"postgresql://loader:{password}@db/sales")',
        '"""Give it as postgresql://user:password@host/db."""',
        'url = "https://host:8080/path@1"',
        """os.environ["AIRFLOW_CONN_W"] = '{"conn_type": "postgres", "password": "{{ x }}"}'""",
        'schema = {"password": "string", "token": "varchar"}',
        'if password == "tr0ub4dor": ...',
        'task_token = "0f0f7f8e-3a52-4f0d-9d5c-6f2f7f8e3a52"',
    ],
)
def test_a_placeholder_or_the_name_of_a_secret_is_none(source: str) -> None:
    assert found(source) == []


def test_the_message_names_the_kind_and_never_the_secret() -> None:
    (risk,) = found(f'conn = Connection(password="{RANDOM}")\n')
    assert risk.message == "a literal password stands in the code"
    assert RANDOM not in repr(risk)


def test_passwords_of_tests_are_made_up_but_a_key_is_a_key() -> None:
    source = f'password = "tr0ub4dor"\nKEY = "{AWS}"\n'
    assert [risk.place.line for risk in found(source, "tests/test_load.py")] == [2]


@pytest.mark.parametrize(
    "source",
    [
        'password = "tr0ub4dor"  # noqa: AB301',
        'password = "tr0ub4dor"  # noqa',
        'password = "tr0ub4dor"  # NOQA: E501, AB301 the local one',
        'connect(  # noqa: AB301\n    "db",\n    password="tr0ub4dor",\n)',
        'connect(\n    "db",\n    password="tr0ub4dor",\n)  # noqa: AB301',
    ],
)
def test_a_comment_on_the_statements_first_or_last_line_silences_it(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        'password = "tr0ub4dor"  # noqa: AB201',
        'password = "tr0ub4dor"  # noqa: E501',
        '# noqa: AB301\npassword = "tr0ub4dor"',
        'Connection(password="tr0ub4dor # noqa")',
        'def load():  # noqa: AB301\n    password = "tr0ub4dor"',
    ],
)
def test_another_code_another_statement_or_a_string_silences_nothing(source: str) -> None:
    assert [risk.code for risk in found(source)] == ["AB301"]
