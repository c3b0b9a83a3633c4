"""Checks the arguments of Airflow's secrets backends against their classes."""
