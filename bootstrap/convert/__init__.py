"""Makes a manifest from what you have, and Airflow's export format from a manifest."""
