"""A real OpenBao server on this machine, for people who have no Vault yet.

One folder holds one server: `seal.key` (unseals it by itself), `keys.json` (root token and recovery key),
`airflow.token` (what Airflow logs in with), `address.json`, its data and its log. Everything in it is 0600 or 0700.
"""

from bootstrap.openbao.airflow_access import TOKEN_FRESH
from bootstrap.openbao.binary import INSTALL_HINT, find_binary
from bootstrap.openbao.configuration import MOUNT
from bootstrap.openbao.server import Server, Status

__all__ = ["INSTALL_HINT", "MOUNT", "TOKEN_FRESH", "Server", "Status", "find_binary"]
