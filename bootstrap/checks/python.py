"""Python: calls a function of yours with the connection. It passes by returning None or True, or (True, a message) as Airflow's `test_connection` does; it fails by raising, and by returning anything else."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

from bootstrap.checks import _user_code
from bootstrap.checks.base import CheckParams, Run, connection, nowhere
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`callable` is the dotted path of a function, in a module beside the manifest, in `airflow.dags`, or installed. It
    is called with the connection, as `BaseHook.get_connection` gives it, and `arguments` by their names.
    """

    callable: _user_code.dotted("my_checks.can_read")  # type: ignore[valid-type]
    arguments: Mapping[str, Any] = {}


CONN_TYPES = ()  # a function must be named
PROVIDERS = ()
PERMISSIONS = ("whatever the function asks for",)
COMPARES = "what the function returns"
CREATES = "whatever the function makes, and doesn't remove"
STEPS = ("access",)
_RETURN = 'return None or True where all is well, else (False, "why"), or raise; bool(…) makes a bool'
endpoint = nowhere  # only the function knows where it goes


def task(conn_id: str, params: Params, run: Run) -> Any:
    """A task that calls the function. Raises UserCodeError."""
    function = _user_code.find(params.callable)
    if not callable(function):
        raise _user_code.UserCodeError(f"{params.callable} can't be called", "name a function in the manifest")
    with contextlib.suppress(TypeError, ValueError):  # written in C: it says itself what it misses
        signature = inspect.signature(function)
        try:
            signature.bind(None, **params.arguments)
        except TypeError as err:
            message = f"{params.callable}{signature} can't be called with the connection and the arguments given: {foreign(err)}"
            raise _user_code.UserCodeError(message, "correct `arguments`, or the function") from err

    def work() -> str:
        conn = connection(conn_id)
        with _user_code.guarded(params.callable):
            return _message(params.callable, function(conn, **params.arguments))

    return run.task(work)


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """The function's own message, for the report."""
    return foreign(result)


def _message(path: str, result: Any) -> str:
    """The message of a verdict. Raises UserCodeError for what is none, RuntimeError for `(False, …)`.

    What counts as true in an `if` is no verdict: it may be an accident, as the truth of a table or an array is.
    """
    if result is None or result is True:
        return ""
    match result:
        case tuple((True, str(message))):
            return message
        case tuple((False, str(message))):
            raise RuntimeError(f"{path} returned False: {message}")
    _user_code.require_ran(path, result)
    raise _user_code.UserCodeError(f"{path} returned {_user_code.shown(result)}", _RETURN)
