"""Smoke checks. One file per external system; the file's name is the check's name, so there is no list to keep.

`kind.py` says what a check's module has, and which powers it may have besides. What its operator is given is literal, unless it has
`TEMPLATES = True`. Airflow is imported inside functions only.
"""
