"""A root token, for the moment in which one is needed: made with the recovery key, through the socket in our own folder.

Facts: openbao.org/api-docs/system/generate-root.
"""

from __future__ import annotations

import base64
from http import HTTPStatus
from pathlib import Path

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied
from bootstrap.stores.embedded import wire
from bootstrap.stores.embedded.configuration import SOCKET

_ATTEMPT = "/v1/sys/generate-root/attempt"
_UPDATE = "/v1/sys/generate-root/update"


def root_token(folder: Path, recovery_key: str) -> Secret:
    """Of the running server in `folder`. Raises Denied if it doesn't take the key, Unavailable."""
    socket = folder / SOCKET
    wire.through_socket(socket, "DELETE", _ATTEMPT)  # one that somebody was killed in
    begun, attempt = wire.through_socket(socket, "PUT", _ATTEMPT, {})
    key = {"key": recovery_key, "nonce": attempt.get("nonce")}
    done, answer = wire.through_socket(socket, "PUT", _UPDATE, key)
    if begun != HTTPStatus.OK or done != HTTPStatus.OK:
        raise Denied(
            f"the embedded store in {folder} does not take the recovery key in its keys.json",
            "restore keys.json, or remove the folder to begin anew: its secrets are lost then",
        )
    return Secret(_decoded(answer["encoded_token"], attempt["otp"]))


def _decoded(encoded: str, once: str) -> str:
    padded = encoded + "=" * (-len(encoded) % 4)
    return bytes(one ^ other for one, other in zip(base64.b64decode(padded), once.encode(), strict=True)).decode()
