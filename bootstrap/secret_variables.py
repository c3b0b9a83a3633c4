"""Which variables of this process's environment hold secrets, as far as the manifest tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from bootstrap import stores
from bootstrap.manifest import Manifest
from bootstrap.manifest_models import find_references
from bootstrap.secret import Secret
from bootstrap.stores.credential import Credential


def secret_variables(manifest: Manifest) -> dict[str, Secret]:
    """Those that are set: credentials of stores and of Airflow's own backend, and what references to `env` stores name."""
    names = {name for spec in manifest.stores.values() for name in _credentials(spec.options)}
    names |= {name for source in manifest.sources for value in source.kwargs.values() for name in _credentials(value)}
    for _, reference in find_references(manifest.connections):
        spec = manifest.stores[reference.store]
        module: Any = stores.KINDS.find(spec.kind)
        if hasattr(module, "variable"):
            names.add(module.variable(spec.options, reference.path))
    return {name: Secret(os.environ[name]) for name in sorted(names) if name in os.environ}


def _credentials(node: Any) -> Iterator[str]:
    if isinstance(node, Credential):
        if node.env is not None:
            yield node.env
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _credentials(getattr(node, name))
