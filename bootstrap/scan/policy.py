"""The least rights that each connection needs for what the code touches, and the stores for what the manifest refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

from bootstrap import plugins
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import UsageError
from bootstrap.manifest.loader import Manifest
from bootstrap.scan.policies import aws, google, sql
from bootstrap.scan.policies.needed import Needed, one_line
from bootstrap.store_admin.policy import needs
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.kind import StoreKind, WritesPolicy

Format = Literal["sql", "gcloud", "terraform", "aws"]
FORMATS: tuple[Format, ...] = get_args(Format)


def policy(connections: Iterable[Needed], form: Format, stores: Sequence[str] = ()) -> str:
    """The rights as text that the system's own tool takes: SQL, a shell's commands, Terraform, or JSON of IAM.

    Connections that the format can't speak of are left out. `stores` are the policies of `store_policies`. A name that differs
    from run to run is a comment, or the part of it that doesn't. Raises UsageError where nothing is left.
    """
    wanted = sorted((each for each in connections if each.resources), key=lambda each: each.conn_id)
    chosen = [each for each in wanted if _speaks(form, each)]
    if not chosen and not stores:
        types = ", ".join(sorted({each.conn_type or "unknown" for each in wanted})) or "none"
        raise UsageError(
            f"--format {form}: no connection of the DAGs has rights of this kind (conn_types: {types})", _next(form)
        )
    if form == "aws":
        text = aws.policies(chosen)
    else:
        mark = "--" if form == "sql" else "#"
        sections = ["\n".join((f"{mark} {each.title}", *_section(form, each, at))) for at, each in enumerate(chosen, 1)]
        text = (
            "\n\n".join((*(section.rstrip("\n") for section in sections), *(each.rstrip("\n") for each in stores)))
            + "\n"
        )
    return text.encode("utf-8", "replace").decode()  # half of a surrogate pair can't be printed


def _next(form: Format) -> str:
    return f"choose another of {', '.join(each for each in FORMATS if each != form)}"


def _speaks(form: Format, needed: Needed) -> bool:
    types = {"sql": sql.TYPES, "gcloud": google.TYPES, "aws": aws.TYPES, "terraform": (*google.TYPES, *aws.TYPES)}
    return needed.conn_type in types[form]


def _section(form: Format, needed: Needed, number: int) -> Iterator[str]:
    if form == "sql":
        return sql.grants(needed)
    if form == "gcloud":
        return google.gcloud(needed)
    label = _label(needed.conn_id, number)
    return aws.terraform(needed, label) if needed.conn_type in aws.TYPES else google.terraform(needed, label)


def _label(conn_id: str, number: int) -> str:
    """A name that Terraform takes, and no other connection has."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", conn_id)
    return f"{plain if plain == conn_id and plain[:1].isalpha() else f'connection_{number}_{plain}'}"


def store_policies(manifest: Manifest, secrets: SecretReader, form: Format) -> list[str]:
    """Per store, the policy to read what the manifest refers to, where the store's kind writes one in this format."""
    found = []
    for name, spec in manifest.stores.items():
        kind = plugins.STORES.get(spec.kind, StoreKind)
        needed = needs(manifest, secrets, name, "read")
        if isinstance(kind, WritesPolicy) and needed != Needs():
            texts = kind.policy(spec.options, needed, Context(name, manifest.folder))
            if form in texts:
                found.append(f"# {one_line(f'store {name}')}\n{texts[form]}")
    return found
