"""Shows how Airflow resolves a connection, a variable or an option, source by source.

`report` asks, from outside; what else is here runs inside of Airflow's process.
"""
