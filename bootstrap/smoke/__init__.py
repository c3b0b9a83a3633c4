"""Proving connections: the static DAG, the runner, the verdict, the diagnosis, the report."""
