"""Airflow's own token for the embedded store: it may read the backend's paths and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.domain.secret import Secret
from bootstrap.stores.embedded import wire
from bootstrap.stores.embedded.configuration import MOUNT, TOKEN_PERIOD
from bootstrap.stores.embedded.keys import AIRFLOW, TOKEN_FRESH
from bootstrap.util.files import write_atomic

if TYPE_CHECKING:
    import hvac


class AirflowAccess:
    """Airflow's policy and token at the server in `folder`; `airflow.policy` is what the server was last told.

    The token's file is not called as it was when the server had no TLS: an airflow.cfg of that time sends to
    http://127.0.0.1 whatever is in that file, to whoever listens there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token_file = folder / "airflow-token"
        self._sent_in_clear = folder / "airflow.token"
        self._known = folder / "airflow.policy"

    def is_told(self, folders: tuple[str, ...]) -> bool:
        """True if the server has this policy."""
        return self._known.exists() and self._known.read_text(errors="replace") == _policy(folders)

    def tell(self, root: hvac.Client, folders: tuple[str, ...]) -> None:
        """Give the server the policy. Raises hvac's exceptions."""
        policy = _policy(folders)
        root.sys.create_or_update_policy(AIRFLOW, policy)
        write_atomic(self._known, policy)

    def is_fresh(self, url: str) -> bool:
        """True if the server accepts Airflow's token, and will do so for long."""
        if not self.token_file.exists() or time.time() - self.token_file.stat().st_mtime > TOKEN_FRESH:
            return False
        return wire.status(self.folder, url, "/v1/auth/token/lookup-self", token=self._token()) == HTTPStatus.OK

    def freshen(self, client: hvac.Client) -> None:
        """Renew Airflow's token, or write another one. Raises hvac's exceptions."""
        if not self._renewed(client):
            answer = client.auth.token.create_orphan(policies=[AIRFLOW], period=TOKEN_PERIOD, no_default_policy=True)
            write_atomic(self.token_file, answer["auth"]["client_token"])

    def revoke_sent_in_clear(self, root: hvac.Client) -> None:
        """Take back the token that travelled without TLS. Raises hvac's exceptions."""
        import hvac.exceptions

        if self._sent_in_clear.exists():
            with contextlib.suppress(hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):  # it ended
                root.auth.token.revoke(self._sent_in_clear.read_text(errors="replace").strip())
            self._sent_in_clear.unlink()

    def _renewed(self, client: hvac.Client) -> bool:
        import hvac.exceptions

        try:
            client.auth.token.renew(self._token())
        except (hvac.exceptions.VaultError, FileNotFoundError):
            return False
        os.utime(self.token_file)
        return True

    def _token(self) -> str:
        return Secret(self.token_file.read_text(errors="replace")).reveal()


def _policy(folders: tuple[str, ...]) -> str:
    paths = (json.dumps(f"{MOUNT}/data/{folder}/*", ensure_ascii=False) for folder in folders)
    rules = [f'path {path} {{ capabilities = ["read"] }}' for path in paths]
    own = 'path "auth/token/lookup-self" { capabilities = ["read"] }'  # providers before 4.6 look their token up
    return "\n".join([*rules, own, ""])
