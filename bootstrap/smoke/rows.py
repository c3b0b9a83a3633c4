"""What checks see of the metadata database: the rows that this manifest registered there, copied into databases of their own.

Each run copies them anew, as they are stored: passwords and `extra` stay encrypted, and the Fernet key stays in airflow.cfg.
The user's database is opened for reading only.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.airflow.environment import Environment, locate
from bootstrap.checks.base import Cause
from bootstrap.domain.secret import Secret
from bootstrap.errors import RESTORE_KEY, UNDECRYPTABLE, BootstrapError, Undecryptable
from bootstrap.manifest.loader import Manifest, load
from bootstrap.render.settings import credentials
from bootstrap.targets.metadata.target import MetadataProcess
from bootstrap.util.files import PRIVATE_FILE

PLACE = "metadata database"
_FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"


@dataclass(frozen=True)
class Rows:
    """The copies, what there is of each connection (see `metadata_copies`), and why nothing could be read.

    `secrets` has the key of what Airflow stores in plain text: no database of ours ever does.
    """

    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  # by table
    states: Mapping[str, str] = field(default_factory=dict)
    problem: BootstrapError | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def into(self, database: Path) -> None:
        """Insert them into a migrated database, which is for nobody else to read from now on."""
        database.chmod(PRIVATE_FILE)
        with closing(sqlite3.connect(database)) as connection, connection:
            for table, row in ((table, row) for table, rows in self.rows.items() for row in rows):
                names = ", ".join(f'"{name}"' for name in row)
                values = ", ".join("?" * len(row))
                connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({values})", list(row.values()))  # noqa: S608  names of Airflow's tables

    def told(self, conn_ids: Iterable[str]) -> dict[str, Any]:
        """What a check's process knows of these: plain data, for `cause` and `is_copied`."""
        name = "secret_undecryptable" if isinstance(self.problem, Undecryptable) else "store_unreachable"
        problem = [name, self.problem.message, self.problem.hint] if self.problem else None
        states = {conn_id: self.states[conn_id] for conn_id in conn_ids if conn_id in self.states}
        return {"states": states, "problem": problem}


def read(manifest: Manifest, environment: Environment) -> Rows:
    """What is registered in the metadata database now. Raises nothing: what went wrong is its `problem`."""
    names = {"connection": list(manifest.connections), "variable": list(manifest.variables)}
    try:
        process = MetadataProcess(environment, read_only=True)
        try:
            answer = process.ask({"copy": names, "owner": manifest.owner})
        finally:
            process.close()
    except BootstrapError as err:
        return Rows(problem=err)
    secrets = {_FERNET_KEY: Secret(answer["key"])} if answer["key"] else {}
    return Rows(answer["rows"], answer["states"], secrets=secrets)


def main() -> None:
    """By hand, see `smoke --show-command`: copies the rows into DATABASE, as MANIFEST and PROFILE say."""
    database, file, *profile = sys.argv[1:]
    manifest = load(Path(file), profile=profile[0] if profile else None, allow_plaintext=True)
    found = read(manifest, locate(manifest).with_secrets(credentials(manifest)))
    if found.problem is not None:
        sys.exit(f"{found.problem.message}\nnext: {found.problem.hint}")
    found.into(Path(database))


def is_copied(conn_id: str, told: Mapping[str, Any]) -> bool:
    """Whether this process's database has its row."""
    return bool(told.get("states", {}).get(conn_id) == "copied")


def cause(conn_id: str, told: Mapping[str, Any]) -> Cause | None:
    """Why this process's database has no row of it that Airflow could read, where there is a reason."""
    state, problem = told.get("states", {}).get(conn_id), told.get("problem")
    where = f"{PLACE}: {conn_id}"
    if state == "undecryptable":
        return Cause("secret_undecryptable", f"{where} {UNDECRYPTABLE}", RESTORE_KEY)
    if state == "foreign":
        message = f"{where} is there, but this manifest did not register it, so checks don't see it"
        return Cause("secret_missing", message, "take it over: airflow-bootstrap register --overwrite")
    if state == "team":
        return Cause("secret_missing", f"{where} belongs to a team, whose tasks alone see it", "take it from the team")
    return Cause(*problem) if problem else None


if __name__ == "__main__":
    main()
