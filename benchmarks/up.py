"""The quickstart, its store and its systems running: `up`, a rotation and `explain`.

`up` and the rotation are held against one plain `airflow tasks test`, `explain` against `airflow version`. The first `up` has no Airflow home and none of our
cache; the second finds all as it should be. The rotation gives the connection `warehouse` another of two Postgres users; its check proves
the new key three times: before it is in use, in use, and after the old one's end.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from functools import partial
from pathlib import Path

from benchmarks.frame import AIRFLOW, ROOT, TOOL, Figure, best, output, run
from tests.systems import postgres

ROUNDS = 3
TASKS_TEST, VERSION = "airflow tasks test", "airflow version"
FIRST, SECOND, ROTATE, EXPLAIN = "first up", "second up", "a rotation with three proofs", "explain"
ROTATION = """
    rotate: {issuer: postgres_password, users: [etl, etl_b], admin: {secret: "local:postgres/admin"}, every: 90d, grace: 0s}
"""
LAST_CHECK = "- postgres: {table: orders}\n"


def measure(folder: Path) -> list[Figure]:
    """In a copy of the quickstart."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns(".*"))
    (folder / "tests").symlink_to(ROOT / "tests")
    here = folder / "examples" / "quickstart"
    systems = partial(run, sys.executable, "-m", "examples.quickstart.systems", cwd=str(folder))
    tool = (TOOL, "-f", str(here / "bootstrap.yaml"))
    try:
        systems("up")
        rotate = _rotation(here)
        run(*tool, "up")
        seconds = best(
            {
                TASKS_TEST: lambda: _tasks_test(tool),
                FIRST: lambda: _first_up(here, tool),
                SECOND: lambda: run(*tool, "up"),
                ROTATE: lambda: run(*rotate),
                VERSION: lambda: run(AIRFLOW, "version", AIRFLOW_HOME=str(here / ".airflow")),
                EXPLAIN: lambda: run(*tool, "explain", "warehouse"),
            },
            ROUNDS,
        )
    finally:
        systems("down")
        postgres.remove(here / ".systems" / "postgres")
    return [
        *(
            Figure(name, seconds[name], TASKS_TEST, seconds[TASKS_TEST], at_most=bound)
            for name, bound in ((FIRST, 0.8), (SECOND, 0.45), (ROTATE, 0.9))
        ),
        Figure(EXPLAIN, seconds[EXPLAIN], VERSION, seconds[VERSION], at_most=1.2),
    ]


def _rotation(here: Path) -> tuple[str, ...]:
    """The command that rotates, by a manifest beside the other."""
    server = postgres.start(here / ".systems" / "postgres")
    password = secrets.token_urlsafe(18)
    server.ensure_login("root", password, "analytics")
    server.sql("ALTER ROLE root SUPERUSER; CREATE ROLE etl_b NOLOGIN VALID UNTIL '-infinity'; GRANT etl TO etl_b")
    text = (here / "bootstrap.yaml").read_text()
    (here / "rotate.yaml").write_text(text.replace(LAST_CHECK, LAST_CHECK + ROTATION))
    tool = (TOOL, "-f", str(here / "rotate.yaml"))
    admin = here / "admin"
    admin.write_text(f"postgres://root:{password}@127.0.0.1:{server.port}/analytics")
    run("sh", "-c", '"$@" <"$0"', str(admin), *tool, "store", "put", "local:postgres/admin")
    return (*tool, "rotate", "warehouse")


def _first_up(here: Path, tool: tuple[str, ...]) -> float:
    for folder in (here / ".airflow", here / ".bootstrap" / "cache"):
        shutil.rmtree(folder)
    return run(*tool, "up")


def _tasks_test(tool: tuple[str, ...]) -> float:
    """The last line of what `--show-command` prints is the task; those before it prepare its environment and its database."""
    *before, task = output(*tool, "smoke", "--show-command", "store_health.http").strip().splitlines()
    now = "date +%s.%N >&3"
    begin, end = map(float, output("sh", "-c", "\n".join(["exec 3>&1 >&2", *before, now, task, now])).split())
    return end - begin
