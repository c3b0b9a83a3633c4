"""Makes a manifest from what there is already, and Airflow's own export format from a manifest."""
