"""The words by which Airflow's backend of a store takes a connection's fields, where they aren't Airflow's own.

Each makes of a secret's document the one that Airflow makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from bootstrap.domain.connection import FIELDS

Wording: TypeAlias = Callable[[Any], Any]  # from a JSON object or list, to an object

_AWS = {  # SecretsManagerBackend._standardize_secret_keys; the first key of the secret that is among them counts
    "login": ("login", "user", "username", "user_name"),
    "password": ("password", "pass", "key"),
    "host": ("host", "remote_host", "server"),
    "port": ("port",),
    "schema": ("database", "schema"),
    "conn_type": ("conn_type", "conn_id", "connection_type", "engine"),
    "extra": ("extra",),
}


def secrets_manager(kwargs: Mapping[str, Any]) -> Wording:
    """AWS Secrets Manager's; `kwargs` are those of the backend in airflow.cfg, which may have `extra_conn_words`."""
    more = kwargs.get("extra_conn_words")
    more = {"login" if field == "user" else field: words for field, words in (more or {}).items()}
    return partial(_by_words, {field: {*words, *more.get(field, ())} for field, words in _AWS.items()})


def _by_words(words: Mapping[str, set[str]], document: Any) -> Any:
    """Other keys are ignored, as those that RDS adds. Of what is in Airflow's own words, only the description would be."""
    if not isinstance(document, Mapping) or set(document) <= set(FIELDS):
        return document
    found = {
        field: next((value for key, value in document.items() if key in known), None) for field, known in words.items()
    }
    return {field: value for field, value in found.items() if value is not None}


def local_filesystem(conn_id: str) -> Wording:
    """LocalFilesystemBackend's: a list of one is that one, a text is a URI, `extra_dejson` is `extra`, `conn_id` is the key's."""
    return partial(_of_file, conn_id)


def _of_file(conn_id: str, document: Any) -> Any:
    if isinstance(document, list) and len(document) == 1:
        return _of_file(conn_id, document[0])
    if isinstance(document, str):
        return {"conn_uri": document}
    if not isinstance(document, Mapping):
        return document
    fields = {key: value for key, value in document.items() if (key, value) != ("conn_id", conn_id)}
    if "extra_dejson" in fields and "extra" not in fields:
        fields["extra"] = fields.pop("extra_dejson")
    return fields
