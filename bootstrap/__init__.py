"""From nothing to an Apache Airflow that provably reaches its systems."""

__version__ = "0.1.0"
