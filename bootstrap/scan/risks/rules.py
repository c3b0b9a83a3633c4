"""The rules, and what they find. A rule is one function that looks at one file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bootstrap.errors import UsageError
from bootstrap.scan.model import Place, Risk
from bootstrap.scan.risks import intervals, names, secrets, top_level, transfers, waiting
from bootstrap.scan.risks.base import DagFile, Operators, Rule, Source
from bootstrap.scan.risks.silence import Silence
from bootstrap.scan.values import Call

RULES = {
    rule.code: rule
    for rule in (
        Rule(
            "AB101",
            "a connection or Variable is looked up at the top level",
            "Airflow runs the top level of a DAG file whenever it parses it, every 30 seconds by default, in the scheduler and again in each task. "
            "Each look-up asks the secrets backend and the metadata database then; and where the backend doesn't answer, or the "
            "connection isn't there yet, the whole DAG disappears with an import error.",
            "look it up in the task, or with a Jinja template in a templated argument",
            top_level.looked_up,
        ),
        Rule(
            "AB201",
            "fire and forget: an operator doesn't wait for what it starts",
            "The task succeeds as soon as the other system has accepted the work. If the work fails there, nothing in Airflow shows it, "
            "nothing is retried, and what comes next starts with yesterday's data, or with none. "
            "A sensor for the same system in the same file counts as waiting, and so does deferrable=True.",
            "let the operator wait, or add the sensor that does",
            waiting.fire_and_forget,
        ),
        Rule(
            "AB202",
            "another system is asked more often than every 5 seconds",
            "Every question costs a request, and most services limit them per account: many tasks at once are then throttled together, "
            "and in reschedule mode each question is a task start of its own.",
            "ask every 30 seconds or less often, or use deferrable=True",
            intervals.short_interval,
        ),
        Rule(
            "AB203",
            "a sensor holds a worker's slot for over an hour",
            "A sensor in poke mode, which is the default, sleeps in its worker slot until its timeout, 7 days by default. "
            "As many of them as there are slots stop every DAG, that which they wait for included.",
            'use mode="reschedule" or deferrable=True, or a timeout of up to an hour',
            intervals.long_poke,
        ),
        Rule(
            "AB204",
            "a fixed name for what each run creates",
            "The first run creates it. A later run, a retry or a backfill fails because it exists, or silently gets what the first run made; "
            "and where each run deletes it in the end, two runs at a time delete each other's.",
            "put {{ ds_nodash }} or {{ run_id }} into the name, as far as the service allows its characters",
            names.fixed_name,
        ),
        Rule(
            "AB205",
            "data goes through the worker where it needn't",
            "The worker needs as much memory or disk as the data, and its network twice. It works until the data has grown; then the "
            "worker is killed, together with the other tasks that run in it.",
            "copy it on the service's side, or in parts",
            transfers.through_the_worker,
        ),
        Rule(
            "AB301",
            "a secret stands in the code",
            "Everybody who reads the repository, its history, a build's log or Airflow's Code tab reads the secret, and no rotation reaches it.",
            "keep it in a secrets store, refer to it from a connection, and replace it: the repository's history keeps it",
            secrets.secrets,
        ),
    )
}  # fmt: skip


def risks(calls: Sequence[Call], operators: Operators, sources: Mapping[str, Source]) -> list[Risk]:
    """What the rules find in files, by place and code. `sources` has each file by its path relative to the scanned folder.

    Findings that a `# noqa` silences are left out.
    """
    by_file: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_file[call.site.file].append(call)
    found: set[Risk] = set()
    for name, source in sources.items():
        silence = Silence(source)
        file = DagFile(name, by_file[name], operators, source)
        for rule in RULES.values():
            for each in rule.find(file):
                if not silence.silences(rule.code, each):
                    found.add(Risk(rule.code, Place(name, each.line, each.by), each.message, each.fix or rule.fix))
    return sorted(found, key=lambda risk: (risk.place, risk.code, risk.message))


def explain(code: str) -> str:
    """A rule's title, why it is a risk, what to do, and how to silence it. Raises UsageError for an unknown code."""
    rule = RULES.get(code.upper())
    if rule is None:
        raise UsageError(f"there is no rule {code!r}", f"known: {', '.join(RULES)}")
    return (
        f"{rule.code}: {rule.title}\n\n{rule.explanation}\n\nFix: {rule.fix}.\n"
        f"Silence one finding with a comment on its statement's first or last line: # noqa: {rule.code}\n"
    )
