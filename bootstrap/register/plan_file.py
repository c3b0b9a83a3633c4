"""Plans as a document, for programs and for a later `register`. It holds no value.

Its checksum is over everything that was compared, secrets included, so that `register FILE` does what was planned and
nothing else. It is slow to make (scrypt, RFC 7914), so that nobody guesses a weak password by trying.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bootstrap.domain.secret import safe_json
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.register.plan import Plan, Unsafe
from bootstrap.targets.index import canonical
from bootstrap.util import special_files
from bootstrap.util.files import shown
from bootstrap.util.special_files import is_special

_SCRYPT: Mapping[str, Any] = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}  # 32 MiB and about 0.1 s


class _Item(BaseModel):
    kind: str
    name: str


class PlannedChange(_Item):
    """One connection or variable."""

    action: str
    fields: Annotated[tuple[str, ...], Field(strict=False)] = ()
    where: str = ""


class Problem(_Item):
    """What stands in the way of one."""

    message: str
    hint: str = ""


class PlannedTarget(BaseModel):
    """The changes of one target."""

    target: str
    changes: list[PlannedChange]
    errors: list[Problem] = []
    conflicts: list[Problem] = []


class Document(BaseModel):
    """What `plan --out` and `plan --json` write."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    owner: str
    prune: bool
    overwrite: bool
    targets: list[PlannedTarget]
    salt: str
    checksum: str


@dataclass(frozen=True)
class Asked:
    """How plans were asked for."""

    owner: str
    prune: bool = False
    overwrite: bool = False


def document(plans: Sequence[Plan], asked: Asked, salt: str | None = None) -> Document:
    """The plans of one run; a new `salt` if none is given."""
    used = salt or secrets.token_hex(16)
    targets, checksum = [_target(each) for each in plans], _checksum(plans, asked, used)
    return Document(**vars(asked), targets=targets, salt=used, checksum=checksum)


def text(found: Document) -> str:
    """As JSON."""
    return safe_json(found.model_dump(mode="json"))


def load(file: Path) -> Document:
    """Raises UsageError for a file that is no plan."""
    try:
        return Document.model_validate_json(special_files.read(file))
    except OSError as err:
        raise UsageError(f"can't read {shown(file)}: {err.strerror}", "airflow-bootstrap plan --out FILE") from err
    except ValidationError as err:
        raise UsageError(f"{shown(file)} is not a saved plan", "airflow-bootstrap plan --out FILE") from err


def require_room(file: Path) -> None:
    """Raises UsageError where something else than a plan would be lost."""
    if file.exists() and not is_special(file) and not (file.is_file() and _is_plan(file)):
        message = f"{shown(file)} already exists and is not a saved plan; it is not overwritten"
        raise UsageError(message, "name another file")


def _is_plan(file: Path) -> bool:
    try:
        load(file)
    except UsageError:
        return False
    return True


def raise_if_moved(saved: Document, plans: Sequence[Plan], asked: Asked, file: Path) -> None:
    """Raises Unsafe unless these plans are what was saved."""
    now = document(plans, asked, saved.salt)
    moved = list(_moved(saved, now))
    if not moved and secrets.compare_digest(now.checksum.encode(), saved.checksum.encode()):
        return
    moved = moved or ["a value, or what it was compared with, is another than when it was planned"]
    raise Unsafe(
        "\n".join([f"{shown(file)} no longer holds; nothing is written:", *moved]),
        f"look again: airflow-bootstrap plan --out {shown(file)}",
    )


def _target(found: Plan) -> PlannedTarget:
    def problems(errors: Mapping[Any, BootstrapError]) -> list[Problem]:
        return [Problem(kind=key.kind, name=key.name, message=it.message, hint=it.hint) for key, it in errors.items()]

    changes = [
        PlannedChange(
            kind=it.key.kind, name=it.key.name, action=it.action, fields=it.fields, where=found.target.where(it.key)
        )
        for it in found.changes
    ]
    errors, conflicts = problems(found.errors), problems(found.conflicts)
    return PlannedTarget(target=found.target_name, changes=changes, errors=errors, conflicts=conflicts)


def _checksum(plans: Sequence[Plan], asked: Asked, salt: str) -> str:
    compared = [
        [
            each.target_name,
            each.options,
            [[str(it.key), it.action, it.fields, it.seen or it.expect, it.content and canonical(it.content)]],
        ]
        for each in plans
        for it in each.changes
    ]
    whole = json.dumps([asked.owner, asked.prune, asked.overwrite, compared])
    return hashlib.scrypt(whole.encode(), salt=salt.encode(), **_SCRYPT).hex()


def _moved(saved: Document, now: Document) -> Iterator[str]:
    if saved.owner != now.owner:
        yield f"it is for the manifest of {saved.owner!r}, and this is {now.owner!r}'s"
    then, found = _actions(saved), _actions(now)
    for place in {**then, **found}:
        if then.get(place) != found.get(place):
            target, kind, name = place
            yield f"{target}: {kind} {name}: {then.get(place, 'nothing')} was planned, now it is {found.get(place, 'nothing')}"


def _actions(found: Document) -> dict[tuple[str, str, str], str]:
    return {
        (each.target, change.kind, change.name): " ".join((change.action, ", ".join(change.fields))).strip()
        for each in found.targets
        for change in each.changes
    }
