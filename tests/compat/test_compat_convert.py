"""`init` and `export` with every Airflow that is supported: its database is read, and it imports what is written."""

import pytest

from tests.convert import test_airflow
from tests.convert.test_airflow import (
    exported,
    test_a_metadata_database_is_converted,
    test_airflow_imports_what_is_exported,
)

__all__ = ["exported", "test_a_metadata_database_is_converted", "test_airflow_imports_what_is_exported"]
pytestmark = [*test_airflow.pytestmark, pytest.mark.contract("import and export")]
