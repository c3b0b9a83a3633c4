"""Writing many connections to the metadata database: `register` against Airflow's own commands.

Each way is a command from its start to its exit, on a new database; what it wrote is counted. The connections are the
same, each with a password of its own: ours come from a manifest and a store of kind `file`, those of
`airflow connections import` from one JSON file. `airflow connections add` writes one each time: of those, a few are run and the time of all is
that, scaled. `import` takes half a minute and runs once.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.fernet import Fernet

from benchmarks.frame import AIRFLOW, TOOL, Figure, best, failed, run
from bootstrap.airflow.environment import locate
from bootstrap.airflow.home import database_template
from bootstrap.manifest.loader import load
from tests.systems.server import write_private

COUNT, MANY = 1_000, 10_000
SAMPLED = 3
ROUNDS = 2
MANIFEST = {
    "version": 1,
    "airflow": {"home": "airflow"},
    "stores": {"files": {"kind": "file", "path": "secrets.json"}},
    "register": ["metadata"],
}
FIRST, AGAIN, LIST = f"register of {COUNT:,}", f"register of {COUNT:,}, nothing to change", "airflow connections list"
FIRST_OF_MANY, AGAIN_OF_MANY = f"register of {MANY:,}", f"register of {MANY:,}, nothing to change"


def measure(folder: Path) -> list[Figure]:
    """A thousand connections, and ten thousand."""
    few, many = Site(folder / "few", COUNT), Site(folder / "many", MANY)
    seconds = best(
        {FIRST: few.first, AGAIN: few.register, FIRST_OF_MANY: many.first, AGAIN_OF_MANY: many.register}, ROUNDS
    )
    listed = few.airflow("list", "-o", "json", leaves=COUNT)
    few.empty()
    imported = few.airflow("import", str(few.folder / "import.json"), leaves=COUNT)
    few.empty()
    added = COUNT * min(few.add(index) for index in range(SAMPLED))
    growth = MANY / COUNT
    return [
        Figure(FIRST, seconds[FIRST], "airflow connections import", imported, faster=15),
        Figure(FIRST, seconds[FIRST], "airflow connections add, of each", added, faster=500),
        Figure(AGAIN, seconds[AGAIN], LIST, listed, faster=1),
        Figure(FIRST_OF_MANY, seconds[FIRST_OF_MANY], FIRST, seconds[FIRST], at_most=growth),
        Figure(AGAIN_OF_MANY, seconds[AGAIN_OF_MANY], AGAIN, seconds[AGAIN], at_most=growth),
    ]


class Site:
    """A folder with a manifest, its secrets, an Airflow home, and the file for `import`."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.home = folder / "airflow"
        self.home.mkdir(parents=True)
        self.passwords = {f"c{index}": secrets.token_urlsafe(18) for index in range(count)}
        common = {"conn_type": "postgres", "host": "db.internal", "login": "etl", "port": 5432}
        ours = {
            name: {**common, "password": {"secret": f"files:{name}"}, "extra": {"sslmode": "require"}, "checks": []}
            for name in self.passwords
        }
        theirs = {
            name: {**common, "password": password, "extra": {"sslmode": "require"}}
            for name, password in self.passwords.items()
        }
        write_private(folder / "secrets.json", json.dumps(self.passwords))
        write_private(folder / "import.json", json.dumps(theirs))
        (folder / "bootstrap.yaml").write_text(json.dumps({**MANIFEST, "connections": ours}))
        key = Fernet.generate_key().decode()
        (self.home / "airflow.cfg").write_text(f"[core]\nfernet_key = {key}\nload_examples = False\n")
        self.empty()

    def empty(self) -> None:
        """A database without connections."""
        for file in self.home.glob("airflow.db*"):
            file.unlink()
        template = database_template(locate(load(self.folder / "bootstrap.yaml")))
        (self.home / "airflow.db").write_bytes(template.read_bytes())

    def first(self) -> float:
        """Seconds of `register` where nothing is registered."""
        self.empty()
        return self.register()

    def register(self) -> float:
        """Seconds of `register`."""
        return self._timed(TOOL, "-f", str(self.folder / "bootstrap.yaml"), "register", leaves=self.count)

    def add(self, index: int) -> float:
        """Seconds of one `airflow connections add`, where as many are there as its index."""
        document = json.dumps({"conn_type": "postgres", "password": self.passwords[f"c{index}"]})
        return self.airflow("add", f"c{index}", "--conn-json", document, leaves=index + 1)

    def airflow(self, *arguments: str, leaves: int) -> float:
        """Seconds of an `airflow connections` command, after which there are so many."""
        return self._timed(AIRFLOW, "connections", *arguments, leaves=leaves)

    def _timed(self, *command: str, leaves: int) -> float:
        seconds = run(*command, AIRFLOW_HOME=str(self.home), PYTHONWARNINGS="ignore")
        with closing(sqlite3.connect(self.home / "airflow.db")) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM connection WHERE is_encrypted")
        if count != leaves:
            failed(f"{command} left {count} connections")
        return seconds
