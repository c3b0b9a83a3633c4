"""`airflow-bootstrap doctor`."""

from __future__ import annotations

import click

from bootstrap.commands.context import App


@click.command("doctor")
@click.pass_obj
def command(app: App) -> int:
    """Check what is missing on this machine, and show the command that fixes it."""
    from bootstrap.doctor import examine, worst

    findings = []
    for finding in examine(app.manifest, app.environment, app.secrets):
        findings.append(finding)
        mark = "MISSING" if not finding.ok else "WARN   " if finding.warning else "ok     "
        app.console.data(f"{mark}  {finding.subject}: {finding.message}\n")
        if finding.fix and (finding.warning or not finding.ok):
            app.console.data(f"         next: {finding.fix}\n")
    return worst(findings)
