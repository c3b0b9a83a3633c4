"""Starts bqemulator, in its own environment, without DuckDB's spatial extension.

It would be downloaded, and only GEOGRAPHY needs it.
"""

from bqemulator.cli import main  # type: ignore[import-not-found]
from bqemulator.storage.engine import DuckDBEngine  # type: ignore[import-not-found]

DuckDBEngine._load_spatial = lambda _: None
main()
