"""Airflow's secrets backends: whether a class can do anything with the arguments that it is given."""
