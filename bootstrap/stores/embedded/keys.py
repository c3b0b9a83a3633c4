"""What lets the tool in (a token that may do what its commands do, and a recovery key for what takes more), and Airflow.

`keys.json` holds the tool's. Before a root token is made, its time is in there, and before it is used, the token, until it is
revoked: whoever is killed meanwhile leaves none that works, because the next command revokes it.

Facts: openbao.org/api-docs/system/generate-root.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied
from bootstrap.stores.embedded import wire
from bootstrap.stores.embedded.configuration import MOUNT, SOCKET, TOKEN_PERIOD, read_json
from bootstrap.util.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable

    import hvac

TOKEN_FRESH = 24 * 3600.0  # seconds until a token is renewed again
AIRFLOW = "airflow"  # the policy of Airflow's token
_TOOL = "airflow-bootstrap"  # the policy of ours
_RIGHTS = {
    f"{MOUNT}/data/*": ("create", "read", "update"),
    f"{MOUNT}/metadata/*": ("list", "read"),
    **dict.fromkeys((f"{MOUNT}/{act}/*" for act in ("delete", "undelete", "destroy")), ("update",)),
    "auth/token/lookup-self": ("read",),
    **dict.fromkeys(("auth/token/renew-self", "auth/token/renew"), ("update",)),  # `renew`: Airflow's
    # `rotate` with the issuer vault_token
    "auth/token/accessors/": ("list", "sudo"),
    **dict.fromkeys((f"auth/token/{act}" for act in ("lookup", "lookup-accessor", "revoke-accessor")), ("update",)),
}
# … which makes tokens that may read what Airflow's may. "sudo": else one can't make what one may not do oneself.
_MINT = f"""
path "auth/token/create-orphan" {{
  capabilities = ["sudo", "update"]
  required_parameters = ["policies"]
  allowed_parameters = {{ "policies" = [["{AIRFLOW}"]], "*" = [] }}
  denied_parameters = {{ "id" = [] }}
}}
"""
_SINCE = "root_token_since"
_OF_ROOT = {"root_token", _SINCE}
_ATTEMPT = "/v1/sys/generate-root/attempt"
_UPDATE = "/v1/sys/generate-root/update"


class Keys:
    """`keys.json` in the server's folder; `connect` makes a client without a token."""

    def __init__(self, folder: Path, connect: Callable[[], hvac.Client]) -> None:
        self.folder = folder
        self.file = folder / "keys.json"
        self._connect = connect

    @property
    def token(self) -> Secret:
        """The tool's own; empty if there is none yet."""
        return Secret(read_json(self.file).get("token", ""))

    @property
    def is_fresh(self) -> bool:
        """True if the token was renewed not long ago."""
        return time.time() - self.file.stat().st_mtime < TOKEN_FRESH

    @property
    def are_settled(self) -> bool:
        """True if no root token is left (by somebody who was killed, or by an airflow-bootstrap that worked with it), and
        the tool's token may do what its commands need now.
        """
        known = read_json(self.file)
        return not _OF_ROOT & set(known) and known.get("policy") == _own_policy()

    def renewed(self) -> None:
        """The server has just renewed the token."""
        os.utime(self.file)

    def first(self, recovery_key: str, root: str) -> None:
        """Those of a new server. Raises hvac's exceptions."""
        self._write({"recovery_key": recovery_key, "root_token": root})

    @contextlib.contextmanager
    def as_root(self) -> Iterator[hvac.Client]:
        """A client that may do everything, until the end. Raises Denied, Unavailable."""
        client = self._connect()
        client.token = self._root(client).reveal()
        try:
            yield client
        finally:
            client.auth.token.revoke_and_orphan_children(client.token)
            self._write({name: value for name, value in read_json(self.file).items() if name not in _OF_ROOT})

    def make_token(self, root: hvac.Client) -> None:
        """A new token for the tool. Raises hvac's exceptions."""
        policy = _own_policy()
        root.sys.create_or_update_policy(_TOOL, policy)
        answer = root.auth.token.create_orphan(policies=[_TOOL], period=TOKEN_PERIOD, no_default_policy=True)
        self._write({**read_json(self.file), "token": answer["auth"]["client_token"], "policy": policy})

    def _root(self, client: hvac.Client) -> Secret:
        """The one that is left, if it works; else a new one."""
        import hvac.exceptions

        known = read_json(self.file)
        if "root_token" in known:
            client.token = known["root_token"]
            with contextlib.suppress(hvac.exceptions.Forbidden):
                client.auth.token.lookup_self()
                return Secret(known["root_token"])
        if "recovery_key" not in known:
            message = f"the embedded store in {self.folder}: {self.file.name} has lost its recovery_key"
            raise Denied(message, "restore it")
        killed = known.get(_SINCE)
        known[_SINCE] = killed or time.time()
        self._write(known)
        client.token = root_token(self.folder, known["recovery_key"]).reveal()
        self._write({**known, "root_token": client.token})
        if killed:
            _revoke_others(client, killed)
        return Secret(client.token)

    def _write(self, keys: dict[str, Any]) -> None:
        write_atomic(self.file, json.dumps(keys))


def root_token(folder: Path, recovery_key: str) -> Secret:
    """A root token of the running server in `folder`, made through the socket in there.

    Raises Denied if it doesn't take the key, Unavailable.
    """
    socket = folder / SOCKET
    wire.through_socket(socket, "DELETE", _ATTEMPT)  # one that somebody was killed in
    begun, attempt = wire.through_socket(socket, "PUT", _ATTEMPT, {})
    key = {"key": recovery_key, "nonce": attempt.get("nonce")}
    done, answer = wire.through_socket(socket, "PUT", _UPDATE, key)
    if begun != HTTPStatus.OK or done != HTTPStatus.OK:
        message = f"the embedded store in {folder} does not take the recovery key in its keys.json"
        raise Denied(message, "restore keys.json, or remove the folder to begin anew: its secrets are lost then")
    encoded, once = answer["encoded_token"], attempt["otp"].encode()
    padded = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return Secret(bytes(one ^ other for one, other in zip(padded, once, strict=True)).decode())


def _revoke_others(root: hvac.Client, since: float) -> None:
    """Revoke root tokens of runs that were killed before they had written them down."""
    import hvac.exceptions

    token = root.auth.token
    own = token.lookup_self()["data"]
    for accessor in token.list_accessors()["data"]["keys"]:
        with contextlib.suppress(hvac.exceptions.VaultError):  # it has just ended
            found = token.lookup_accessor(accessor)["data"]
            younger = since - 1 <= found["creation_time"] <= own["creation_time"]
            if accessor != own["accessor"] and found["policies"] == ["root"] and younger:
                token.revoke_accessor(accessor)


def _own_policy() -> str:
    rules = (f'path "{path}" {{ capabilities = {json.dumps(rights)} }}' for path, rights in _RIGHTS.items())
    return "\n".join(rules) + _MINT


class AirflowAccess:
    """Airflow's policy and token at the server in `folder`: it may read the backend's paths and nothing else.

    `airflow.policy` is what the server was last told.
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
        return self._known.exists() and self._known.read_text(errors="replace") == _airflow_policy(folders)

    def tell(self, root: hvac.Client, folders: tuple[str, ...]) -> None:
        """Give the server the policy. Raises hvac's exceptions."""
        policy = _airflow_policy(folders)
        root.sys.create_or_update_policy(AIRFLOW, policy)
        write_atomic(self._known, policy)

    def is_fresh(self, url: str) -> bool:
        """True if the server accepts Airflow's token, and will do so for long."""
        if not self.token_file.exists() or time.time() - self.token_file.stat().st_mtime > TOKEN_FRESH:
            return False
        return wire.status(self.folder, url, "/v1/auth/token/lookup-self", token=self._token()) == HTTPStatus.OK

    def freshen(self, client: hvac.Client) -> None:
        """Renew Airflow's token, or write another one. Raises hvac's exceptions."""
        import hvac.exceptions

        try:
            client.auth.token.renew(self._token())
            os.utime(self.token_file)
        except (hvac.exceptions.VaultError, FileNotFoundError):
            answer = client.auth.token.create_orphan(policies=[AIRFLOW], period=TOKEN_PERIOD, no_default_policy=True)
            write_atomic(self.token_file, answer["auth"]["client_token"])

    def revoke_sent_in_clear(self, root: hvac.Client) -> None:
        """Take back the token that travelled without TLS. Raises hvac's exceptions."""
        import hvac.exceptions

        if self._sent_in_clear.exists():
            with contextlib.suppress(hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):  # it ended
                root.auth.token.revoke(self._sent_in_clear.read_text(errors="replace").strip())
            self._sent_in_clear.unlink()

    def _token(self) -> str:
        return Secret(self.token_file.read_text(errors="replace")).reveal()


def _airflow_policy(folders: tuple[str, ...]) -> str:
    paths = (json.dumps(f"{MOUNT}/data/{folder}/*", ensure_ascii=False) for folder in folders)
    rules = [f'path {path} {{ capabilities = ["read"] }}' for path in paths]
    own = 'path "auth/token/lookup-self" { capabilities = ["read"] }'  # providers before 4.6 look their token up
    return "\n".join([*rules, own, ""])
