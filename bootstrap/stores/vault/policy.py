"""Vault policies: the least that is needed, and a check for tokens that may do much more.

Facts: developer.hashicorp.com/vault/docs/concepts/policies (capabilities, globs, templates) and
/vault/api-docs/system/capabilities-self.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bootstrap.errors import Denied, NotFound, UsageError
from bootstrap.stores.base import Context, Needs
from bootstrap.stores.vault.client import translate

if TYPE_CHECKING:
    import hvac

_READ, _WRITE, _DELETE = {"read"}, {"create", "update"}, {"delete"}
_PARTS = ("data", "metadata")
_LOOKUP = "auth/token/lookup-self"
_MEANS_MORE = re.compile(r"\*$|(^|/)\+(/|$)|\{\{")  # in a policy's path: a glob, any one step, a template
PROBE = "airflow-bootstrap-probe"  # a name that no secret has: who may read it, may read any
_OFFICES = (
    ("sys/policies/acl/x", "may write policies, and so give itself any right"),
    ("sys/auth/x", "may enable auth methods, and so let anybody in"),
    ("auth/token/create", "may make tokens"),
)


@dataclass(frozen=True)
class Engine:
    """A KV secrets engine, as paths of its API see it; `mount` None: a path's first part is its mount."""

    mount: str | None
    kv_version: int

    def api_path(self, path: str, part: str = "data") -> str:
        """What a policy says for a secret's path."""
        mount, rest = (self.mount, path) if self.mount is not None else (path.partition("/")[::2])
        return f"{mount}/{rest}" if self.kv_version == 1 else f"{mount}/{part}/{rest}"

    @property
    def deletes(self) -> tuple[str, set[str]]:
        """The part of the API that takes a secret away, and what that needs."""
        return ("data", _READ | _DELETE) if self.kv_version == 1 else ("delete", {"update"})


def policy(options: Any, needs: Needs, context: Context) -> Mapping[str, str]:
    """The least policy, by format: `hcl` as `vault policy write` takes it, `terraform` a resource of Vault's provider.

    `options` are those of a store of kind vault. Raises UsageError for a path that a policy can't name.
    """
    return texts(Engine(options.mount, options.kv_version), needs, context, getattr(options, "namespace", None))


def texts(engine: Engine, needs: Needs, context: Context, namespace: str | None = None) -> dict[str, str]:
    """The policy by format."""
    purpose = "airflow" if needs.below else "airflow-bootstrap"
    head = [f"# What {purpose} needs of the store {context.name}."]
    if namespace:
        head.append(f"# It belongs into the namespace {namespace}.")
    hcl = "\n".join([*head, *_stanzas(engine, needs)]) + "\n"
    return {"hcl": hcl, "terraform": _terraform(hcl, purpose, namespace)}


def _stanzas(engine: Engine, needs: Needs) -> Iterator[str]:
    for path in needs.read:
        yield _stanza(_exact(engine.api_path(path)), _READ)
    for path in needs.write:  # its stanza holds instead of any that ends in *
        deleted = engine.kv_version == 1 and (needs.prunes(path, "/") or path in needs.delete)
        more = engine.deletes[1] if deleted else set()
        yield _stanza(_exact(engine.api_path(path)), _READ | _WRITE | more)
    for path in needs.destroy if engine.kv_version != 1 else ():
        yield _stanza(_exact(engine.api_path(path, "destroy")), {"update"})
    for folder in needs.below:
        yield _stanza(f"{_exact(engine.api_path(folder))}/*", _READ)
    for folder in needs.prune:
        part, capabilities = engine.deletes
        below = {engine.api_path(folder): _READ, engine.api_path(folder, part): capabilities}
        for path, rights in below.items():
            yield _stanza(f"{_exact(path)}/*", rights)
    if needs.below:
        yield "\n# Only apache-airflow-providers-hashicorp before 4.6 looks its token up."
        yield _stanza(_LOOKUP, _READ).lstrip("\n")
    else:
        yield _stanza(_LOOKUP, _READ)


def _stanza(path: str, capabilities: Iterable[str]) -> str:
    quoted = json.dumps(path, ensure_ascii=False)
    return f"\npath {quoted} {{\n  capabilities = {json.dumps(sorted(capabilities))}\n}}"


def _exact(path: str) -> str:
    if _MEANS_MORE.search(path):
        message = f"a policy can't name {path} alone: it would mean others too"
        raise UsageError(message, "give the secret a name without * + {{")
    return path


def _terraform(hcl: str, name: str, namespace: str | None) -> str:
    literal = hcl.replace("${", "$${").replace("%{", "%%{")
    body = "".join(f"    {line}\n" if line else "\n" for line in literal.splitlines())
    where = f"  namespace = {json.dumps(namespace)}\n" if namespace else ""
    label = name.replace("-", "_")
    return f'resource "vault_policy" "{label}" {{\n{where}  name   = "{name}"\n  policy = <<-EOT\n{body}  EOT\n}}\n'


def excess(client: hvac.Client, mount: str | None, kv_version: int, needs: Needs) -> Sequence[str]:
    """What the client's token may do far beyond `needs`, in a sentence each. Raises Unavailable.

    A token that may not even ask (the default policy lets it) has no more than it was given by name: says nothing.
    """
    own = {Engine(mount, kv_version).api_path(path): path for path in (*needs.read, *needs.write)}
    mounts = [mount] if mount is not None else sorted({path.partition("/")[0] for path in own})
    probes = [(each, *(Engine(each, kv_version).api_path(PROBE, part) for part in _PARTS)) for each in mounts]
    asked = [*own, *(path for _, *paths in probes for path in paths), *(path for path, _ in _OFFICES)]
    api: Any = client.sys  # hvac's stubs leave this method untyped
    try:
        answer = translate("the store", lambda: api.get_capabilities(asked)["data"])
    except (Denied, NotFound):
        return ()
    allowed = {path: set(answer[path]) for path in asked}
    if any("root" in rights for rights in allowed.values()):
        return ("is a root token, which may do everything on the server",)
    found = [sentence for path, sentence in _OFFICES if allowed[path] & _WRITE]
    for each, data, metadata in probes:
        deletes = (allowed[data] | allowed[metadata]) & _DELETE
        may = {"read": allowed[data] & _READ, "write": allowed[data] & _WRITE, "delete": deletes}
        if verbs := [verb for verb, rights in may.items() if rights]:
            found.append(f"may {_listed(verbs)} any secret of the mount {each}")
    return found or list(_of_secrets(own, allowed, needs))


def _of_secrets(own: Mapping[str, str], allowed: Mapping[str, set[str]], needs: Needs) -> Iterator[str]:
    change = [path for api_path, path in own.items() if path in needs.read and allowed[api_path] & _WRITE]
    kept = {path for path in own.values() if path not in needs.delete and not needs.prunes(path, "/")}
    delete = [path for api_path, path in own.items() if allowed[api_path] & _DELETE and path in kept]
    if change:
        yield f"may write {_listed(change)}, and needs to read only"
    if delete:
        yield f"may delete {_listed(delete)}"


def _listed(words: Sequence[str]) -> str:
    most = 3
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
