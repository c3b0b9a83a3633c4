"""What each code means: what `explain` prints, and the rules of a SARIF file."""

from __future__ import annotations

from bootstrap.errors import UsageError
from bootstrap.scan.risks.base import Rule

RULES = {
    rule.code: rule
    for rule in (
        Rule(
            "AB001",
            "a connection that the code uses isn't in the manifest",
            "The manifest is what is registered and proven. A connection that it lacks exists by chance, or not at all: the task fails "
            "when it first runs, and no check has said so before.",
            "declare it in the manifest: airflow-bootstrap scan --update",
            "error",
        ),
        Rule(
            "AB002",
            "a connection of the manifest is used by no DAG",
            "Its secret is kept, rotated and checked for nothing, and is one more that can leak. Code that a scan doesn't read, or an id "
            "that is only known at run time, may use it all the same.",
            "remove it from the manifest, if nothing else uses it",
            "note",
        ),
        Rule(
            "AB003",
            "a connection's conn_type isn't that of the hook that uses it",
            "Most hooks read the fields and extras of their own type only: host, scheme or key are then missing or mean something else.",
            "use the hook's conn_type in the manifest, or another id in the code",
            "error",
        ),
        Rule(
            "AB004",
            "the provider of an operator or hook isn't installed",
            "Importing the DAG file fails, and all its DAGs disappear, where the provider's distribution is missing.",
            "install it, and add it to the requirements of Airflow's image",
        ),
        Rule(
            "AB005",
            "a connection's id is only known at run time",
            "No scan can say which connections this needs, so the manifest can't be compared with it, and nothing is proven for it.",
            "list the ids that it can have in the manifest, or take the id from a literal or a list of literals",
            "note",
        ),
        Rule(
            "AB101",
            "a connection or Variable is looked up at the top level",
            "Airflow runs the top level of a DAG file whenever it parses it, every 30 seconds by default, in the scheduler and again in each task. "
            "Each look-up asks the secrets backend and the metadata database then; and where the backend doesn't answer, or the "
            "connection isn't there yet, the whole DAG disappears with an import error.",
            "look it up in the task, or with a Jinja template in a templated argument",
        ),
        Rule(
            "AB201",
            "fire and forget: an operator doesn't wait for what it starts",
            "The task succeeds as soon as the other system has accepted the work. If the work fails there, nothing in Airflow shows it, "
            "nothing is retried, and what comes next starts with yesterday's data, or with none. "
            "A sensor for the same system in the same file counts as waiting, and so does deferrable=True.",
            "let the operator wait, or add the sensor that does",
        ),
        Rule(
            "AB202",
            "another system is asked more often than every 5 seconds",
            "Every question costs a request, and most services limit them per account: many tasks at once are then throttled together, "
            "and in reschedule mode each question is a task start of its own.",
            "ask every 30 seconds or less often, or use deferrable=True",
        ),
        Rule(
            "AB203",
            "a sensor holds a worker's slot for over an hour",
            "A sensor in poke mode, which is the default, sleeps in its worker slot until its timeout, 7 days by default. "
            "As many of them as there are slots stop every DAG, that which they wait for included.",
            'use mode="reschedule" or deferrable=True, or a timeout of up to an hour',
        ),
        Rule(
            "AB204",
            "a fixed name for what each run creates",
            "The first run creates it. A later run, a retry or a backfill fails because it exists, or silently gets what the first run made; "
            "and where each run deletes it in the end, two runs at a time delete each other's.",
            "put {{ ds_nodash }} or {{ run_id }} into the name, as far as the service allows its characters",
        ),
        Rule(
            "AB205",
            "data goes through the worker where it needn't",
            "The worker needs as much memory or disk as the data, and its network twice. It works until the data has grown; then the "
            "worker is killed, together with the other tasks that run in it.",
            "copy it on the service's side, or in parts",
        ),
        Rule(
            "AB301",
            "a secret stands in the code",
            "Everybody who reads the repository, its history, a build's log or Airflow's Code tab reads the secret, and no rotation reaches it.",
            "keep it in a secrets store, refer to it from a connection, and replace it: the repository's history keeps it",
            "error",
        ),
    )
}  # fmt: skip


def explain(code: str) -> str:
    """A rule's title, why it is a risk, what to do, and how to silence it. Raises UsageError for an unknown code."""
    rule = RULES.get(code.upper())
    if rule is None:
        raise UsageError(f"there is no rule {code!r}", f"known: {', '.join(RULES)}")
    said = f"{rule.code}: {rule.title}\n\n{rule.explanation}\n\nFix: {rule.fix}.\n"
    if rule.code < "AB1":
        return said
    return f"{said}Silence one finding with a comment on its statement's first or last line: # noqa: {rule.code}\n"
