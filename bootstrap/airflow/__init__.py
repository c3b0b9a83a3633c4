"""Airflow as it is installed here: its versions, its home, its processes, its providers. The one room that knows its releases."""
