"""Operator: runs any operator of Airflow's, a provider's or yours, and compares what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.checks import _user_code
from bootstrap.checks._user_code import UserCodeError
from bootstrap.checks.base import CheckParams, Run, nowhere
from bootstrap.domain.secret import foreign


class Params(CheckParams):
    """`path` is the operator's dotted path; its module is installed, beside the manifest, or in `airflow.dags`.
    `arguments` go to its constructor. They alone are templates, as in a DAG: in the operator's template fields
    {{ params.conn_id }} and {{ params.run_id }} say which connection and which run this is. `conn_id_argument` is the argument that takes the connection; by default the only
    one whose name ends in `conn_id`. `expect` is what it must return, or {contains: "…"}, a text that must be in it.
    """

    path: _user_code.dotted("airflow.providers.http.operators.http.HttpOperator")  # type: ignore[valid-type]
    arguments: Mapping[str, Any] = {}
    conn_id_argument: str | None = None
    expect: Any = None


CONN_TYPES = ()  # an operator must be named
PROVIDERS = ()
PERMISSIONS = ("whatever the operator asks for",)
COMPARES = "what the operator returns with `expect`; without it, that the operator ended well and no more"
CREATES = "whatever the operator makes, and doesn't remove"
STEPS = ("access",)
TEMPLATES = True
_EXPECT = "correct `expect`, or see what is returned: airflow-bootstrap smoke --show-command"
endpoint = nowhere  # only the operator knows where it goes


def task(conn_id: str, params: Params, run: Run) -> Any:
    """The operator. Raises UserCodeError where it can't be made from the manifest."""
    from bootstrap.airflow.compat import BaseOperator

    kind = _user_code.find(params.path)
    if not (inspect.isclass(kind) and issubclass(kind, BaseOperator)):
        raise UserCodeError(
            f"{params.path} is not an operator's class", "name a class, made from Airflow's BaseOperator"
        )
    if taken := sorted(set(params.arguments) & set(run.arguments)):
        raise UserCodeError(f"a check sets {', '.join(taken)} itself", "leave it out of `arguments`")
    known = set(_parameters(kind))
    arguments = {
        **({"deferrable": False} if "deferrable" in known else {}),
        **params.arguments,
        **_connection(conn_id, params, known),
        "params": {**params.arguments.get("params", {}), "conn_id": conn_id, "run_id": run.id},
    }
    try:
        with _user_code.importable():
            return _guarded(kind)(**arguments, **run.arguments)
    except Exception as err:
        message = f"{kind.__name__} does not take these arguments: {foreign(err)}"
        raise UserCodeError(message, "correct `arguments` in the manifest") from err


def verify(conn_id: str, params: Params, run: Run, result: Any) -> str:  # noqa: ARG001
    """What the operator returned is what `expect` says. Raises UserCodeError, which doesn't quote it."""
    if "expect" not in params.model_fields_set:
        return "the operator ended well, and no more; `expect` proves what it returns"
    wanted = params.expect
    if isinstance(wanted, dict) and set(wanted) == {"contains"}:
        if str(wanted["contains"]) in str(result):
            return "as expected"
        raise UserCodeError(f"what the operator returned has no {wanted['contains']!r} in it", _EXPECT)
    if _plain(result) != wanted or isinstance(wanted, bool) != isinstance(result, bool):
        raise UserCodeError(f"the operator returned another {type(result).__name__} than `expect` says", _EXPECT)
    return "as expected"


def _connection(conn_id: str, params: Params, known: set[str]) -> dict[str, str]:
    """The argument that takes the connection; none where the manifest gives all of them."""
    name = params.conn_id_argument
    if name is not None:
        return {name: conn_id}
    every = sorted(argument for argument in known if argument.endswith("conn_id"))
    left = [argument for argument in every if argument not in params.arguments]
    if len(left) == 1:
        return {left[0]: conn_id}
    if every and not left:
        return {}
    found = f"it has {', '.join(left)}" if left else "it has none that ends in conn_id"
    message = f"which argument of {params.path} takes the connection is not clear: {found}"
    raise UserCodeError(message, "name it in `conn_id_argument`, or give the others in `arguments`")


def _parameters(kind: type) -> Iterator[str]:
    """The names that the constructor takes, also those that it hands on to the classes above; not BaseOperator's."""
    from bootstrap.airflow.compat import BaseOperator

    for each in kind.__mro__:
        if each in BaseOperator.__mro__:
            return
        if "__init__" in vars(each):
            parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
            yield from (one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))
            if not any(one.kind is one.VAR_KEYWORD for one in parameters):
                return


def _guarded(kind: Any) -> Any:
    """The same operator, whose `execute` can only return or fail."""

    def execute(self: Any, context: Any) -> Any:
        with _user_code.guarded(kind.__name__):
            result = kind.execute(self, context)
            _user_code.require_ran(kind.__name__, result)
            return result

    return type(kind.__name__, (kind,), {"execute": execute, "__module__": kind.__module__, "__doc__": kind.__doc__})


def _plain(value: Any) -> Any:
    """The value as YAML could have it: tuples (a database's rows) are lists."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
