"""Which stores, targets, issuers and checks there are: ours, each one module, and what other packages add by entry points.

What such a module has to have is a Protocol, `kind.py` in the room of each. Another package's must fit it when it is loaded;
ours fit it, or the tests fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin, get_type_hints

from bootstrap.domain.secret import foreign
from bootstrap.errors import PluginError
from bootstrap.util.distributions import have_entry_points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Shape = TypeVar("Shape")
_MISSING = object()


@dataclass(frozen=True)
class Registry:
    """Modules by kind.

    `noun` is what one is called, `group` the entry-point group through which other packages add theirs; `builtin` maps a kind
    to the name of a module of ours.
    """

    noun: str
    group: str
    builtin: Mapping[str, str]

    def names(self) -> list[str]:
        """Every kind there is, sorted."""
        return sorted({*self.builtin, *(entry.name for entry in self._entries())})

    @property
    def extended(self) -> bool:
        """Whether another package adds a kind."""
        return bool(self._entries())

    def find(self, name: object, shape: type[Shape]) -> Shape | None:
        """The module (or object) that implements `name`, or None. Another package can't replace one of ours.

        `shape` is the Protocol that it must fit. Raises PluginError for one that doesn't, or that can't be imported.
        """
        if isinstance(name, str) and name in self.builtin:
            return self._fitting(import_module(self.builtin[name]), shape, name, "airflow-bootstrap")
        entry = next((entry for entry in self._entries() if entry.name == name), None)
        return None if entry is None else self._load(entry, shape)

    def get(self, name: str, shape: type[Shape]) -> Shape:
        """The same for a name that the manifest's loader has found. Raises PluginError."""
        found = self.find(name, shape)
        if found is None:
            raise PluginError(f"there is no {self.noun} {name!r}", f"there are: {', '.join(self.names())}")
        return found

    def _load(self, entry: EntryPoint, shape: type[Shape]) -> Shape:
        package = entry.dist.name if entry.dist is not None else entry.module
        try:
            found: object = entry.load()
        except Exception as err:  # whatever its code does when it is imported
            problem = f"can't be imported: {type(err).__name__}: {foreign(err)}"
            raise self._broken(entry.name, package, problem) from err
        return self._fitting(found, shape, entry.name, package)

    def _fitting(self, found: object, shape: type[Shape], name: str, package: str) -> Shape:
        wrong = list(_wrong(found, shape))
        if isinstance(found, shape) and not wrong:
            return found
        raise self._broken(name, package, f"doesn't fit {shape.__module__}.{shape.__name__}: {', '.join(wrong)}")

    def _broken(self, name: str, package: str, problem: str) -> PluginError:
        message = f"the {self.noun} {name!r} of the package {package} {problem}"
        return PluginError(message, f"pip install --upgrade {package}, or pip uninstall {package}")

    def _entries(self) -> tuple[EntryPoint, ...]:
        return _entry_points(self.group, tuple(sys.path))


@lru_cache
def _entry_points(group: str, folders: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    if not have_entry_points(group, folders):  # importlib.metadata takes five times as long to say so
        return ()
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))


def _wrong(found: object, shape: type) -> Iterator[str]:
    """What a plugin lacks, in words: an attribute, or one that is no function or no model where it has to be."""
    from typing_extensions import get_protocol_members

    for name in sorted(get_protocol_members(shape)):
        asked, given = getattr(shape, name, None), getattr(found, name, _MISSING)
        if given is _MISSING:
            yield f"it has no {name}"
        elif isfunction(asked) and not callable(given):
            yield f"its {name} is not a function"
        elif (base := _base(asked)) is not None and not (isinstance(given, type) and issubclass(given, base)):
            yield f"its {name} is not a {base.__name__} ({base.__module__})"


def _base(asked: object) -> type | None:
    """The class X where a Protocol asks for a `type[X]`."""
    hint = get_type_hints(asked.fget).get("return") if isinstance(asked, property) else None
    return next(iter(get_args(hint)), None) if get_origin(hint) is type else None


STORES = Registry(
    noun="store",
    group="airflow_bootstrap.stores",
    builtin={
        "aws_parameter_store": "bootstrap.stores.aws.parameter_store",
        "aws_secrets_manager": "bootstrap.stores.aws.secrets_manager",
        "embedded": "bootstrap.stores.embedded.store",
        "env": "bootstrap.stores.env",
        "file": "bootstrap.stores.file",
        "google_secret_manager": "bootstrap.stores.google.secret_manager",
        "vault": "bootstrap.stores.vault.store",
    },
)
TARGETS = Registry(
    noun="target",
    group="airflow_bootstrap.targets",
    builtin={
        "api": "bootstrap.targets.rest_api.target",
        "backend": "bootstrap.targets.backend.target",
        "env": "bootstrap.targets.env",
        "file": "bootstrap.targets.file",
        "kubernetes": "bootstrap.targets.kubernetes.target",
        "metadata": "bootstrap.targets.metadata.target",
    },
)
ISSUERS = Registry(
    noun="issuer",
    group="airflow_bootstrap.issuers",
    builtin={
        name: f"bootstrap.issuers.{name}"
        for name in (
            "aws_access_key",
            "command",
            "google_service_account_key",
            "mysql_password",
            "postgres_password",
            "random",
            "vault_approle_secret_id",
            "vault_token",
        )
    },
)
_NO_CHECKS = {"base", "kind"}
_CHECKS = sorted(
    file.stem for file in (Path(__file__).parent / "checks").glob("[!_]*.py") if file.stem not in _NO_CHECKS
)
CHECKS = Registry(
    noun="check", group="airflow_bootstrap.checks", builtin={name: f"bootstrap.checks.{name}" for name in _CHECKS}
)
