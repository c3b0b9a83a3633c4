"""A Vault-compatible store that the tool runs itself: an OpenBao server beside the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Needs
from bootstrap.stores.credential import Credential
from bootstrap.stores.embedded import MOUNT, Server
from bootstrap.stores.vault import policy as vault_policy
from bootstrap.stores.vault.backend import airflow_backend as vault_backend
from bootstrap.stores.vault.kv2 import Kv2
from bootstrap.stores.vault.options import Options as VaultOptions
from bootstrap.stores.vault.options import TokenAuth
from bootstrap.stores.vault.session import Session
from bootstrap.stores.vault.store import LOOKS, PLACE, PROVIDER, REFUSALS
from bootstrap.util.files import state_folder
from bootstrap.util.model import Model

__all__ = ["LOOKS", "PLACE", "PROVIDER", "REFUSALS", "Options", "airflow_backend", "open_store", "policy"]


class Options(Model):
    """`{kind: embedded}`."""

    kind: Literal["embedded"]


def server(context: Context) -> Server:
    """The server of this store; not started."""
    return Server(state_folder(context.folder.absolute()) / "stores" / context.name)


class Store(Kv2):
    """A store whose server is started at the first request, if it isn't running."""

    def __init__(self, name: str, own: Server) -> None:
        super().__init__(name, Session(name, own.connect, own.log_in), MOUNT)
        self._server = own

    def ping(self) -> str:
        """As its parent's. Raises Unavailable also where the server could not be started again."""
        place = super().ping()
        self._server.require_seal()
        return place


def open_store(_options: Options, context: Context) -> Store:
    """The store; see Store."""
    return Store(context.name, server(context))


def policy(_options: Options, needs: Needs, context: Context) -> Mapping[str, str]:
    """For a token other than the tool's own."""
    return vault_policy.texts(vault_policy.Engine(MOUNT, kv_version=2), needs, context)


def airflow_backend(_options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """Airflow's VaultBackend with a token of its own, in a file, that may read `paths` and nothing else."""
    own = server(context)
    token_file = own.grant_airflow(tuple(dict.fromkeys(sorted((*paths.all, *paths.elsewhere)))))
    auth = TokenAuth(method="token", token=Credential(file=str(token_file)))
    options = VaultOptions(kind="vault", url=own.url, mount=MOUNT, ca_cert=str(own.ca_file), auth=auth)
    return vault_backend(options, paths, context)
