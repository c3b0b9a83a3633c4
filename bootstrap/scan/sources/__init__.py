"""What a scan reads: the files of a DAG folder, as Airflow walks it, and their syntax."""
