"""A folder of a store as a source: the manifest refers to each connection in it, and copies none."""

from __future__ import annotations

import re
from typing import Any

from bootstrap.convert.conversion import Conversion
from bootstrap.convert.found import LeftOut
from bootstrap.desired import interpret
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.reference import Reference, parse_reference
from bootstrap.errors import (
    BootstrapError,
    Denied,
    IllegalName,
    Malformed,
    NotFound,
    StoreError,
    Unavailable,
    UsageError,
)
from bootstrap.manifest.field_types import CONN_TYPE, NAME
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import INDEX
from bootstrap.store_admin.put_get import known_store
from bootstrap.stores.base import Stored, read_many

_NAME = re.compile(NAME.strip("^$"))


def read(manifest: Manifest, secrets: SecretReader, source: str) -> tuple[Conversion, list[BootstrapError]]:
    """`source` is STORE:PREFIX. Also what is left out, and why. Raises UsageError, StoreError where nothing can be read."""
    name, _, given = source.partition(":")
    store = known_store(secrets, manifest, name)
    prefix = given.strip(store.separator)
    paths = [path for path in store.names(prefix) if not path.endswith(f"{store.separator}{INDEX}")]
    if not paths:
        raise NotFound(f"{source}: there is no secret below it", f"airflow-bootstrap store list {name}")
    found = read_many(name, store, ((path, None) for path in paths), secrets.concurrency)
    connections: dict[str, dict[str, Any]] = {}
    left_out: list[BootstrapError] = []
    for path in paths:
        conn_id = path.removeprefix(prefix).removeprefix(store.separator) if prefix else path
        try:
            connections[conn_id] = _connection(name, path, conn_id, found[path, None])
        except Unavailable:
            raise
        except Denied as err:
            left_out.append(err)
        except StoreError as err:
            left_out.append(LeftOut(f"left out: {err.message}", err.hint))
    return Conversion(connections, {}, {}), left_out


def _connection(name: str, path: str, conn_id: str, found: Stored | StoreError) -> dict[str, Any]:
    if isinstance(found, StoreError):
        raise found
    reference = Reference(name, path)
    try:
        nameable = parse_reference(f"{name}:{path}") == reference
    except UsageError:
        nameable = False
    if not nameable:
        raise Malformed(f"{name}:{path}: a reference can't name it, because of # or @ in it", "copy or rename it")
    if not _NAME.fullmatch(conn_id):
        message = f"{reference}: a connection's name has letters, digits, `_`, `.` and `-`"
        raise IllegalName(message, "copy or rename it")
    connection = interpret.whole(found, reference, None)
    connection.mask()
    typed = {"conn_type": connection.conn_type} if re.match(CONN_TYPE, connection.conn_type) else {}
    return {"from": reference, **typed}
