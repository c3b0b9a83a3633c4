"""Google's ways to log in: the key in the extra, its file, or a credential configuration.

As GoogleBaseHook and its credentials provider take them: `keyfile_dict` is a service account's key and nothing else; other
kinds (workload identity) belong in `credential_config_file`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bootstrap.util.json_text import loads
from bootstrap.validation.keys import flaw, load_google
from bootstrap.validation.problem import Problem

_PREFIX = "extra__google_cloud_platform__"
_ONE_OF = ("keyfile_dict", "key_path", "credential_config_file", "key_secret_name", "is_anonymous")
_NEEDED = ("client_email", "private_key", "token_uri")
_KINDS = (  # google.auth.load_credentials_from_file
    *("authorized_user", "external_account", "external_account_authorized_user", "gdch_service_account"),
    *("impersonated_service_account", "service_account"),
)
_STORE_IT = "store the file that Google gave you as it is: `airflow-bootstrap store put … --from-file KEY.json`"
_NO_FILE = "there is no such file on this machine"
_CONFIG = 'put it into extra\'s "credential_config_file"'


def problems(conn_type: str, extra: Mapping[str, Any]) -> Iterator[Problem]:
    """What keeps a connection of Google's from logging in."""
    if not conn_type.startswith(("google_cloud", "gcp")):
        return
    values = {name: extra.get(name) or extra.get(_PREFIX + name) for name in _ONE_OF}
    given = [name for name, value in values.items() if value]
    if len(given) > 1:
        yield _error(given[0], f"only one of these may be given: {', '.join(given)}", "keep one")
    if values["keyfile_dict"]:
        yield from _keyfile(values["keyfile_dict"])
    if isinstance(values["key_path"], str):
        if not values["key_path"].endswith(".json"):
            message = "the hook refuses a key file whose name doesn't end in .json"
            yield _error("key_path", message, "name the JSON key file")
        elif not Path(values["key_path"]).exists():
            yield Problem("extra.key_path", _NO_FILE, "each worker needs it there; or use keyfile_dict", "note")
    if values["credential_config_file"]:
        yield from _configuration(values["credential_config_file"])


def _keyfile(value: Any) -> Iterator[Problem]:
    document = _document(value)
    if document is None:
        yield _error("keyfile_dict", "the service account's key is no JSON object", _STORE_IT)
        return
    kind = document.get("type")
    missing = [name for name in _NEEDED if not isinstance(document.get(name), str) or not document[name]]
    if missing and kind in _KINDS and kind != "service_account":
        yield _error("keyfile_dict", f"a file of the type {kind}, where only a service account's key can be", _CONFIG)
    elif missing:
        yield _error("keyfile_dict", f"no service account's key: it lacks {', '.join(missing)}", _STORE_IT)
    elif load_google(document) is False:
        reason = flaw(document["private_key"].replace("\\n", "\n"), library="google-auth")
        yield _error("keyfile_dict", f"the private_key in it {reason}", _STORE_IT)
    elif kind != "service_account":
        yield Problem("extra.keyfile_dict", "the type in it is not service_account", _STORE_IT)


def _configuration(value: Any) -> Iterator[Problem]:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        if not Path(value).exists():
            yield Problem("extra.credential_config_file", _NO_FILE, "each worker needs it there", "note")
        return
    document = _document(value)
    if document is None:
        yield _error("credential_config_file", "the credential configuration is no JSON object", _STORE_IT)
    elif document.get("type") not in _KINDS:
        message = "the credential configuration's type is none that google-auth knows"
        yield _error("credential_config_file", message, f"there are: {', '.join(_KINDS)}")


def _document(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        try:
            value = loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def _error(name: str, message: str, hint: str) -> Problem:
    return Problem(f"extra.{name}", message, hint, "error")
