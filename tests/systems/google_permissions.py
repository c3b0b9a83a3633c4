"""Which IAM permission a call of the GCS and BigQuery REST APIs needs, and how Google refuses one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .in_process import Answer, json_answer

if TYPE_CHECKING:
    from .in_process import Request

_BUCKET = "/storage/v1/b/(?P<bucket>[^/]+)"
_OBJECT = f"{_BUCKET}/o/(?P<object>[^/]+)"
_PROJECT = "/bigquery/v2/projects/(?P<project>[^/]+)"
_DATASET = f"{_PROJECT}/datasets/(?P<dataset>[^/]+)"
_TABLE = f"{_DATASET}/tables/(?P<table>[^/]+)"

# Method, path, permission; a path that is not here needs an account alone.
_PERMISSIONS = [
    ("POST", "/storage/v1/b", "storage.buckets.create"),
    ("GET", _BUCKET, "storage.buckets.get"),
    ("DELETE", _BUCKET, "storage.buckets.delete"),
    ("GET", f"{_BUCKET}/o", "storage.objects.list"),
    ("POST|PUT", f"(/upload|/resumable/upload)?{_BUCKET}/o", "storage.objects.create"),
    ("POST", f"{_OBJECT}/(copyTo|rewriteTo)/.+", "storage.objects.create"),
    ("POST", f"{_OBJECT}/compose", "storage.objects.create"),
    ("GET|HEAD", f"(/download)?{_OBJECT}", "storage.objects.get"),
    ("PATCH|PUT", _OBJECT, "storage.objects.update"),
    ("DELETE", _OBJECT, "storage.objects.delete"),
    ("POST", f"(/upload)?{_PROJECT}/jobs", "bigquery.jobs.create"),
    ("POST", f"{_PROJECT}/queries", "bigquery.jobs.create"),
    ("GET", f"{_PROJECT}/(jobs|queries)/(?P<job>[^/]+)", "bigquery.jobs.get"),
    ("POST", f"{_PROJECT}/datasets", "bigquery.datasets.create"),
    ("GET", _DATASET, "bigquery.datasets.get"),
    ("GET", f"{_DATASET}/tables", "bigquery.tables.list"),
    ("POST", f"{_DATASET}/tables", "bigquery.tables.create"),
    ("GET", _TABLE, "bigquery.tables.get"),
    ("DELETE", _TABLE, "bigquery.tables.delete"),
    ("GET", f"{_TABLE}/data", "bigquery.tables.getData"),
    ("POST", f"{_TABLE}/insertAll", "bigquery.tables.updateData"),
]
_AUTH_HELP = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
INVALID = f"Request had invalid authentication credentials. {_AUTH_HELP}"
MISSING = f"Request is missing required authentication credential. {_AUTH_HELP}"


@dataclass(frozen=True)
class Need:
    """A permission, and the names in the path of what it is needed on."""

    permission: str
    names: dict[str, str]


def is_bigquery(path: str) -> bool:
    """Tell BigQuery's paths from those of GCS."""
    return path.startswith(("/bigquery/", "/upload/bigquery/"))


def need(method: str, path: str) -> Need | None:
    """Return what a call needs, None if an account alone will do."""
    for methods, pattern, permission in _PERMISSIONS:
        match = re.fullmatch(pattern, path)
        if match and method in methods.split("|"):
            return Need(permission, {name: unquote(value) for name, value in match.groupdict().items() if value})
    return None


def unauthenticated(request: Request) -> Answer:
    """Refuse a missing or unknown token."""
    message = INVALID if request.bearer else MISSING
    reason = "authError" if request.bearer else "required"
    where = {"location": "Authorization", "locationType": "header"}
    return _refusal(HTTPStatus.UNAUTHORIZED, message, {"reason": reason, **where}, "UNAUTHENTICATED")


def denied(request: Request, email: str, needed: Need) -> Answer:
    """Refuse a permission; as with GCS, a download is refused in plain text."""
    if is_bigquery(request.path):
        return _refusal(
            HTTPStatus.FORBIDDEN, _bigquery_message(email, needed), {"reason": "accessDenied"}, "PERMISSION_DENIED"
        )
    message = _storage_message(email, needed.permission)
    if "alt=media" in request.target:
        return Answer(HTTPStatus.FORBIDDEN, message.encode(), [("Content-Type", "text/html; charset=UTF-8")])
    return _refusal(HTTPStatus.FORBIDDEN, message, {"reason": "forbidden"})


def _storage_message(email: str, permission: str) -> str:
    kind = "bucket" if permission.startswith("storage.buckets") or permission == "storage.objects.list" else "object"
    return (
        f"{email} does not have {permission} access to the Google Cloud Storage {kind}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )


def _bigquery_message(email: str, needed: Need) -> str:
    permission, names = needed.permission, needed.names
    if "file" in names:
        return f"Access Denied: File {names['file']}: {_storage_message(email, permission)}"
    project, dataset = names["project"], names.get("dataset")
    if "table" in names:
        table = f"{project}:{dataset}.{names['table']}"
        return f"Access Denied: Table {table}: Permission {permission} denied on table {table} (or it may not exist)."
    if dataset:
        dataset = f"{project}:{dataset}"
        return f"Access Denied: Dataset {dataset}: Permission {permission} denied on dataset {dataset} (or it may not exist)."
    if "job" in names:
        job = f"{project}:{names['job']}"
        return f"Access Denied: Job {job}: User does not have {permission} permission for job {job}."
    return f"Access Denied: Project {project}: User does not have {permission} permission in project {project}."


def _refusal(status: HTTPStatus, message: str, detail: dict[str, str], name: str = "") -> Answer:
    errors = [{"message": message, "domain": "global", **detail}]
    error: dict[str, object] = {"code": int(status), "message": message, "errors": errors}
    return json_answer(status, {"error": {**error, "status": name} if name else error})
