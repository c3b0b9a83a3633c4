"""A scan's result as findings, each with a code: what differs from the manifest, and risks."""

from __future__ import annotations

import os
from pathlib import Path

from bootstrap.scan.model import Place, Risk
from bootstrap.scan.result import Result
from bootstrap.scan.risks import connections
from bootstrap.util.yaml_document import reread


def findings(result: Result, manifest: Path) -> list[Risk]:
    """AB001 to AB005, then the risks. `manifest` is the file that connections are declared in; it needn't exist."""
    found = [connections.undeclared(use) for each in result.undeclared for use in each.uses]
    found += [
        connections.differs(use, str(each.declared_type))
        for each in result.connections
        if each.wrong_type
        for use in each.uses
        if use.conn_type
    ]
    found += [
        connections.not_installed(use)
        for each in result.connections
        if not each.installed
        for use in each.uses
        if use.package
    ]
    found += [connections.unused(conn_id, place) for conn_id, place in _declarations(result, manifest)]
    found += [connections.dynamic(each) for each in result.dynamic]
    return [*dict.fromkeys(found), *result.risks]


def _declarations(result: Result, manifest: Path) -> list[tuple[str, Place]]:
    """Unused connections, with their lines of the manifest."""
    if not result.unused:
        return []
    document = reread(manifest, None)
    file = Path(os.path.relpath(manifest, result.folder)).as_posix()
    places = [(conn_id, ("connections", conn_id)) for conn_id in result.unused]
    return [(conn_id, Place(file, document.place(path).line if document.has(path) else 1)) for conn_id, path in places]
