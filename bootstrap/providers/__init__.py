"""What installed packages bring to Airflow, read from their source: nothing of theirs is imported."""
