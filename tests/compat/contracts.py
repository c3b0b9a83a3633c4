"""What must hold on every Airflow that is supported, and depends on its version; docs/compatibility.md lists it.

A test of this folder is marked with one of them: `@pytest.mark.contract("verdict")`.
"""

from __future__ import annotations

CONTRACTS = {
    "verdict": "A failing task fails the check and a passing one passes it, whatever `airflow tasks test` exits with.",
    "tasks test": "`airflow tasks test` of the smoke DAG, run by hand, exits as this release does after a failure.",
    "one start": "One start of Airflow serves many checks, and is warmed up without a complaint.",
    "forks": "A fork of a running Airflow is what an Airflow of its own would be: its sources, options and database.",
    "deadlines": "A check whose server never answers ends at its deadline, with the cause `timeout`.",
    "nothing is left": "A smoke run leaves no row, no DAG and no file with a secret in the user's Airflow.",
    "resolution order": "`explain` predicts which source answers, on the server and in a task.",
    "candidates": "The backend precedes the environment, unless a process has it blanked: so `rotate` proves a candidate.",
    "hidden errors": "Airflow reports an error of a secrets backend as a missing connection; `explain` tells them apart.",
    "final refusals": "A backend's `AirflowSecretsBackendAccessDenied` ends the search, and `explain` says so.",
    "malformed connections": "A connection with an unknown key reads as missing; `explain` says malformed.",
    "refusals": "`render` and `explain` refuse what the release doesn't have: a backend for workers, teams.",
    "teams": "`explain --team` asks as a team's task does.",
    "options": "The options that Airflow also looks up as `_cmd` and `_secret` are those of our table.",
    "option look-up": "`explain --config` names the place that Airflow reads an option from.",
    "backend classes": "The arguments of the installed secrets backends are read from their source; a misspelt one is refused.",
    "backend arguments": "What `render` writes is what Airflow's own parser reads back.",
    "kwarg variables": "`AIRFLOW__SECRETS__BACKEND_KWARG__NAME` is read where the release does, and never written where it doesn't.",
    "workers' backend": "`[workers] secrets_backend` serves tasks where the release has it; `render` refuses it elsewhere.",
    "connection formats": "Airflow's server and its tasks read a connection's JSON and URI as we do.",
    "connection types": "The installed connection types and the keys of their `extra` are known.",
    "metadata database": "Airflow reads the connections that `register` writes to its metadata database, encrypted.",
    "Fernet rotation": "`rotate` replaces the Fernet key, and Airflow reads every value with the new one alone.",
    "REST API": "Airflow reads the connections and variables that `register` writes through its REST API (v1 in 2.11, v2 since 3.0).",
    "import and export": "`init --from` reads an Airflow's metadata database, and Airflow imports what `export` writes.",
}
