"""airflow.cfg: which options the manifest manages, and how they are written and read back."""
