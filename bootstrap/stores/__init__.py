"""Where secrets are kept. One file per kind; its name is the kind.

A kind's module has `Options` (what bootstrap.yaml may say), `open_store`, and, where Airflow ships a secrets backend
for it, `airflow_backend`.
"""
