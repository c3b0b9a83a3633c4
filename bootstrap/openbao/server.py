"""One server: made, started, stopped, and asked."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import Unavailable
from bootstrap.files import locked, private_folder, write_atomic
from bootstrap.openbao import wire
from bootstrap.openbao.airflow_access import AirflowAccess
from bootstrap.openbao.configuration import MOUNT, address, configure, read_json
from bootstrap.openbao.process import START_TIMEOUT, Process
from bootstrap.secret import Secret

if TYPE_CHECKING:
    import hvac


@dataclass(frozen=True)
class Status:
    """What `store status` tells."""

    running: bool
    url: str | None
    pid: int | None


class Server:
    """The server that keeps its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = Process(folder)
        self._airflow = AirflowAccess(folder)
        self._keys = folder / "keys.json"

    @property
    def token_file(self) -> Path:
        """What Airflow logs in with."""
        return self._airflow.token_file

    @property
    def url(self) -> str:
        """Where the server listens, or did when it last ran. Raises Unavailable if it has never run."""
        found = address(self.folder)
        if not found:
            raise Unavailable(f"the store in {self.folder} has never been started", "airflow-bootstrap store start")
        return f"http://127.0.0.1:{found['port']}"

    def status(self) -> Status:
        """Whether it runs, and where; starts nothing."""
        pid = self._process.pid
        url = self.url if address(self.folder) else None
        return Status(running=pid is not None and url is not None and wire.healthy(url), url=url, pid=pid)

    def ensure_running(self) -> str:
        """Initialise and start what isn't there yet; return the URL. Raises Unavailable."""
        if self.status().running:
            return self.url
        private_folder(self.folder.parent)
        lock = self.folder.parent / f"{self.folder.name}.lock"
        with locked(lock, timeout=START_TIMEOUT * 2, busy=f"another process is starting the store in {self.folder}"):
            if not self._keys.exists():
                self._initialise()
            if not self.status().running:
                self._start()
        return self.url

    def stop(self) -> bool:
        """End the server if it runs; True if it did."""
        return self._process.stop()

    def client(self) -> hvac.Client:
        """A client with the root token: for the tool itself, never for Airflow."""
        from bootstrap.stores.vault_client import connect

        client = connect(self.ensure_running())
        client.token = self.root_token().reveal()
        return client

    def root_token(self) -> Secret:
        """The token that may do everything on this server."""
        return Secret(read_json(self._keys)["root_token"])

    def grant_airflow(self, folders: tuple[str, ...]) -> Path:
        """Let Airflow read what is below `folders` of the mount, and nothing else; return its token's file.

        Raises Denied if the root token is no longer taken, Unavailable.
        """
        if not self._airflow.is_granted(folders, self.ensure_running()):
            from bootstrap.stores.vault_client import translate

            translate(f"the embedded store in {self.folder}", lambda: self._airflow.grant(self.client(), folders))
        return self.token_file

    def _initialise(self) -> None:
        """Make the server in a folder beside the final one and move it there whole: its keys are told only once."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise Unavailable(
                f"the store in {self.folder} has lost its keys.json", "restore it, or remove the folder to begin anew"
            )
        draft = Server(self.folder.parent / f"{self.folder.name}.new")
        if draft.folder.exists():  # somebody was killed in here
            with draft._process.launching():
                draft.stop()
            shutil.rmtree(draft.folder, ignore_errors=True)
        private_folder(private_folder(draft.folder) / "data")
        write_atomic(draft.folder / "seal.key", secrets.token_bytes(32))
        try:
            draft._start(initialised=False)
            draft._first_keys()
        finally:
            draft.stop()
        os.replace(draft.folder, self.folder)

    def _first_keys(self) -> None:
        from bootstrap.stores.vault_client import connect, translate

        client = connect(self.url, timeout=START_TIMEOUT)
        answer: Mapping[str, Any] = translate(
            "the embedded store",
            lambda: client.sys.initialize(recovery_shares=1, recovery_threshold=1),  # type: ignore[no-untyped-call]  # hvac
        )
        keys = {"root_token": answer["root_token"], "recovery_key": answer["recovery_keys"][0]}
        client.token = answer["root_token"]
        self._process.wait_for("be ready", lambda: wire.healthy(self.url))
        client.sys.enable_secrets_engine("kv", path=MOUNT, options={"version": "2"})
        self._process.wait_for("mount its secrets engine", lambda: _mounted(client))
        write_atomic(self._keys, json.dumps(keys))

    def _start(self, *, initialised: bool = True) -> None:
        with self._process.launching() as lock:
            if self._process.pid is None:  # else somebody started it and was killed, or it is slow to answer
                configure(self.folder)
                self._process.launch(lock)
        self._process.wait_for("answer", lambda: wire.health(self.url) is not None)
        if initialised:
            self._process.wait_for("unseal itself", lambda: wire.healthy(self.url))


def _mounted(client: hvac.Client) -> bool:
    """A new KV v2 mount upgrades itself for a moment, and answers 400 meanwhile."""
    import hvac.exceptions

    try:
        client.secrets.kv.v2.create_or_update_secret("_ready", {"value": "1"}, mount_point=MOUNT)
        client.secrets.kv.v2.delete_metadata_and_all_versions("_ready", mount_point=MOUNT)
    except hvac.exceptions.VaultError:
        return False
    return True
