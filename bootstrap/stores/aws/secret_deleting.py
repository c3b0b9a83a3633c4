"""Check-and-set to delete in AWS Secrets Manager, which deletes whatever is current.

A secret that is scheduled for deletion can't be written. So what was current at that moment is what is current afterwards:
if that is another version than the one that was to go, the secret is restored. Nobody can read it between the two.

Facts: docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html, /API_RestoreSecret.html.
"""

from __future__ import annotations

from contextlib import suppress

from bootstrap.errors import NotFound
from bootstrap.stores.aws.client import Client, needed
from bootstrap.stores.aws.secret_writing import conflict, current_version
from bootstrap.stores.base import Version
from bootstrap.stores.place import Place

RECOVERY = 7  # days until it is gone for good; AWS takes no less


def delete(client: Client, place: Place, expect: Version) -> None:
    """Schedule it for deletion if its current version is `expect`. Raises Conflict."""
    with suppress(NotFound):  # somebody else was first, or the answer to an earlier attempt was lost
        client.ask(place, "delete_secret", {"SecretId": place.path, "RecoveryWindowInDays": RECOVERY})
    try:
        found = client.ask(place, "describe_secret", {"SecretId": place.path})
    except NotFound:
        return
    current = current_version(needed(place, found, "VersionIdsToStages"))
    if current == expect and found.get("DeletedDate"):
        return
    if found.get("DeletedDate"):
        client.ask(place, "restore_secret", {"SecretId": place.path})
    raise conflict(place)
