"""Proving connections: the static DAG, the runner, the verdict, the diagnosis, the report."""

DAG_ID = "airflow_bootstrap_smoke"
