"""The DAG that Airflow finds: one task for each check of the manifest that AIRFLOW_BOOTSTRAP_FILE names."""

from bootstrap.smoke.dag import build

dag = build()
