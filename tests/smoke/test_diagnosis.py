from __future__ import annotations

import socket
import ssl

import hvac.exceptions
import pytest
import requests

from bootstrap.checks import hook, http, postgres
from bootstrap.checks._errors import store_cause
from bootstrap.checks.base import Cause, CauseName, Diagnosed
from bootstrap.smoke.diagnosis import HINTS, diagnose


def with_status(status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    outer = RuntimeError(f"{status}:whatever")
    outer.__cause__ = requests.HTTPError(response=response)
    return outer


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), "dns"),
        (ConnectionRefusedError(111, "refused"), "connection_refused"),
        (ssl.SSLCertVerificationError("self-signed"), "tls"),
        (TimeoutError("slow"), "timeout"),
        (with_status(401), "auth"),
        (with_status(403), "permission"),
        (with_status(404), "not_found"),
        (with_status(500), "check_error"),
        (ModuleNotFoundError("no", name="airflow.providers.http"), "provider_missing"),
        (RuntimeError("An error occurred (InvalidClientTokenId) when calling"), "auth"),
        (RuntimeError("Could not connect to the endpoint URL"), "connection_refused"),
        (RuntimeError("something else"), "check_error"),
        (Diagnosed(Cause("tls", "expired")), "tls"),
    ],
)
def test_the_cause_of_what_any_system_may_raise(error: Exception, cause: CauseName) -> None:
    assert diagnose(error, http).name == cause
    assert diagnose(error, hook).name == cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('FATAL:  password authentication failed for user "etl"', "auth"),
        ('FATAL:  role "etl" does not exist', "auth"),
        ('FATAL:  database "nope" does not exist', "not_found"),
        ('FATAL:  permission denied for database "x"', "permission"),
        ("connection to server failed: Connection refused", "connection_refused"),
        ("could not translate host name", "dns"),
    ],
)
def test_what_postgres_says_of_a_login(text: str, cause: CauseName) -> None:
    assert diagnose(RuntimeError(text), postgres).name == cause


def test_the_first_link_that_tells_wins_and_its_text_is_the_message() -> None:
    outer = RuntimeError("wrapped")
    outer.__cause__ = ConnectionRefusedError("[Errno 111] Connection refused\nsecond line")
    assert diagnose(outer, http) == Cause("connection_refused", "[Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (hvac.exceptions.Forbidden("permission denied"), "store_denied", "refused"),
        (hvac.exceptions.VaultDown("Vault is sealed"), "store_unreachable", "sealed"),
        (ConnectionRefusedError("no"), "store_unreachable", "refuses connections"),
        (FileNotFoundError("token"), "store_denied", "credential"),
        (RuntimeError("odd"), "store_unreachable", "odd"),
    ],
)
def test_a_store_that_fails_is_told_from_one_that_refuses(error: Exception, cause: CauseName, words: str) -> None:
    wrapped = RuntimeError("backend failed")
    wrapped.__cause__ = error
    for found in (store_cause(error, "team"), store_cause(wrapped, "team")):
        assert found.name == cause
        assert found.message.startswith("team: ")
    assert words in store_cause(error, "team").message


def test_every_cause_has_a_next_step() -> None:
    from typing import get_args

    assert set(HINTS) == set(get_args(CauseName))
    assert all(HINTS.values())
