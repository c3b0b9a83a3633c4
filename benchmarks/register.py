"""How long it takes to write many connections to the metadata database: `register` against Airflow's own commands, in one run.

`make bench-register`. Each way is a command from its start to its exit, on a new database; what it wrote is counted. The
connections are the same, each with a password of its own: ours come from a manifest and a store of kind `file`, those of
`airflow connections import` from one JSON file. `airflow connections add` writes one each time: of those, `SAMPLED` are
run and the time of all is that, scaled.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil
from cryptography.fernet import Fernet

from bootstrap.airflow.environment import locate
from bootstrap.airflow.home import database_template
from bootstrap.manifest.loader import load
from tests.systems.server import write_private

COUNT, MANY = 1_000, 10_000
SAMPLED = 5
ROUNDS = 3  # the best of each counts, since noise only adds; `import` takes a minute and runs once
MANIFEST = {
    "version": 1,
    "airflow": {"home": "airflow"},
    "stores": {"files": {"kind": "file", "path": "secrets.json"}},
    "register": ["metadata"],
}


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

    def written(self) -> int:
        """How many there are."""
        with closing(sqlite3.connect(self.home / "airflow.db")) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM connection WHERE is_encrypted")
        return int(count)

    def register(self) -> float:
        """Seconds of `register`."""
        return self._timed(["bootstrap", "-f", str(self.folder / "bootstrap.yaml"), "register"], self.count)

    def airflow(self, *arguments: str, leaves: int) -> float:
        """Seconds of an `airflow connections` command, after which there are so many."""
        return self._timed(["airflow", "connections", *arguments], leaves)

    def _timed(self, arguments: list[str], leaves: int) -> float:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "AIRFLOW_HOME": str(self.home), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode != 0 or self.written() != leaves:
            sys.exit(
                f"{arguments} left {self.written()} connections: a failure is no measurement\n{done.stderr[-2000:]}"
            )
        return seconds


def main() -> None:
    """Measure and print."""
    print(f"{psutil.cpu_count()} cores; load before: {psutil.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder, "few"), COUNT)
        first, again = _ours(site)
        print(f"register: {COUNT} connections in {first:.2f} s; a second time, with nothing to change, {again:.2f} s")
        _compare(site, first, again)
        first_of_many, again_of_many = _ours(Site(Path(folder, "many"), MANY))
        print(
            f"register: {MANY} in {first_of_many:.2f} s, {first_of_many / first:.1f} times {COUNT}; "
            f"a second time {again_of_many:.2f} s"
        )


def _ours(site: Site) -> tuple[float, float]:
    """The best of the first and of the second runs."""
    first, again = [], []
    for _ in range(ROUNDS):
        site.empty()
        first.append(site.register())
        again.append(site.register())
    return min(first), min(again)


def _compare(site: Site, first: float, again: float) -> None:
    listed = min(site.airflow("list", "-o", "json", leaves=COUNT) for _ in range(ROUNDS))
    print(f"  airflow connections list: {listed:.1f} s, {listed / again:.1f} times a second register")
    site.empty()
    imported = site.airflow("import", str(site.folder / "import.json"), leaves=COUNT)
    print(f"  airflow connections import: {imported:.1f} s, {imported / first:.0f} times register")
    site.empty()
    added = sum(_add(site, index) for index in range(SAMPLED)) / SAMPLED
    print(
        f"  airflow connections add: {added:.1f} s each, {added * COUNT:.0f} s for {COUNT} (scaled from {SAMPLED}), "
        f"{added * COUNT / first:.0f} times register"
    )


def _add(site: Site, index: int) -> float:
    document = json.dumps({"conn_type": "postgres", "password": site.passwords[f"c{index}"]})
    return site.airflow("add", f"c{index}", "--conn-json", document, leaves=index + 1)


if __name__ == "__main__":
    main()
