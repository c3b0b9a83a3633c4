"""What the checks of Google's services have in common."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from typing import Any

from bootstrap.checks import base
from bootstrap.checks.base import Cause, CauseName, CheckParams, Diagnosed, Endpoint, Place, Run
from bootstrap.domain.secret import foreign

CONN_TYPE = "google_cloud_platform"
PROVIDER = "apache-airflow-providers-google"
RETRIES = "google.api_core.retry"  # what Google's clients log to before they try again
_BY_CODE: dict[int, CauseName] = {400: "check_error", 401: "auth", 403: "permission", 404: "not_found", 504: "timeout"}
_NO_KEY = "the service account key is not one"
_UNEXPECTED = (
    json.JSONDecodeError,
    AttributeError,
    KeyError,
    TypeError,
)  # Google's libraries expect what Google answers
_REFUSED = ("RefreshError", "DefaultCredentialsError", "InvalidOperation")
_PERMISSION = re.compile(r"\b([a-z]+(?:\.[a-zA-Z]+){2,3})\b'?(?= (?:access|permission|denied)\b)")
_MALFORMED_KEY = re.compile(
    r"service account info|deserialize key|Invalid key JSON|detect(ed)? key|valid RSA|load PEM file|P12 key|"
    r"extension for key file",
    re.IGNORECASE,
)
_OF_A_PROJECT = re.compile(r"\b(project|dataset|table|job|bigquery)\b", re.IGNORECASE)
_USED_UP = re.compile(r"quota(?! project)|rate ?limit", re.IGNORECASE)
_HINTS = (  # what Google says, and what is to be done about it
    (
        r"has not been used in project (?P<project>\S+) before or it is disabled.*?/api/(?P<service>[a-z.]+)",
        "gcloud services enable {service} --project {project}",
    ),
    (r"billing", "enable billing for the project, or name another in the connection's `project`"),
    (r"vpcServiceControls", "VPC Service Controls guard the project: ask for an access level or a rule for this host"),
    (r"different locations", "the bucket and the dataset must be in one location"),
    (r"was not found in location", "create it, correct its name, or give the dataset's own `location` to the check"),
    (r"reasonable timeframe", "set this machine's clock"),
    (r"default credentials were not found", "give the connection key_path or keyfile_dict"),
    (r"Anonymous c", "give the connection key_path or keyfile_dict instead of is_anonymous"),
)


def service_endpoint(conn: Any, service: str, emulator: str) -> Endpoint | None:
    """Where the client of `service` connects to: the emulator that the variable names, else Google's own address."""
    if address := os.environ.get(emulator):
        return base.url_endpoint(address if "://" in address else f"http://{address}")
    domain = conn.extra_dejson.get("universe_domain") or "googleapis.com"
    return base.url_endpoint(f"https://{service}.{domain}")


def login(conn_id: str, params: CheckParams, run: Run) -> str:  # noqa: ARG001
    """Get an access token for the connection's credentials, which proves the key; returns whose it is. Raises Diagnosed."""
    import google.auth.credentials
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from google.auth.transport.requests import Request

    tell_of_retries(run)
    try:
        credentials = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials()
    except (FileNotFoundError, PermissionError) as err:
        message = f"can't read the key file {err.filename}: {err.strerror}"
        hint = "put the key file there, or correct the connection's key_path"
        raise Diagnosed(Cause("secret_missing", message, hint)) from err
    except json.JSONDecodeError as err:
        raise Diagnosed(Cause("secret_malformed", f"{_NO_KEY}: no JSON")) from err
    if isinstance(credentials, google.auth.credentials.AnonymousCredentials):
        return base.login_proof(run, "none", "anonymous")
    credentials.refresh(Request())
    return f"Google gave a token to {getattr(credentials, 'service_account_email', '') or 'the credential'}"


def place(conn_id: str, params: CheckParams, run: Run, found: Cause) -> Place | None:  # noqa: ARG001
    """The project that was asked, where a failure may come of it: a bucket is one for all projects."""
    if found.name not in ("not_found", "permission") or not _OF_A_PROJECT.search(found.message):
        return None
    if named := getattr(params, "project", None):
        return Place("project", foreign(named), "correct `project` of the check")
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    project = foreign(GoogleBaseHook(gcp_conn_id=conn_id).project_id)
    if base.connection(conn_id).extra_dejson.get("project"):
        return Place("project", project, "correct `project` in the connection's extra")
    return Place("project", project, "set `project` in the connection's extra: without it, the key's own is asked")


def tell_of_retries(run: Run) -> None:
    """Have the report say why Google's clients try again: they do for minutes, and the deadline ends them unheard."""
    told: set[str] = set()

    def tell(record: logging.LogRecord) -> bool:
        """Tells of the first of each error: `Retrying due to ERROR, sleeping 1.0s ...`."""
        found = re.match(r"Retrying due to (.*), sleeping [\d.]+s", record.getMessage(), re.DOTALL)
        if found and (message := _said(foreign(found[1]))) not in told:
            told.add(message)
            run.tell(warning=f"Google's client tried again after: {message}")
        return True

    logger = logging.getLogger(RETRIES)
    logger.setLevel(logging.DEBUG)
    logger.addFilter(tell)


def cause(error: BaseException) -> Cause | None:
    """What Google's libraries say of a refused key or call."""
    kind, text = type(error).__name__, str(error)
    if _MALFORMED_KEY.search(text):
        sentence = re.split(r"[.:(] ?", foreign(error).strip("('\""), maxsplit=1)[0]  # what follows may quote the key
        return Cause("secret_malformed", f"{_NO_KEY}: {sentence}")
    if kind in _REFUSED and type(error).__module__.startswith("google."):
        message = foreign(error).strip("()").partition(", {")[0].strip("'\"")
        return Cause("auth", message, _hint("auth", message))
    code = getattr(error, "code", None)
    if type(error).__module__.startswith("google.api_core") and isinstance(code, int):
        return refusal(_BY_CODE.get(code, "check_error"), foreign(getattr(error, "message", "") or text))
    if isinstance(error, _UNEXPECTED) and base.frames_of(error, "google"):
        return other_service("a service of Google's").cause
    return None


def refusal(name: CauseName, message: str) -> Cause:
    """The cause of an error that Google answered with."""
    if _USED_UP.search(message):  # 429, and 403 of some services
        return Cause("check_error", _said(message), "wait and try again, or ask for a higher quota for the project")
    return Cause(name, _said(message), _hint(name, message))


def _hint(name: CauseName, message: str) -> str:
    for pattern, hint in _HINTS:
        if found := re.search(pattern, message, re.IGNORECASE | re.DOTALL):
            return hint.format(**found.groupdict())
    granted = _PERMISSION.search(message) if name == "permission" else None
    return f"grant {granted[1]} to the service account" if granted else ""


def _said(message: str) -> str:
    """Google's own sentence, without the request's method and URL, the JSON around it and what follows that."""
    text = re.sub(r"^(\d{3} )?[A-Z]+ https?://\S+: ", "", message)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.JSONDecoder().raw_decode(text)[0]["error"]["message"])
    return text.partition("\n")[0]


def other_service(what: str) -> Diagnosed:
    """What answers with status 200, and isn't Google's `what`."""
    hint = "correct this machine's proxy, or the emulator's variable in `airflow.env`"
    return Diagnosed(Cause("check_error", f"what answers is not {what}", hint))


def is_missing(error: BaseException) -> bool:
    """Whether Google says that there is no such thing."""
    return getattr(error, "code", None) == 404  # noqa: PLR2004
