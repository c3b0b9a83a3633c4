"""A real OpenBao server on this machine, for people who have no Vault yet.

One folder holds one server: `seal.key` (unseals it by itself), `keys.json` (the tool's token, and the recovery key),
`airflow-token` (what Airflow logs in with), `server.pem` and `ca.pem` (its certificate, and whom to trust), `address.json`,
its data and its log. Everything in it is 0600 or 0700.
"""

from bootstrap.stores.embedded.configuration import MOUNT
from bootstrap.stores.embedded.keys import TOKEN_FRESH
from bootstrap.stores.embedded.process import INSTALL_HINT, find_binary
from bootstrap.stores.embedded.server import Server, Status

__all__ = ["INSTALL_HINT", "MOUNT", "TOKEN_FRESH", "Server", "Status", "find_binary"]
