"""Adds one of each kind to airflow-bootstrap: a store, a target, a check and an issuer; pyproject.toml has their entry points."""
