"""`scan --run`: what DAG files look up and hold while Airflow parses them, in a scratch home. Only `child` and what it imports know Airflow."""
