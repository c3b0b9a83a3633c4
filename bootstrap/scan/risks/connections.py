"""AB001 to AB005: what is wrong between the code's connections and the manifest's, as findings beside the risks."""

from __future__ import annotations

from bootstrap.domain.secret import foreign
from bootstrap.scan.model import ConnectionUse, Dynamic, Place, Risk
from bootstrap.scan.risks.rules import RULES


def undeclared(use: ConnectionUse) -> Risk:
    """A connection that the manifest lacks."""
    of = f" ({use.conn_type})" if use.conn_type else ""
    return _finding("AB001", use.place, f"connection {foreign(use.conn_id)}{of} isn't in the manifest")


def unused(conn_id: str, place: Place) -> Risk:
    """A connection that no DAG uses; `place` is its line in the manifest."""
    return _finding("AB002", place, f"no DAG uses connection {foreign(conn_id)}")


def differs(use: ConnectionUse, declared: str) -> Risk:
    """A connection that the manifest declares as another type."""
    said = f"connection {foreign(use.conn_id)} is used as {use.conn_type}, and declared as {foreign(declared)}"
    return _finding("AB003", use.place, said)


def not_installed(use: ConnectionUse) -> Risk:
    """A connection whose operator or hook comes from a distribution that is missing."""
    said = f"{use.package or 'its provider'} isn't installed, which connection {foreign(use.conn_id)} needs"
    return _finding("AB004", use.place, said, f"pip install {use.package}" if use.package else "")


def dynamic(found: Dynamic) -> Risk:
    """An id that only a run can tell."""
    return _finding("AB005", found.place, f"the connection's id is only known at run time: {foreign(found.expression)}")


def _finding(code: str, place: Place, message: str, fix: str = "") -> Risk:
    return Risk(code, place, message, fix or RULES[code].fix)
