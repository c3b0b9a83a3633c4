"""Proving connections: the static DAG, the runner, the verdict, the diagnosis, the report."""

DAG_ID = "airflow_bootstrap_smoke"
CLEAN_VARIABLE = "AIRFLOW_BOOTSTRAP_CLEAN"  # set: the tasks only remove what an earlier run of theirs made
