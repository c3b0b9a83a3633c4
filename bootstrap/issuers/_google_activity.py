"""When keys of a service account were last used, as Google's Policy Analyzer tells.

By the day, and some days late; it is an API of its own, which a project must enable and few may ask.
https://cloud.google.com/policy-intelligence/docs/activity-analyzer-service-account-authentication
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bootstrap.errors import IssuerError
from bootstrap.issuers._google_api import Api, Call
from bootstrap.issuers._google_keys import GoogleKey, id_of
from bootstrap.util.durations import moment

_ACTIVITY = "locations/global/activityTypes/serviceAccountKeyLastAuthentication/activities:query"


def last_uses(api: Api, analyzer: str, keys: Iterable[GoogleKey]) -> Mapping[str, datetime]:
    """By the key's id; keys that nothing is known of aren't in it, be it only since nobody may ask."""
    used: dict[str, datetime] = {}
    try:
        for key in keys:
            used.update(_uses(api.once(_query(analyzer, key))))
    except IssuerError:
        return used
    return used


def _query(analyzer: str, key: GoogleKey) -> Call:
    """https://cloud.google.com/policy-intelligence/docs/reference/policyanalyzer/rest/v1/projects.locations.activityTypes.activities/query"""
    project = key.name.split("/")[1]
    query = {"filter": f'activities.full_resource_name="//iam.googleapis.com/{key.name}"'}
    return Call("read when keys were used", "GET", f"{analyzer}/v1/projects/{project}/{_ACTIVITY}", query)


def _uses(document: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """What an answer tells; nothing of an answer that is none."""
    try:
        for item in document.get("activities", []):
            if text := item["activity"].get("lastAuthenticatedTime"):
                yield id_of(item["fullResourceName"]), moment(text).replace(microsecond=0)
    except (AttributeError, KeyError, TypeError, ValueError):
        return
