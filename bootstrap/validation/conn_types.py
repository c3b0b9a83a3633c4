"""Checks that some hook takes connections of a conn_type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bootstrap.domain.connection import likeliest
from bootstrap.providers import installed
from bootstrap.providers.facts import Known
from bootstrap.util import distributions
from bootstrap.util.nearest import nearest
from bootstrap.validation.problem import Problem

FORMER = {"s3": "aws"}  # conn_types of long ago that a hook still takes, as if they were the other one
_CLOSE = 0.7  # types are few and differ much
_OVER_TLS = {  # schemes of URLs that people take for conn_types: the nearest name alone would send the password in clear
    "https": "conn_type: http with schema: https, or as a URI http://LOGIN:PASSWORD@HOST/https; with http alone the"
    " password would travel in clear",
    "rediss": "conn_type: redis with extra: {ssl: true}; without it the password would travel in clear",
    "smtps": "conn_type: smtp: its hook uses TLS unless extra says disable_ssl",
    "imaps": "conn_type: imap: its hook uses TLS unless extra says use_ssl: false",
    "ftps": "conn_type: ftp, with FTPSHook; FTPHook sends the password in clear",
    "ldaps": "conn_type: ldap with the host ldaps://HOST",
    "amqps": "conn_type: generic, if your own code reads it",
}


def problems(conn_type: str, known: Known) -> Iterator[Problem]:
    """A type that nobody knows, or whose provider isn't installed beside this tool."""
    if known.has(conn_type):
        return
    package, strict = known.package(conn_type), known.airflow and known.complete
    message = f"no provider has the conn_type {conn_type!r}"
    if conn_type in FORMER:
        yield Problem("conn_type", f"{message} any more", f"conn_type: {FORMER[conn_type]}", strict=strict)
    elif package is None and conn_type in _OVER_TLS:
        message = f"{message}: the scheme of a connection's URI is its type"
        yield Problem("conn_type", message, _OVER_TLS[conn_type], strict=strict)
    elif package is None:
        types = {*known.types, *installed.conn_types()}
        meant = likeliest(conn_type)
        near = meant if meant in types else nearest(conn_type, types, _CLOSE)
        hint = f"did you mean {near!r}?" if near else "conn_type: generic, if your own code reads it"
        yield Problem("conn_type", message, hint, strict=strict)
    elif known.airflow:
        message = f"the conn_type {conn_type!r} comes with {package}, which is not installed"
        yield Problem("conn_type", message, install_command([package]), strict=known.complete)


def install_command(packages: Iterable[str]) -> str:
    """`pip install` for all of them. Airflow is pinned to the version that is there: pip then takes providers that fit it."""
    named, pin = sorted(set(packages)), []
    if any(name.startswith("apache-airflow") for name in named):
        versions = ((name, distributions.version(name)) for name in ("apache-airflow", "apache-airflow-core"))
        pin = [f'"{name}=={version}"' for name, version in versions if version is not None][:1]
    return " ".join(["pip install", *pin, *named])
