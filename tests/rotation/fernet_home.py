"""An Airflow home with a metadata database full of encrypted values, and what of them can be read with which keys."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from bootstrap.airflow.environment import Environment, locate
from bootstrap.manifest.loader import load

TEXT = "[core]\n# the comment of somebody\nload_examples = False\nfernet_key = {key}\n\n[api]\nport = 8080\n"
_ENCRYPTED = {  # table → column → its flag
    "connection": {"password": "is_encrypted", "extra": "is_extra_encrypted"},
    "variable": {"val": "is_encrypted"},
    "trigger": {"kwargs": "1"},
    "connection_test_request": {"password": "is_encrypted", "extra": "is_extra_encrypted"},
}


@dataclass(frozen=True)
class Home:
    """`value` is in every row; `key` is the one that it is encrypted with at first."""

    folder: Path
    value: str = "a password"
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())

    @property
    def database(self) -> Path:
        return self.folder / "airflow" / "airflow.db"

    @property
    def config(self) -> Path:
        return self.folder / "airflow" / "airflow.cfg"

    @property
    def environment(self) -> Environment:
        return locate(load(self.folder / "bootstrap.yaml"))

    def make(self, template: Path, *, connections: int = 2) -> Home:
        self.database.parent.mkdir(parents=True)
        self.config.write_text(TEXT.format(key=self.key))
        self.config.chmod(0o600)
        self.database.write_bytes(template.read_bytes())
        (self.folder / "bootstrap.yaml").write_text("version: 1\nairflow: {home: airflow}\n")
        for number in range(connections):
            self.connection(f"c{number}")
        self.execute(
            "INSERT INTO connection VALUES (99999,'open','http',NULL,'h',NULL,NULL,NULL,NULL,'plain',NULL,0,0)"
        )
        self.execute("INSERT INTO variable VALUES (1,'v',?,NULL,1,NULL)", self.token())
        self.execute("INSERT INTO variable VALUES (2,'open','plain',NULL,0,NULL)")
        self.trigger(1, self.token(json.dumps({"a": self.value})))
        self.execute(
            "INSERT INTO connection_test_request (id, token, connection_id, state, created_at, updated_at, conn_type, password, is_encrypted)"
            " VALUES (?, 't', 'c0', 'pending', '2026-01-01', '2026-01-01', 'http', ?, 1)",
            "0" * 32,
            self.token(),
        )
        return self

    def connection(self, conn_id: str, key: str = "") -> None:
        token = self.token(key=key)
        self.execute(
            "INSERT INTO connection (conn_id, conn_type, password, extra, is_encrypted, is_extra_encrypted) VALUES (?, 'http', ?, ?, 1, 1)",
            conn_id,
            token,
            self.token(json.dumps({"token": self.value}), key),
        )

    def trigger(self, number: int, kwargs: str = "") -> None:
        """In plain text, unless said otherwise, as some migrations left them."""
        kwargs = kwargs or json.dumps({"a": self.value})
        self.execute("INSERT INTO trigger VALUES (?, 'a.Trigger', ?, '2026-01-01', NULL, NULL, NULL)", number, kwargs)

    def xcom(self, value: object) -> None:
        self.execute(
            "INSERT INTO xcom VALUES (1, 't', -1, 'k', 0, 'd', 'r', ?, '2026-01-01')",
            json.dumps(value),
        )

    def tokens_in_xcoms(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as connection:
            values = connection.execute("SELECT value FROM xcom").fetchall()
        return re.findall(r"gAAAA[\w=-]+", str(values))

    def token(self, text: str = "", key: str = "") -> str:
        return Fernet(key or self.key).encrypt((text or self.value).encode()).decode()

    def execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def keys(self) -> list[str]:
        """As they stand in airflow.cfg."""
        [value] = re.findall(r"^fernet_key = (.*)$", self.config.read_text(), re.MULTILINE)
        return str(value).split(",")

    def retired(self) -> list[str]:
        """Those that are kept beside it."""
        files = (self.folder / ".bootstrap" / "fernet").glob("*.json")
        return [key for file in files for key in json.loads(file.read_text())["retired"]]

    def unreadable(self, keys: Sequence[str]) -> list[str]:
        """What none of these keys decrypts to what it was."""
        one_of = MultiFernet([Fernet(key) for key in keys])
        return [where for where, token in self.tokens() if not self._reads(one_of, token)]

    def tokens(self) -> Iterator[tuple[str, str]]:
        """All that is, or should be, encrypted."""
        with closing(sqlite3.connect(self.database)) as connection:
            for table, columns in _ENCRYPTED.items():
                for column, flag in columns.items():
                    query = f"SELECT id, {column} FROM {table} WHERE {flag} AND {column} IS NOT NULL"  # noqa: S608
                    for row, token in connection.execute(query).fetchall():
                        yield f"{table} {row} {column}", token

    def _reads(self, one_of: MultiFernet, token: str) -> bool:
        try:
            return self.value in json_text(token if token.startswith("{") else one_of.decrypt(token).decode())
        except Exception:
            return False


def json_text(text: str) -> str:
    """The strings in a JSON document, else the text itself."""
    try:
        return " ".join(map(str, json.loads(text).values()))
    except (ValueError, AttributeError):
        return text
