"""Smoke checks. One file per external system; the file's name is the check's name, so there is no list to keep.

A check's module has `Params`, `CONN_TYPES` (whose default it is), `PERMISSIONS`, `COMPARES` (what only the named resource can say), `endpoint`,
`task` and, where it has anything to add, `authenticate` or `proof` (what the login proves), `verify`, `cause`, and `place` (where it asked, for a
failure that may be another place's). What its operator is given is literal, unless it has `TEMPLATES = True`.
Airflow is imported inside functions only.
"""
