"""The DAG that Airflow finds: one task for each check that AIRFLOW_BOOTSTRAP_INPUTS tells of."""

from bootstrap.smoke.dag import build

dag = build()
