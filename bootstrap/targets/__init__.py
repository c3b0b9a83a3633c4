"""Where Airflow finds connections. One file per target; its name is the target."""
