"""A gcloud command for Cloud Composer.

What keys and values may be: SoftwareConfig.airflowConfigOverrides in Composer's API. How a list of them is written:
`gcloud topic escaping`.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence

from bootstrap.render.formats import Removed, Values, cannot_hold, each, one_line

_SECTION = re.compile(r"[^-\[\].=\s]+")
_OPTION = re.compile(r"[a-z0-9_]+")
_PERCENT = "%".__eq__  # whether Composer doubles it before it writes airflow.cfg is not documented; JSON does without
_BLOCKED_LIST = "https://cloud.google.com/composer/docs/concepts/airflow-configurations"
# Of that list, which is another for each version of Airflow, what people keep in a secrets backend.
_BLOCKED = {
    ("api_auth", "jwt_secret"),
    ("celery", "broker_url"),
    ("celery", "result_backend"),
    ("core", "dags_folder"),
    ("core", "fernet_key"),
    ("core", "sql_alchemy_conn"),
    ("database", "sql_alchemy_conn"),
    ("smtp", "smtp_password"),
}


def text(values: Values, removed: Removed) -> str:
    """The command, for the user to name environment and location in; Composer's own options are left out, and said."""
    options = [option for option in each(values) if not _is_blocked(*option[:2])]
    lines = [*_comments(values, removed)]
    if options:
        command = "gcloud composer environments update ENVIRONMENT --location LOCATION"
        items = [_item(*option) for option in options]
        lines.append(f"{command} \\\n  --update-airflow-configs={shlex.quote(_list(items))}")
    return "\n".join(lines) + "\n"


def _comments(values: Values, removed: Removed) -> Iterator[str]:
    yield "# Managed by airflow-bootstrap: name your ENVIRONMENT and LOCATION."
    yield f"# Composer refuses options that it sets itself: {_BLOCKED_LIST}"
    for section, option, value in each(values):
        if _is_blocked(section, option):
            yield f"# left out, since Composer sets it itself: [{section}] {option}"
        elif "%" in one_line(section, option, value, escaped=_PERCENT):
            yield f"# has a %, which Composer may want as %%: look at `airflow config get-value {section} {option}`"
    for section, option in removed:
        if not _is_blocked(section, option):
            yield f"# must not be set besides: [{section}] {option}; another option takes its place"


def _is_blocked(section: str, option: str) -> bool:
    return (section, re.sub(r"_(cmd|secret)$", "", option)) in _BLOCKED


def _item(section: str, option: str, value: str) -> str:
    if not _SECTION.fullmatch(section) or not _OPTION.fullmatch(option):
        raise cannot_hold(section, option, "Composer doesn't take its name")
    return f"{section}-{option}={one_line(section, option, value, escaped=_PERCENT)}"


def _list(items: Sequence[str]) -> str:
    """The items, apart by a delimiter that is in none of them."""
    delimiters = itertools.chain(",|~;:!@", (f"|{number}|" for number in itertools.count()))
    delimiter = next(each for each in delimiters if each.join(items).split(each) == list(items))
    return f"{'' if delimiter == ',' else f'^{delimiter}^'}{delimiter.join(items)}"
