"""One server: made, started, stopped, and asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import Unavailable
from bootstrap.stores.embedded import configuration, wire
from bootstrap.stores.embedded.configuration import MOUNT
from bootstrap.stores.embedded.keys import AirflowAccess, Keys
from bootstrap.stores.embedded.process import START_TIMEOUT, Process
from bootstrap.stores.vault.client import Transport, connect, translate
from bootstrap.util.files import locked, private_folder

if TYPE_CHECKING:
    import hvac

_UNSEALING_FAILED = "failed to unseal core"  # in the server's log; it would try again, with the same key
_TRIES = 3  # ports that somebody takes while we start


@dataclass(frozen=True)
class Status:
    """What `store status` tells."""

    running: bool
    url: str | None
    pid: int | None


class Server:
    """The server that keeps its data in `folder`.

    `token_file` is what Airflow logs in with, `ca_file` whom Airflow and we trust to be the server.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = Process(folder)
        self._airflow = AirflowAccess(folder)
        self._keys = Keys(folder, self._connected)
        self.token_file = self._airflow.token_file
        self.ca_file = configuration.ca_file(folder)

    @property
    def url(self) -> str:
        """Where the server listens, or did when it last ran. Raises Unavailable if it has never run."""
        found = configuration.address(self.folder)
        if not found:
            raise Unavailable(f"the store in {self.folder} has never been started", "airflow-bootstrap store start")
        return configuration.url(found["port"])

    def status(self) -> Status:
        """Where the server runs, if it does. Starts nothing."""
        pid = self._process.pid
        place = self.url if configuration.address(self.folder) else None
        running = pid is not None and place is not None and wire.healthy(self.folder, place)
        return Status(running=running, url=place, pid=pid)

    @configuration.named()
    def ensure_running(self) -> str:
        """Initialise and start what isn't there yet; return the URL. Raises Unavailable, Denied.

        A server from before, without TLS and with a root token on disk, keeps its data and gets what a new one has.
        """
        if not (self.status().running and self._keys.are_settled):
            private_folder(self.folder.parent)
            with self._locked():
                if not self._keys.file.exists():
                    self._initialise()
                if not self.status().running:
                    self._start()
                if not self._keys.are_settled:
                    self._as_root(self._keys.make_token, self._airflow.revoke_sent_in_clear)
        return self.url

    @configuration.named()
    def stop(self) -> bool:
        """End the server if it runs; True if it did. Raises Unavailable where it could never be started again."""
        if self._process.pid is not None:
            configuration.require_seal(self.folder)
        return self._process.stop()

    def require_seal(self) -> None:
        """Raises Unavailable where the server could not be started again, which one that runs doesn't notice."""
        configuration.require_seal(self.folder)

    def connect(self) -> hvac.Client:
        """A client without a token, of the running server. Raises Unavailable, Denied."""
        self.ensure_running()
        return self._connected()

    @configuration.named()
    def log_in(self, client: hvac.Client) -> None:
        """Give the client the tool's own token; a new one, if that is no longer taken. Raises Denied, Unavailable."""
        if self._refuses_token():
            with self._locked():
                if self._refuses_token():  # and nobody made another one meanwhile
                    self._as_root(self._keys.make_token)
        client.token = self._keys.token.reveal()

    def client(self) -> hvac.Client:
        """A client that may do what the tool's commands do."""
        client = self.connect()
        self.log_in(client)
        return client

    @configuration.named()
    def grant_airflow(self, folders: tuple[str, ...]) -> Path:
        """Let Airflow read what is below `folders` of the mount, and nothing else; return its token's file.

        Raises Denied if neither our token nor the recovery key is taken any longer, Unavailable.
        """
        place = self.ensure_running()
        if not self._airflow.is_told(folders):
            with self._locked():
                self._as_root(lambda root: self._airflow.tell(root, folders))
        if not self._airflow.is_fresh(place):
            client = self.client()
            with self._locked():
                translate(self._where, lambda: self._airflow.freshen(client))
        return self.token_file

    @property
    def _where(self) -> str:
        return f"the embedded store in {self.folder}"

    def _locked(self) -> AbstractContextManager[None]:
        lock = self.folder.parent / f"{self.folder.name}.lock"
        busy = f"another process is starting the store in {self.folder}"
        return locked(lock, timeout=START_TIMEOUT * 2, busy=busy)

    def _connected(self) -> hvac.Client:
        return connect(self.url, self._transport)

    @property
    def _transport(self) -> Transport:
        return Transport(ca_cert=str(self.ca_file), client_cert=())

    def _refuses_token(self) -> bool:
        """Renew the tool's token, or look whether it is valid."""
        renews = not self._keys.is_fresh
        method, path = ("POST", "renew-self") if renews else ("GET", "lookup-self")
        token = self._keys.token.reveal()
        status = wire.status(self.folder, self.url, f"/v1/auth/token/{path}", method=method, token=token)
        if renews and status == HTTPStatus.OK:
            self._keys.renewed()
        return status == HTTPStatus.FORBIDDEN

    def _as_root(self, *acts: Callable[[hvac.Client], None]) -> None:
        def act() -> None:
            with self._keys.as_root() as root:
                for each in acts:
                    each(root)

        translate(self._where, act)

    def _initialise(self) -> None:
        """Make the server in a folder beside the final one and move it there whole: its keys are told only once."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise Unavailable(f"the store in {self.folder} has lost its keys.json", configuration.ANEW)
        draft = Server(self.folder.parent / f"{self.folder.name}.new")
        if draft.folder.exists():  # somebody was killed in here
            with draft._process.launching():
                draft._process.stop()
            shutil.rmtree(draft.folder, ignore_errors=True)
        private_folder(configuration.data_folder(private_folder(draft.folder)))
        configuration.make_seal(draft.folder)
        try:
            draft._start(initialised=False)
            translate("the embedded store", draft._first_keys)
        finally:
            draft._process.stop()
        os.replace(draft.folder, self.folder)

    def _first_keys(self) -> None:
        client = connect(self.url, self._transport, timeout=START_TIMEOUT)
        answer: Any = client.sys.initialize(recovery_shares=1, recovery_threshold=1)  # type: ignore[no-untyped-call]  # hvac
        self._keys.first(answer["recovery_keys"][0], answer["root_token"])
        self._process.wait_for("be ready", lambda: wire.healthy(self.folder, self.url))
        with self._keys.as_root() as root:
            root.sys.enable_secrets_engine("kv", path=MOUNT, options={"version": "2"})
            self._process.wait_for("mount its secrets engine", lambda: _mounted(root))
            self._keys.make_token(root)

    def _start(self, *, initialised: bool = True) -> None:
        for left in reversed(range(_TRIES)):
            self._launch()
            try:
                self._process.wait_for("answer", lambda: wire.health(self.folder, self.url) is not None)
                break
            except Unavailable:
                if not left or configuration.has_its_ports(self.folder):
                    raise
        if initialised:
            self._process.wait_for(
                "unseal itself", lambda: wire.healthy(self.folder, self.url), hopeless=_UNSEALING_FAILED
            )

    def _launch(self) -> None:
        with self._process.launching() as lock:
            configuration.require_seal(self.folder)
            if not configuration.certificate_lasts(self.folder):
                self._process.stop()  # what runs has no TLS, or a certificate that nobody knows any more
                configuration.make_certificate(self.folder)
            if not configuration.is_consistent(self.folder):
                self._process.stop()  # nobody knows where it listens
            if self._process.pid is None:  # else somebody started it and was killed, or it is slow to answer
                if self._keys.file.exists():
                    configuration.require_data(self.folder)
                configuration.configure(self.folder)
                self._process.launch(lock)


def _mounted(client: hvac.Client) -> bool:
    """A new KV v2 mount upgrades itself for a moment, and answers 400 meanwhile."""
    import hvac.exceptions

    try:
        client.secrets.kv.v2.create_or_update_secret("_ready", {"value": "1"}, mount_point=MOUNT)
        client.secrets.kv.v2.delete_metadata_and_all_versions("_ready", mount_point=MOUNT)
    except hvac.exceptions.VaultError:
        return False
    return True
