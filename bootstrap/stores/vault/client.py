"""Vault client, and the mapping of its exceptions to ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from bootstrap.errors import Conflict, Denied, StoreError, Unavailable
from bootstrap.stores.base import CONCURRENCY
from bootstrap.stores.vault.errors import CHECK_CREDENTIAL, no_vault, refused, unreachable
from bootstrap.util.urls import proxies

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")

TIMEOUT = 10  # seconds for one request
_AUTHORITIES = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first that is set


@dataclass(frozen=True)
class Transport:
    """How requests travel; files are absolute paths. `client_cert` holds the key, too, or is a pair of files; None: the one
    that VAULT_CLIENT_CERT names, (): none at all.
    """

    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | tuple[()] | None = None
    proxy: str | None = None
    namespace: str | None = None
    concurrency: int = CONCURRENCY


def connect(url: str, transport: Transport | None = None, *, timeout: int = TIMEOUT) -> hvac.Client:
    """A client without a token, for many threads; makes no request."""
    import hvac

    from bootstrap.stores.vault.http import Adapter, Session

    how = transport or Transport()
    session = Session(how.concurrency)
    session.verify = how.ca_cert or _authorities()
    cert: Any = how.client_cert  # the types of both libraries know files only, and no ()
    session.cert = cert
    session.proxies = proxies(url, how.proxy)
    return hvac.Client(url, "", cert, timeout=timeout, session=session, namespace=how.namespace, adapter=Adapter)


def _authorities() -> str | bool:
    """Whom the environment says to trust; True: whom the machine trusts. Raises Unavailable."""
    for name in _AUTHORITIES:
        if path := os.environ.get(name):
            if not os.access(path, os.R_OK):
                raise Unavailable(f"can't read {path}, which ${name} names", f"correct or unset ${name}")
            return path
    return True


def translate(where: str, request: Callable[[], T], *, conflict: Conflict | None = None, login: bool = False) -> T:
    """Do `request`; turn hvac's and requests' exceptions into ours, each with `where` in front."""
    import hvac.exceptions as vault
    import requests

    try:
        answer = request()
    except StoreError:
        raise
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError):  # both quote the token
        raise Denied(f"{where}: the credential holds a character that no token has", CHECK_CREDENTIAL) from None
    except (requests.exceptions.RequestException, OSError) as err:  # OSError: a file of certificates
        raise unreachable(where, err) from err
    except vault.VaultError as err:
        if conflict and "check-and-set" in str(err):
            raise conflict from err
        raise refused(where, err, login=login) from err
    except (ValueError, TypeError, KeyError, AttributeError) as err:  # hvac expects what a Vault answers
        raise no_vault(where, type(err).__name__) from err
    if isinstance(answer, requests.Response) and answer.status_code != HTTPStatus.NO_CONTENT:
        raise no_vault(where, f"HTTP {answer.status_code} without JSON")
    return answer
