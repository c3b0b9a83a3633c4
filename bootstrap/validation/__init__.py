"""What can be said of a connection before it is written anywhere: `check.check` is what the commands call.

Nothing here imports Airflow: what its providers know is read from their source.
"""
