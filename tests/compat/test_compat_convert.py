"""`init` and `export` with every Airflow that is supported: its database is read, and it imports what is written."""

from tests.convert.test_airflow import (
    exported,
    pytestmark,
    test_a_metadata_database_is_converted,
    test_airflow_imports_what_is_exported,
)

__all__ = ["exported", "pytestmark", "test_a_metadata_database_is_converted", "test_airflow_imports_what_is_exported"]
