"""Environment variables that hold secrets: of this process, according to the manifest, and those that a target gives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from bootstrap import plugins
from bootstrap.domain.reference import Reference
from bootstrap.domain.secret import Secret
from bootstrap.manifest.models import Manifest
from bootstrap.stores.credential import Credential
from bootstrap.stores.kind import ReadsVariables, StoreKind
from bootstrap.util import children

_PLAIN = frozenset({str, int, float, bool, type(None)})


@runtime_checkable
class GivesVariables(Protocol):
    """An optional power of a target: Airflow finds in its environment what is registered there."""

    def variables(self, options: Any, manifest: Manifest, /) -> dict[str, Secret]:
        """AIRFLOW_CONN_… and AIRFLOW_VAR_…, for the processes of Airflow that we start. `options` is one of its Options."""


def names(manifest: Manifest) -> set[str]:
    """Every variable that the manifest takes a credential from, and what references to `env` stores name; set or not."""
    return set(_names(manifest, manifest))


def secret_variables(manifest: Manifest) -> dict[str, Secret]:
    """Those that are set."""
    found = sorted(names(manifest))
    return {name: Secret(os.environ[name]) for name in found if name in os.environ and not children.is_ours(name)}


def _names(node: Any, manifest: Manifest) -> Iterator[str]:
    """Wherever they stand: in stores, connections, variables, options, targets, and what rotates keys."""
    if isinstance(node, Reference):
        spec = manifest.stores[node.store]
        kind = plugins.STORES.get(spec.kind, StoreKind)
        if isinstance(kind, ReadsVariables):
            yield kind.variable(spec.options, node.path)
    elif isinstance(node, Credential):
        if node.env is not None:
            yield node.env
    else:
        for item in _inside(node):
            if type(item) not in _PLAIN:  # there may be a million
                yield from _names(item, manifest)


def _inside(node: Any) -> Iterable[Any]:
    if isinstance(node, Mapping):
        return node.values()
    if isinstance(node, list | tuple):
        return node
    if isinstance(node, BaseModel):
        return [getattr(node, name) for name in type(node).model_fields]
    return [getattr(node, item.name) for item in fields(node)] if is_dataclass(node) else []
