"""Asks one of Airflow's sources for a connection or a variable, and sees the errors that Airflow's own look-up hides.

For use inside Airflow's processes, on the very objects that Airflow made. What each answer says is made of our own words and
names of types: an error's text may quote a value.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from bootstrap.airflow import compat
from bootstrap.checks._errors import store_cause
from bootstrap.domain.connection import FIELDS
from bootstrap.domain.secret import foreign
from bootstrap.errors import UNDECRYPTABLE, Unavailable, chain
from bootstrap.explain import backends
from bootstrap.stores.airflow_look import Look, Query, Told
from bootstrap.stores.vault.backend import is_refused
from bootstrap.util.input_text import BadInput
from bootstrap.util.json_text import loads

State = Literal["hit", "miss", "denied", "unreachable", "malformed", "undecryptable", "broken"]
SourceName = Literal["backend", "environment", "database", "execution_api"]

ENVIRONMENT = {"connection": "AIRFLOW_CONN_", "variable": "AIRFLOW_VAR_"}
_FIXED: dict[str, SourceName] = {
    "EnvironmentVariablesBackend": "environment",
    "MetastoreBackend": "database",
    "ExecutionAPISecretsBackend": "execution_api",
}
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)
_WRONG_ARGUMENT = (TypeError, AttributeError, ImportError)
_KNOWN_KEYS = {*FIELDS, "uri"}  # of a connection's JSON
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
_TIMEOUTS = ("DeadlineExceeded", "RetryError")  # Google's


@dataclass(frozen=True)
class Answer:
    """What a source says. `value`: Airflow's Connection, or a variable's text; `detail`: more on the state, without a value.

    `error`: what the source raised; `raised`: to Airflow, too, and not only to us, who asked the store again. `stops`: Airflow
    asks no further source after this error.
    """

    state: State
    value: Any = None
    detail: str = ""
    error: BaseException | None = None
    raised: bool = False
    stops: bool = False
    look: Look | None = None


def source_name(backend: Any) -> SourceName:
    """Which of the four a backend object is."""
    return _FIXED.get(type(backend).__name__, "backend")


def ask(backend: Any, query: Query) -> Answer:
    """Ask as Airflow does. Raises nothing."""
    try:
        if source_name(backend) == "database":
            return _database(backend, query)
        return _variable(backend, query) if query.kind != "connection" else _connection(backend, query)
    except Exception as err:
        return replace(_of_mount(backend, query, err) or failure(err), raised=True)


def _of_mount(backend: Any, query: Query, error: Exception) -> Answer | None:
    """A Vault's refusal, where its mount is to blame: no policy allows the paths of another version of KV."""
    if is_refused(error) and source_name(backend) == "backend":
        try:
            backends.look(backend, query)
        except Told as told:
            return failure(told) if told.state != "miss" else None
        except Exception:
            return None
    return None


def failure(error: BaseException) -> Answer:
    """What a source's error means. Names of types are hvac's, google's, botocore's, and Airflow's own."""
    if compat.is_final(error):
        detail = f"Airflow asks nobody else after it: {type(error).__name__}"
        return Answer("denied", detail=detail, error=error, stops=True)
    if isinstance(error, Told):
        return Answer(error.state, detail=error.detail)
    kinds = [type(link).__name__ for link in chain(error)]
    if type(error) is json.JSONDecodeError or "FailedPrecondition" in kinds or isinstance(error, UnicodeDecodeError):
        detail = "is not text" if isinstance(error, UnicodeDecodeError) else "is not valid JSON"
        if "FailedPrecondition" in kinds[0]:
            detail = "has a latest version that is disabled or destroyed"
        return Answer("malformed", detail=detail, error=error)
    if store_cause(error, "").name == "store_denied":
        return Answer("denied", detail=f"not allowed, or the credential is wrong: {kinds[0]}", error=error)
    if isinstance(error, _WRONG_ARGUMENT):
        return Answer("broken", detail=f"its keyword arguments don't fit: {kinds[0]}", error=error)
    return Answer("unreachable", detail=_why_unreachable(error, kinds), error=error)


def is_store_wide(answer: Answer) -> bool:
    """True if the whole store is out of reach, so that asking for the next secret would fail as slowly."""
    if answer.state != "unreachable" or answer.error is None:
        return False
    return any(
        isinstance(link, OSError) or _timed_out(link) or "sealed" in str(link).lower() for link in chain(answer.error)
    )


def _timed_out(error: BaseException) -> bool:
    kind = type(error).__name__
    return isinstance(error, TimeoutError) or "Timeout" in kind or kind in _TIMEOUTS


def _why_unreachable(error: BaseException, kinds: list[str]) -> str:
    if isinstance(error, Unavailable):
        return foreign(error)
    for link in chain(error):
        if "sealed" in str(link).lower():
            return "the store is sealed"
        if isinstance(link, ConnectionRefusedError):
            return "the store refuses connections"
    if any(map(_timed_out, chain(error))):
        return "the store does not answer in time"
    return f"the store can't be asked: {kinds[0]}"


def _connection(backend: Any, query: Query) -> Answer:
    owner = next(kind for kind in type(backend).__mro__ if "get_connection" in vars(kind))
    if owner.__name__ != "BaseSecretsBackend":  # it has no get_conn_value: LocalFilesystemBackend, old ones
        return _made(backend, query)
    value = _call(backend.get_conn_value, query)
    if value is None:
        return _nothing(backend, query)
    if not value:
        return Answer("malformed", detail="is empty, which Airflow takes for missing")
    try:
        conn = backend.deserialize_connection(conn_id=query.key, value=value)
        conn.get_uri()  # Airflow asks a connection for it at once: one that has none can't be used
    except Exception as err:
        return Answer("malformed", detail=_not_a_connection(err) + _stray_keys(value), error=err)
    return Answer("hit", conn, look=_looked(backend, query))


def _made(backend: Any, query: Query) -> Answer:
    """Such a class reads and parses in one: first, without Airflow's part, whether its store answers at all."""
    backends.look(backend, query)
    try:
        conn = _call(backend.get_connection, query)
        if conn is None:
            return Answer("miss")
        conn.get_uri()
        return Answer("hit", conn, look=_looked(backend, query))
    except Exception as err:
        if source_name(backend) == "execution_api" and "not" in str(err).lower() and "found" in str(err).lower():
            return Answer("miss")  # what others say by None, some releases say by an error
        if isinstance(err, _UNREADABLE) or type(err).__name__.startswith("AirflowFile"):
            return Answer("malformed", detail=_not_a_connection(err), error=err)
        raise


def _not_a_connection(error: BaseException) -> str:
    return f"is not a connection that Airflow can read ({type(error).__name__})"


def _stray_keys(text: str) -> str:
    """The keys that make Airflow refuse the whole secret."""
    try:
        document = loads(text)
    except BadInput as err:
        return f": {err.problem}" if text.lstrip().startswith("{") else ""
    keys = [key for key in document if key not in _KNOWN_KEYS] if isinstance(document, dict) else []
    named = ", ".join(key if document[key] and PLAIN.fullmatch(key) else "another one" for key in sorted(keys))
    return f": Airflow knows no key {named}" if named else ""


def _variable(backend: Any, query: Query) -> Answer:
    value = backend.get_config(query.key) if query.kind == "config" else _call(backend.get_variable, query)
    if value is None:
        return _nothing(backend, query)
    return Answer("hit", value, look=_looked(backend, query))


def _nothing(backend: Any, query: Query) -> Answer:
    """A backend says that there is no such secret: some say so of a refusal, or of a secret that they can't read, too."""
    try:
        found = backends.look(backend, query) if source_name(backend) == "backend" else None
    except Exception as err:
        return failure(err)
    if found is not None and found.problem:
        return Answer("malformed", detail=found.problem, look=found)
    if found is not None:
        return Answer("malformed", detail="is there, and Airflow's backend takes it for missing", look=found)
    return Answer("miss")


def _looked(backend: Any, query: Query) -> Look | None:
    """Metadata that the store gives of a secret that Airflow has read; None if the credential may not ask for it."""
    with contextlib.suppress(Exception):
        return backends.look(backend, query) if source_name(backend) == "backend" else None
    return None


def _database(backend: Any, query: Query) -> Answer:
    if missing := compat.missing_database():
        return Answer("unreachable", detail=missing)
    try:
        found = _call(backend.get_variable if query.kind == "variable" else backend.get_connection, query)
        if found is None and query.kind == "variable" and compat.has_variable_row(query.key, query.team):
            return Answer("undecryptable", detail=UNDECRYPTABLE)
    except Exception as err:
        return _database_failure(err)
    if found is None:
        return Answer("miss")
    try:
        if query.kind != "variable":
            found.get_uri()  # Airflow reads the whole row at once: what it can't decrypt hides the rest
    except Exception as err:
        malformed = Answer("malformed", detail=_not_a_connection(err), error=err)
        return _database_failure(err) if _is_decryption(err) else malformed
    return Answer("hit", found)


def _is_decryption(error: BaseException) -> bool:
    return any("fernet" in str(link).lower() or type(link).__name__ == "InvalidToken" for link in chain(error))


def _database_failure(error: BaseException) -> Answer:
    text = str(error).lower()
    kind = type(error).__name__
    if _is_decryption(error):
        return Answer("undecryptable", detail=UNDECRYPTABLE, error=error)
    if any(word in text for word in ("no such table", "no such column", "does not exist", "doesn't exist")):
        return Answer("unreachable", detail="it is not migrated: run `airflow db migrate`", error=error)
    if any(word in text for word in ("authentication failed", "access denied", "permission denied")):
        return Answer("denied", detail=f"the database refuses Airflow's credential: {kind}", error=error)
    return Answer("unreachable", detail=f"the database can't be asked: {kind}", error=error)


def _call(method: Callable[..., Any], query: Query) -> Any:
    argument = {"conn_id" if query.kind == "connection" else "key": query.key}
    return compat.call_backend(method, query.team, **argument)
