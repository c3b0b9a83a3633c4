"""Talking to a Vault: the client, and its exceptions as ours."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from bootstrap.errors import Conflict, Denied, StoreError
from bootstrap.stores.vault_errors import CHECK_CREDENTIAL, no_vault, refused, unreachable

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")

TIMEOUT = 10  # seconds for one request
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def connect(url: str, *, timeout: int = TIMEOUT) -> hvac.Client:
    """A client without a token; makes no request. No proxy gets to see what is meant for this machine."""
    import hvac

    host = urlsplit(url).hostname
    proxies = {"no_proxy": host} if host in _LOOPBACK else None
    return hvac.Client(url=url, token="", timeout=timeout, proxies=proxies)


def translate(where: str, request: Callable[[], T], *, conflict: Conflict | None = None) -> T:
    """Do `request`; turn hvac's and requests' exceptions into ours, each with `where` in front."""
    import hvac.exceptions as vault
    import requests

    try:
        answer = request()
    except StoreError:
        raise
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError):  # both quote the token
        raise Denied(f"{where}: the credential holds a character that no token has", CHECK_CREDENTIAL) from None
    except requests.exceptions.RequestException as err:
        raise unreachable(where, err) from err
    except vault.VaultError as err:
        if conflict and "check-and-set" in str(err):
            raise conflict from err
        raise refused(where, err) from err
    except (ValueError, TypeError, KeyError, AttributeError) as err:  # hvac expects what a Vault answers
        raise no_vault(where, type(err).__name__) from err
    if isinstance(answer, requests.Response) and answer.status_code != HTTPStatus.NO_CONTENT:
        raise no_vault(where, f"HTTP {answer.status_code} without JSON")
    return answer
