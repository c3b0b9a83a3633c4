"""Connections as people have them, which are right: nothing may be said against one."""

from __future__ import annotations

from bootstrap.domain.connection import Connection
from tests.systems import google_accounts, ssh_keys

ACCOUNT = google_accounts.Accounts().service_account("loader@shop.iam.gserviceaccount.com", "shop")
SSH_KEY = ssh_keys.new().private

VALID = {
    "warehouse": Connection(
        "postgres",
        host="db-1.internal,db-2.internal",
        login="etl",
        password="p@ss/w#rd?%",
        schema="analytics",
        port=5432,
        extra={
            "sslmode": "verify-full",
            "sslrootcert": "/ca.pem",
            "options": "-c statement_timeout=5s",
            "keepalives_idle": 30,
        },
    ),
    "socket": Connection(
        "postgres", host="/cloudsql/shop:europe-west1:db", schema="shop", extra={"cursor": "dictcursor"}
    ),
    "ipv6": Connection(
        "postgres", host="2001:db8::17", extra={"iam": True, "redshift": True, "cluster-identifier": "c"}
    ),
    "shop": Connection(
        "mysql",
        host="127.0.0.1",
        extra={"charset": "utf8", "ssl_mode": "REQUIRED", "ssl_ca": "/ca.pem", "local_infile": 1},
    ),
    "orders": Connection(
        "http", host="https://api.example.com:8443/v2", extra={"X-Api-Version": "3", "Accept": "text/csv"}
    ),
    "proxied": Connection(
        "http", host="api", schema="https", extra={"proxies": {"https": "http://proxy:3128"}, "verify": False}
    ),
    "aws_default": Connection(
        "aws",
        login="AKIAIOSFODNN7EXAMPLE",
        password="wJalr/XUtnFEMI+K7MDENG",
        extra={
            "region_name": "eu-west-1",
            "role_arn": "arn:aws:iam::1:role/x",
            "assume_role_kwargs": {"ExternalId": "x"},
        },
    ),
    "minio": Connection(
        "aws", extra={"endpoint_url": "http://minio:9000", "config_kwargs": {"signature_version": "s3v4"}}
    ),
    "emr": Connection("emr", extra={"Name": "cluster", "ReleaseLabel": "emr-7.1.0", "Instances": {"InstanceCount": 2}}),
    "redshift": Connection(
        "redshift",
        host="c.abc.eu-west-1.redshift.amazonaws.com",
        port=5439,
        extra={"cluster_identifier": "c", "iam": True},
    ),
    "athena": Connection(
        "athena", schema="sales", extra={"region_name": "eu-west-1", "s3_staging_dir": "s3://x/", "work_group": "w"}
    ),
    "chime": Connection("chime", host="hooks.chime.aws", schema="https", password="incomingwebhooks/x?token=y"),
    "google_key": Connection(
        "google_cloud_platform", extra={"project": "shop", "keyfile_dict": ACCOUNT, "num_retries": 5}
    ),
    "google_old": Connection(
        "google_cloud_platform",
        extra={
            "extra__google_cloud_platform__project": "shop",
            "extra__google_cloud_platform__scope": "https://www.googleapis.com/auth/cloud-platform",
        },
    ),
    "google_federated": Connection(
        "google_cloud_platform", extra={"credential_config_file": {"type": "external_account", "audience": "//iam"}}
    ),
    "bigquery": Connection("gcpbigquery", extra={"use_legacy_sql": False, "location": "EU", "priority": "BATCH"}),
    "cloudsql": Connection(
        "gcpcloudsql",
        host="10.0.0.3",
        port=5432,
        extra={"database_type": "postgres", "project_id": "shop", "use_proxy": True},
    ),
    "spanner": Connection("gcpspanner", extra={"project_id": "shop", "instance_id": "i", "database_id": "d"}),
    "looker": Connection(
        "gcp_looker", host="https://shop.looker.com", port=19999, extra={"verify_ssl": "true", "timeout": "120"}
    ),
    "ads": Connection(
        "google_ads", extra={"google_ads_client": {"developer_token": "x", "json_key_file_path": "/key"}}
    ),
    "spark": Connection("spark", host="spark://master", port=7077, extra={"queue": "root", "deploy-mode": "cluster"}),
    "spark_k8s": Connection("spark", host="k8s://https://10.0.0.1", port=6443, extra={"namespace": "jobs"}),
    "spark_connect": Connection("spark_connect", host="sc://spark", port=15002, extra={"use_ssl": True}),
    "spark_sql": Connection("spark_sql", host="local[*]", extra={"queue": "x"}),
    "docker": Connection(
        "docker", host="https://registry.example.com:5000/v2", login="bot", password="x", extra={"reauth": False}
    ),
    "vault": Connection(
        "vault",
        host="vault.internal",
        port=8200,
        schema="secret",
        extra={"auth_type": "approle", "role_id": "r", "use_tls": True},
    ),
    "vaults": Connection("vaults", host="vault.internal:8200", extra={"kv_engine_version": 2}),
    "redis": Connection("redis", host="cache", port=6380, extra={"db": 1, "ssl": True, "ssl_cert_reqs": "required"}),
    "bastion": Connection(
        "ssh",
        host="bastion",
        login="ops",
        port=2222,
        extra={"private_key": SSH_KEY, "no_host_key_check": "false", "timeout": 10},
    ),
    "drop": Connection(
        "sftp", host="sftp.partner.com", extra={"key_file": "/keys/id", "private_key_passphrase": "x y"}
    ),
    "mail": Connection(
        "smtp", host="smtp.example.com", port=587, extra={"from_email": "bot@example.com", "disable_ssl": True}
    ),
    "local": Connection("sqlite", host="/var/lib/shop.db", extra={"mode": "ro"}),
    "lake": Connection("fs", extra={"path": "/mnt/lake"}),
    "pypi": Connection("package_index", host="https://packages.example.com/wheels", login="bot", password="x"),
    "ours": Connection("generic", host="https://x", extra={"whatever": {"we": "like"}, "hostname": "x"}),
    "duck": Connection("duckdb_aws", host="/data/duck.db", extra={"aws_conn_id": "aws_default"}),
}
