"""The least rights that each connection needs for what the code touches, and the stores for what the manifest refers to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, get_args

from bootstrap import plugins
from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.secret import foreign
from bootstrap.errors import UsageError
from bootstrap.manifest.loader import Manifest
from bootstrap.scan.policies import aws, google, sql, vault
from bootstrap.scan.policies.needed import Needed, one_line
from bootstrap.store_admin.policy import needs
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.kind import StoreKind, WritesPolicy

Format = Literal["sql", "gcloud", "terraform", "aws"]
FORMATS: tuple[Format, ...] = get_args(Format)
_TYPES: Mapping[Format, tuple[str, ...]] = {
    "sql": sql.TYPES,
    "gcloud": google.TYPES,
    "aws": aws.TYPES,
    "terraform": (*google.TYPES, *aws.TYPES, *vault.TYPES),
}


def policy(connections: Iterable[Needed], form: Format, stores: Mapping[str, str] = MappingProxyType({})) -> str:
    """The rights as text that the system's own tool takes: SQL, a shell's commands, Terraform, or JSON of IAM.

    Connections that the format can't speak of are left out. `stores` are what `store_policies` gives. A name that differs
    from run to run is a comment, or the part of it that doesn't. Raises UsageError where nothing is left.
    """
    wanted = sorted((each for each in connections if each.resources), key=lambda each: each.conn_id)
    chosen = [each for each in wanted if each.conn_type in _TYPES[form]]
    if not chosen and not stores:
        types = ", ".join(sorted({each.conn_type or "unknown" for each in wanted})) or "none"
        message = f"--format {form}: no connection of the DAGs has rights of this kind (conn_types: {foreign(types)})"
        raise UsageError(message, f"choose another of {', '.join(each for each in FORMATS if each != form)}")
    if form == "aws":
        text = aws.policies(chosen, {name: json.loads(each) for name, each in stores.items()})
    else:
        mark = "--" if form == "sql" else "#"
        sections = ["\n".join((f"{mark} {each.title}", *_section(form, each, at))) for at, each in enumerate(chosen, 1)]
        sections += [f"{mark} {one_line(name)}\n{each}" for name, each in stores.items()]
        text = "\n\n".join(section.rstrip("\n") for section in sections) + "\n"
    return text.encode("utf-8", "replace").decode()  # half of a surrogate pair can't be printed


def _section(form: Format, needed: Needed, number: int) -> Iterator[str]:
    if form == "sql":
        return sql.grants(needed)
    if form == "gcloud":
        return google.gcloud(needed)
    label = _label(needed.conn_id, number)
    kinds = {**dict.fromkeys(aws.TYPES, aws.terraform), **dict.fromkeys(vault.TYPES, vault.terraform)}
    return kinds.get(needed.conn_type or "", google.terraform)(needed, label)


def _label(conn_id: str, number: int) -> str:
    """A name that Terraform takes, and no other connection has."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", conn_id)
    return f"{plain if plain == conn_id and plain[:1].isalpha() else f'connection_{number}_{plain}'}"


def store_policies(manifest: Manifest, secrets: SecretReader, form: Format) -> dict[str, str]:
    """Per store (`store NAME`), the policy to read what the manifest refers to, where the store's kind writes one in this format.

    The resources of two stores of a kind would have the same names in Terraform: of the second, the text says how to get it.
    """
    found: dict[str, str] = {}
    kinds = set()
    for name, spec in manifest.stores.items():
        kind = plugins.STORES.get(spec.kind, StoreKind)
        needed = needs(manifest, secrets, name, "read")
        if not isinstance(kind, WritesPolicy) or needed == Needs():
            continue
        texts = kind.policy(spec.options, needed, Context(name, manifest.folder))
        text = texts.get("iam" if form == "aws" else form)
        if text is None:
            continue
        if form == "terraform" and spec.kind in kinds:
            text = f"# airflow-bootstrap store policy {one_line(name)} --for read --format terraform"
        kinds.add(spec.kind)
        found[f"store {name}"] = text
    return found
