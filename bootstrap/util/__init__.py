"""Small tools that know nothing of Airflow."""
