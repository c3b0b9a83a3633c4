"""Checks connections before they are written: commands call `check.check`.

Nothing here imports Airflow: what its providers know is read from their source.
"""
