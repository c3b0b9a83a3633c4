"""Starts the systems that the quickstart's connections point at, and puts their addresses and keys into the store.

`python -m examples.quickstart.systems up` (or `down`), from the repository's root. Running it twice changes nothing.
A generated password lives in the store and nowhere else.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import NotFound
from bootstrap.manifest.loader import Manifest, load
from bootstrap.store_admin.put_get import embedded_servers, put_value, value_of
from tests.systems import moto, postgres

HERE = Path(__file__).parent
SYSTEMS = HERE / ".systems"
DATABASE = "analytics"
TABLE = """
CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, total numeric NOT NULL);
ALTER TABLE orders OWNER TO etl;
"""


def up(manifest: Manifest) -> None:
    """Start everything and store what a connection needs."""
    _warehouse(manifest)
    _cloud(manifest)
    [(_, server)] = embedded_servers(manifest)
    url = urlsplit(server.ensure_running())
    place = {"host": str(url.hostname), "port": str(url.port), "ca_file": str(server.ca_file)}
    _put(manifest, "local:http/store_health", place)


def down(manifest: Manifest) -> None:
    """Stop everything; data stays."""
    postgres.stop(SYSTEMS / "postgres")
    moto.stop(SYSTEMS / "moto")
    for _, server in embedded_servers(manifest):
        server.stop()


def _warehouse(manifest: Manifest) -> None:
    server = postgres.start(SYSTEMS / "postgres")
    place = "local:postgres/warehouse"
    password = _known(manifest, f"{place}#password") or secrets.token_urlsafe(24)
    fields = {"host": server.host, "port": str(server.port), "username": "etl", "password": password}
    _put(manifest, place, fields)  # before the server knows it: a run killed in between is finished by the next
    server.ensure_login("etl", password, DATABASE)
    server.sql(TABLE, DATABASE)


def _cloud(manifest: Manifest) -> None:
    server = moto.start(SYSTEMS / "moto")
    place = "local:aws/cloud"
    names = ("access_key_id", "secret_access_key")
    key = tuple(_known(manifest, f"{place}#{name}") for name in names)
    if not (all(key) and moto.accepts_key(server.url, str(key[0]), str(key[1]))):
        key = server.mint()
    _put(manifest, place, dict(zip(names, map(str, key), strict=True)) | {"endpoint_url": server.url})


def _known(manifest: Manifest, reference: str) -> str | None:
    try:
        return value_of(SecretReader(manifest), manifest, reference)
    except NotFound:
        return None


def _put(manifest: Manifest, place: str, fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        reference = f"{place}#{name}"
        if _known(manifest, reference) != value:
            put_value(SecretReader(manifest), manifest, reference, value)


def main(arguments: list[str]) -> int:
    """The command line."""
    actions: dict[str, Callable[[Manifest], None]] = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in actions:
        sys.stderr.write("usage: python -m examples.quickstart.systems up|down\n")
        return 2
    actions[arguments[0]](load(HERE / "bootstrap.yaml"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
