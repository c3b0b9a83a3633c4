"""`airflow-bootstrap doctor`."""

from __future__ import annotations

import click

from bootstrap.app import App


@click.command("doctor")
@click.pass_obj
def command(app: App) -> int:
    """Say what is missing on this machine, each with the command that mends it."""
    from bootstrap.doctor import examine, worst

    findings = []
    for finding in examine(app.manifest, app.environment, app.secrets):
        findings.append(finding)
        app.console.data(f"{'ok     ' if finding.ok else 'MISSING'}  {finding.subject}: {finding.message}\n")
        if not finding.ok and finding.fix:
            app.console.data(f"         next: {finding.fix}\n")
    return worst(findings)
