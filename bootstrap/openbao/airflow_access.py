"""What Airflow logs in with: a token of its own that reads some folders of the mount, and nothing else."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.files import write_atomic
from bootstrap.openbao import wire
from bootstrap.openbao.configuration import MOUNT, TOKEN_PERIOD
from bootstrap.secret import Secret

if TYPE_CHECKING:
    import hvac

TOKEN_FRESH = 24 * 3600.0  # seconds until the token is renewed again


class AirflowAccess:
    """Airflow's policy and token at the server in `folder`; `airflow.policy` is what the server was last told."""

    def __init__(self, folder: Path) -> None:
        self.token_file = folder / "airflow.token"
        self._known = folder / "airflow.policy"

    def is_granted(self, folders: tuple[str, ...], url: str) -> bool:
        """Whether there is nothing to do."""
        return self._known.exists() and self._known.read_text() == _policy(folders) and self._fresh(url)

    def grant(self, client: hvac.Client, folders: tuple[str, ...]) -> None:
        """Tell the server, and write the token's file. Raises hvac's exceptions."""
        policy = _policy(folders)
        client.sys.create_or_update_policy("airflow", policy)
        if not self._renewed(client):
            answer = client.auth.token.create_orphan(policies=["airflow"], period=TOKEN_PERIOD, no_default_policy=True)
            write_atomic(self.token_file, answer["auth"]["client_token"])
        write_atomic(self._known, policy)

    def _fresh(self, url: str) -> bool:
        """Whether the server takes Airflow's token, and will for long."""
        if not self.token_file.exists() or time.time() - self.token_file.stat().st_mtime > TOKEN_FRESH:
            return False
        return wire.get(url, "/v1/auth/token/lookup-self", self._token()) == http.client.OK

    def _token(self) -> str:
        return Secret(self.token_file.read_text(errors="replace")).reveal()

    def _renewed(self, client: hvac.Client) -> bool:
        import hvac.exceptions

        if not self.token_file.exists():
            return False
        try:
            client.auth.token.renew(self._token())
        except hvac.exceptions.VaultError:
            return False
        os.utime(self.token_file)
        return True


def _policy(folders: tuple[str, ...]) -> str:
    paths = (json.dumps(f"{MOUNT}/data/{folder}/*", ensure_ascii=False) for folder in folders)
    rules = [f'path {path} {{ capabilities = ["read"] }}' for path in paths]
    own = 'path "auth/token/lookup-self" { capabilities = ["read"] }'  # providers before 4.6 look their token up
    return "\n".join([*rules, own, ""])
