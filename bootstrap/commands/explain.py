"""`airflow-bootstrap explain`."""

from __future__ import annotations

import click

from bootstrap.commands.context import App


@click.command("explain")
@click.argument("conn_ids", nargs=-1, metavar="[CONN_ID]...")
@click.option("--all", "every", is_flag=True, help="Explain every connection of the manifest.")
@click.option("--variable", "variables", metavar="KEY", multiple=True, help="Explain a variable; repeatable.")
@click.option(
    "--config", "options", metavar="SECTION.KEY", multiple=True, help="Explain an option of airflow.cfg; repeatable."
)
@click.option("--team", metavar="NAME", default="", help="Look it up as a task of this team would.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913  one parameter for each option
    app: App,
    *,
    conn_ids: tuple[str, ...],
    every: bool,
    variables: tuple[str, ...],
    options: tuple[str, ...],
    team: str,
    as_json: bool,
) -> int:
    """Show where Airflow would get a connection, source by source, on the server and on a worker. Never prints a secret.

    Exit code: 0 found; 1 not found, malformed, or sources that differ; 3 a store that refused or was unreachable.
    """
    from datetime import datetime, timezone

    from bootstrap.airflow.environment import require_airflow
    from bootstrap.errors import UsageError
    from bootstrap.explain import report as lookup
    from bootstrap.explain import text as lookup_text

    connections = [*conn_ids, *(app.manifest.connections if every else ())]
    wanted = lookup.Wanted(connections, variables, options, team)
    if not wanted.queries:
        raise UsageError("nothing to look up", "name a CONN_ID, or --all, --variable KEY, --config SECTION.KEY")
    require_airflow(app.environment)
    report = lookup.explain(app.manifest, app.environment, wanted)
    if report.cache_seconds is not None:
        app.console.note(
            f"while a DAG file is parsed, a value may be up to {report.cache_seconds} s old: [secrets] use_cache"
        )
    if as_json:
        app.console.reveal(report.as_json())  # it is redacted, value by value: JSON stays JSON
    else:
        app.console.data(lookup_text.text(report, datetime.now(timezone.utc)))
    return report.exit_code
