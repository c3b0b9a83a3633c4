"""Google Secret Manager: Airflow's own secrets backend reads the connections, variables and settings that it must."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import Field

from bootstrap.checks import _google, base
from bootstrap.checks.base import Cause, CheckParams, Diagnosed, Endpoint, Place, Run, said
from bootstrap.domain.secret import foreign

KIND = "CloudSecretManagerBackend"


class Params(CheckParams):
    """Names as Airflow asks for them, without the backend's prefixes: `connections` (the check's own, if nothing is
    named), `variables`, and `config`, what airflow.cfg names in its `…_secret` options.
    """

    conn_ids: list[str] = Field(default=[], alias="connections")
    variables: list[str] = []
    config: list[str] = []


CONN_TYPES = ()  # a connection of any type may be in the backend
PROVIDERS = (_google.PROVIDER,)
PERMISSIONS = ("secretmanager.versions.access",)
COMPARES = "the secret's name in the version that Secret Manager gives, and that Airflow can read a connection in it"
CREATES = ""
IMPORTS = ("google.cloud.secretmanager", "airflow.providers.google.cloud.secrets.secret_manager")
STEPS = ("authenticate", "access")  # one request proves both
cause = _google.cause
verify = said


class _Wanted(NamedTuple):
    """A secret that Airflow asks for: what it is, how the backend reads it, and the prefix of its name."""

    kind: str
    name: str
    method: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def endpoint(conn: Any) -> Endpoint | None:  # noqa: ARG001
    """Secret Manager's address, whatever the connection's; None if the backend is another."""
    backend = _backend()
    if backend is None:
        return None
    domain = getattr(backend.credentials, "universe_domain", "") or "googleapis.com"
    return Endpoint(f"secretmanager.{domain}", 443, tls=True)


def place(conn_id: str, params: Params, run: Run, found: Cause) -> Place | None:  # noqa: ARG001
    """The project that the backend asks, where a failure may come of it."""
    if found.name not in ("not_found", "permission"):
        return None
    return Place("project", foreign(_backend().project_id), "correct `project` of the store in the manifest")


def task(conn_id: str, params: Params, run: Run) -> Any:
    """The backend that Airflow has made reads each."""

    def read() -> str:
        backend = _backend()
        if backend is None:
            from airflow.configuration import conf

            configured = conf.get("secrets", "backend", fallback="") or "none"
            message = f"Airflow's secrets backend is not {KIND}; configured is {configured}"
            raise Diagnosed(Cause("check_error", message, "set [secrets] backend: airflow-bootstrap render writes it"))
        wanted = list(_wanted(conn_id, params))
        failed = [(each, found) for each in wanted if (found := _failure(backend, each))]
        if failed:
            message = "; ".join(f"{each}: {found.message}" for each, found in failed)
            raise Diagnosed(Cause(failed[0][1].name, message, failed[0][1].hint))
        return f"{len(wanted)} read"

    return run.task(read)


def proof(conn_id: str, params: Params, run: Run, result: str) -> str:  # noqa: ARG001
    """As whom the backend asked."""
    who = str(getattr(getattr(_backend(), "credentials", None), "service_account_email", ""))
    return base.login_proof(run, "unknown", who)


def _wanted(conn_id: str, params: Params) -> Iterator[_Wanted]:
    nothing_named = not (params.conn_ids or params.variables or params.config)
    for name in [conn_id] if nothing_named else params.conn_ids:
        yield _Wanted("connection", name, "get_conn_value", "connections_prefix")
    for name in params.variables:
        yield _Wanted("variable", name, "get_variable", "variables_prefix")
    for name in params.config:
        yield _Wanted("config", name, "get_config", "config_prefix")


def _failure(backend: Any, wanted: _Wanted) -> Cause | None:
    """Why the backend can't read it. It swallows refusals and answers None, so its client is asked for the same, and whose answer it is."""
    prefix = getattr(backend, wanted.prefix)
    if prefix is None:
        return Cause("check_error", f"the backend's {wanted.prefix} is null", f"set {wanted.prefix} in backend_kwargs")
    secret_id = backend.build_path(prefix, wanted.name, backend.sep)
    from bootstrap.airflow.compat import ask_secret_manager

    try:
        value = getattr(backend, wanted.method)(wanted.name)
        named = ask_secret_manager(backend, prefix, wanted.name)
    except Exception as err:
        found = _google.cause(err)
        if found is None:
            raise
        if found.name == "not_found":
            hint = f"create the secret {secret_id} in project {backend.project_id}, or correct the name"
            return Cause(found.name, found.message, hint if found.message.startswith("Secret") else "")
        return found
    if f"/secrets/{secret_id}/versions/" not in named:
        return _google.other_service(f"the secret {secret_id} in Secret Manager").cause
    if value is None:
        return Cause("check_error", f"the backend answers None, and the secret {secret_id} is there")
    return _unreadable(backend, wanted, value)


def _unreadable(backend: Any, wanted: _Wanted, value: str) -> Cause | None:
    """Why Airflow can't make anything of the value; no message quotes it."""
    if not value:
        return Cause("secret_malformed", "the secret is empty")
    if wanted.kind == "connection":
        try:
            backend.deserialize_connection(conn_id=wanted.name, value=value)
        except Exception as err:
            return Cause("secret_malformed", f"it is not a connection that Airflow can read ({type(err).__name__})")
    return None


def _backend() -> Any:
    """The one that Airflow has made from its configuration; None if that is of another kind."""
    from bootstrap.airflow.compat import secrets_backends

    kinds = ((backend, type(backend).__mro__) for backend in secrets_backends())
    return next((backend for backend, mro in kinds if any(kind.__name__ == KIND for kind in mro)), None)
