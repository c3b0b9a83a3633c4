"""An `environment:` block for Docker Compose."""

from __future__ import annotations

from bootstrap.render.formats import Removed, Values, cannot_hold, each, variable
from bootstrap.util.yaml_text import quoted


def text(values: Values, removed: Removed) -> str:
    """A variable for each option; Compose takes `$$` for a `$`, and fills in what follows a single one."""
    lines = ["# Managed by airflow-bootstrap: every Airflow service needs these, so put them into `x-airflow-common`."]
    for section, option in removed:
        lines.append(f"# {variable(section, option)} must not be set beside them: another option takes its place.")
    lines.append("environment:" if values else "environment: {}")
    for section, option, value in each(values):
        if "\0" in value:
            raise cannot_hold(section, option, "the value has a character of code 0")
        lines.append(f"  {variable(section, option)}: {quoted(value.replace('$', '$$'))}")
    return "\n".join(lines) + "\n"
