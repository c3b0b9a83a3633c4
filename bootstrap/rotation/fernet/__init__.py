"""Rotation of Airflow's own Fernet key."""
