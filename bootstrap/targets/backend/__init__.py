"""The store that Airflow's secrets backend reads."""
