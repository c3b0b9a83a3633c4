"""`airflow-bootstrap doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bootstrap.commands.context import App

if TYPE_CHECKING:
    from bootstrap.util.finding import Finding


@click.command("doctor")
@click.pass_obj
def command(app: App) -> int:
    """Check what is missing on this machine, and show the command that fixes it."""
    from bootstrap.doctor import examine, worst

    findings = []
    for finding in examine(app.manifest, app.environment, app.secrets):
        findings.append(finding)
        app.console.data(f"{_mark(finding)}  {finding.subject}: {finding.message}\n")
        if finding.fix and (finding.warning or not finding.ok):
            app.console.data(f"         next: {finding.fix}\n")
    return worst(findings)


def _mark(finding: Finding) -> str:
    word = "MISSING" if not finding.ok else "WARN" if finding.warning else "ok"
    return word.ljust(len("MISSING"))
