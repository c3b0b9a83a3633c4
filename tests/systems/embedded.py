"""The embedded store, as its owner sees it who has the recovery key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.stores.embedded.keys import root_token

if TYPE_CHECKING:
    import hvac

    from bootstrap.stores.embedded import Server


_tokens: dict[Path, str] = {}  # of servers of this test run: one for each, so that a test can tell it from others


def as_root(server: Server) -> hvac.Client:
    """A client that may do everything, with a token that the tool doesn't know of."""
    client = server.connect()
    if server.folder not in _tokens:
        keys = json.loads((server.folder / "keys.json").read_text())
        _tokens[server.folder] = root_token(server.folder, keys["recovery_key"]).reveal()
    client.token = _tokens[server.folder]
    return client
