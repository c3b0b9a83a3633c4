"""A policy of Vault for the secrets that the code names, as Terraform. The connection's mount is VaultHook's default: secret, KV 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bootstrap.errors import UsageError
from bootstrap.scan.policies.hcl import block
from bootstrap.scan.policies.needed import Needed, shown, unnamed
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.vault.policy import Engine, texts

TYPES = ("vault",)
_ENGINE = Engine("secret", 2)


def terraform(needed: Needed, label: str) -> Iterator[str]:
    """A resource of Vault's provider. A path that a policy can't name alone is a comment."""
    read: list[str] = []
    write: list[str] = []
    for each in needed.resources:
        if each.kind != "secret" or each.template:
            continue
        try:
            texts(_ENGINE, Needs(read=(each.name,)), Context("", Path()))
        except UsageError:
            yield f"# {each.verb} {shown(each)}: a policy would mean other secrets, too"
        else:
            (read if each.verb == "read" else write).append(each.name)
    wanted = Needs(read=tuple(sorted(set(read) - set(write))), write=tuple(sorted(set(write))))
    if wanted != Needs():
        text = texts(_ENGINE, wanted, Context("", Path()))["hcl"].partition("\n")[2].lstrip("\n")
        yield block("vault_policy", label, [("name", f"airflow-{label.replace('_', '-')}"), ("policy", text)])
    for each in unnamed(needed.resources):
        yield f"# {each.verb} {each.kind} {shown(each)}: its name differs from run to run"
