"""From an error to its cause: what checks and the steps around them have in common."""

from __future__ import annotations

import re

from bootstrap.checks import _aws
from bootstrap.checks.base import Cause
from bootstrap.domain.secret import foreign
from bootstrap.errors import Unavailable, chain
from bootstrap.stores.kind import known_in_airflow

_TOKEN = re.compile(r"(\b(?:access_token|id_token|sig|X-Amz-Signature)=|\bBearer )[^&\s\"')]+", re.IGNORECASE)


def summary(said: object) -> str:
    """The first line of an error's or somebody else's text without tokens, or its type."""
    lines = _TOKEN.sub(r"\1***", foreign(said)).strip().splitlines()
    return lines[0].strip() if lines else type(said).__name__


def store_cause(error: BaseException, label: str) -> Cause:
    """Why Airflow's secrets backend failed: the store refused, or could not be asked."""
    refusals = {name for kind in known_in_airflow() for name in kind.REFUSALS}
    for link in chain(error):
        aws = _aws.cause(link)
        if aws is not None and aws.name in ("auth", "permission"):
            said = aws.message or summary(link)
            return Cause("store_denied", f"{label}: the store refused Airflow's credential: {said}")
        if type(link).__name__ in refusals or "Vault Authentication Error" in str(link):
            return Cause("store_denied", f"{label}: the store refused Airflow's credential: {summary(link)}")
        if isinstance(link, FileNotFoundError | PermissionError):
            return Cause("store_denied", f"{label}: can't read Airflow's credential: {summary(link)}")
    return Cause("store_unreachable", f"{label}: {_store_summary(error)}")


def _store_summary(error: BaseException) -> str:
    if isinstance(error, Unavailable):
        return foreign(error)
    for link in chain(error):
        if "sealed" in str(link).lower():
            return "the store is sealed"
        if isinstance(link, ConnectionRefusedError):
            return "the store refuses connections"
    return f"the store can't be asked: {summary(error)}"
