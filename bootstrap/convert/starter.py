"""The starter manifest of `init`."""

STARTER = """\
# What this Airflow needs, and where its secrets are kept. It holds no secret itself, and belongs into version control.
# Next: airflow-bootstrap up
version: 1

airflow:
  home: .airflow                  # AIRFLOW_HOME; relative to this file

stores:                           # where secrets are kept
  local: {kind: embedded}         # a real OpenBao server (Vault's API) that is started at need; its data is in .bootstrap/

backend:                          # where Airflow will look for connections and variables: [secrets] in airflow.cfg
  store: local

connections:
  example:
    conn_type: http
    host: https://example.com
    checks: [vault]               # Airflow's secrets backend returns it; `http` asks the host, too

# A connection with a secret:
#   printf %s "$PASSWORD" | airflow-bootstrap store put "local:databases/warehouse#password"
#
#  warehouse:
#    conn_type: postgres
#    host: db.internal
#    port: 5432
#    login: etl
#    password: {secret: "local:databases/warehouse#password"}
#    extra: {sslmode: require}
#
# What you have already: airflow-bootstrap -f new.yaml init --from connections.json
"""
