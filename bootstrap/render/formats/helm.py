"""Values for the official Apache Airflow chart.

Its ConfigMap has `OPTION = {{ tpl (VALUE | toString) . }}` for each of `config` (chart/templates/configmaps/configmap.yaml),
so a value goes through Go's templates, then YAML, then Airflow's interpolation.
"""

from __future__ import annotations

import re

from bootstrap.render.formats import Removed, Values, cannot_hold, each, one_line
from bootstrap.util.yaml_text import WORDS, quoted

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# The variables that the chart sets from Kubernetes secrets of its own, by option (its manual's page on production); each wins
# over what airflow.cfg says, under a deprecated name, too.
_BUILT_IN = {
    ("database", "sql_alchemy_conn"): ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"),
    ("core", "fernet_key"): ("AIRFLOW__CORE__FERNET_KEY",),
    ("api", "secret_key"): ("AIRFLOW__API__SECRET_KEY",),
    ("api_auth", "jwt_secret"): ("AIRFLOW__API_AUTH__JWT_SECRET",),
    ("webserver", "secret_key"): ("AIRFLOW__WEBSERVER__SECRET_KEY",),
    ("celery", "broker_url"): ("AIRFLOW__CELERY__BROKER_URL",),
    ("celery", "result_backend"): ("AIRFLOW__CELERY__CELERY_RESULT_BACKEND", "AIRFLOW__CELERY__RESULT_BACKEND"),
    ("elasticsearch", "host"): ("AIRFLOW__ELASTICSEARCH__HOST", "AIRFLOW__ELASTICSEARCH__ELASTICSEARCH_HOST"),
    ("opensearch", "host"): ("AIRFLOW__OPENSEARCH__HOST",),
}


def text(values: Values, removed: Removed) -> str:
    """`config`, and `enableBuiltInSecretEnvVars` for what the chart would set against it."""
    lines = ["# Managed by airflow-bootstrap: values of the official Apache Airflow chart, for `helm upgrade -f FILE`."]
    for section, option in removed:
        place = f"[{section}] {option}"
        lines.append(f"# {place} must not be set besides, in `env` neither: another option takes its place.")
    if built_in := [name for option in removed for name in _BUILT_IN.get(option, ())]:
        lines += ["enableBuiltInSecretEnvVars:", *(f"  {name}: false" for name in built_in)]
    for section, option, _ in each(values):
        if not _NAME.fullmatch(section) or not _NAME.fullmatch(option):
            raise cannot_hold(section, option, "the chart writes its name into airflow.cfg as it is")
    lines.append("config:" if values else "config: {}")
    for section, options in values.items():
        lines.append(f"  {_name(section)}:")
        for option, value in options.items():
            cfg = one_line(section, option, value).replace("%", "%%")
            lines.append(f"    {_name(option)}: {quoted(cfg.replace('{{', '{{`{{`}}'))}")
    return "\n".join(lines) + "\n"


def _name(name: str) -> str:
    return quoted(name) if name.lower() in WORDS else name
