"""Lines that a POSIX shell sources: `set -a; . FILE`."""

from __future__ import annotations

from bootstrap.render.formats import Removed, Values, cannot_hold, each, variable


def text(values: Values, removed: Removed) -> str:
    """An assignment for each option; a variable that would win over an option is unset."""
    # Never AIRFLOW__SECRETS__BACKEND_KWARG__NAME: the class would get a text where it wants a number, a list or a mapping.
    lines = ["# Managed by airflow-bootstrap. In a shell: set -a; . FILE; set +a"]
    for section, option in removed:
        lines += [f"# another option takes the place of [{section}] {option}", f"unset {variable(section, option)}"]
    for section, option, value in each(values):
        if "\0" in value:
            raise cannot_hold(section, option, "the value has a character of code 0")
        escaped = value.replace("'", "'\\''")
        lines.append(f"{variable(section, option)}='{escaped}'")
    return "\n".join(lines) + "\n"
