"""Environment variables as a read-only source: the path is the variable's name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Malformed, NotFound
from bootstrap.stores.base import Context, Fields, Stored, Version
from bootstrap.stores.structured import as_stored
from bootstrap.util.model import Model


class Options(Model):
    """`{kind: env}`, or `{kind: env, prefix: CI_}` to look only at variables that begin so."""

    kind: Literal["env"]
    prefix: str = ""


class EnvStore:
    """The environment of this process."""

    writable = False
    separator = "/"

    def __init__(self, name: str, prefix: str) -> None:
        self.name = name
        self.prefix = prefix

    def read(self, path: str, version: Version | None = None) -> Stored:
        """The variable `prefix + path`. A JSON object has fields."""
        variable = self.prefix + path
        if version is not None:
            raise NotFound(f"{self.name}:{path}: an environment variable has no versions", "leave out the @VERSION")
        if variable not in os.environ:
            raise NotFound(f"{self.name}:{path}: ${variable} is not set", f"export {variable}=…")
        value = os.environ[variable]
        if not value.isascii() and value != os.fsencode(value).decode(errors="replace"):
            raise Malformed(f"{self.name}:{path}: ${variable} is not text", "store it as UTF-8, or as base64")
        return as_stored(value)

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:  # noqa: ARG002  refused
        """Refused: the environment belongs to whoever started this process."""
        raise Denied(f"{self.name}:{path}: an env store is read-only", f"export {self.prefix}{path}=… instead")

    def names(self, prefix: str) -> Iterator[str]:
        """The variables' names, without the store's prefix."""
        start = self.prefix + prefix
        yield from sorted(name[len(self.prefix) :] for name in os.environ if name.startswith(start))

    def ping(self) -> str:
        """Always there."""
        return f"variables ${self.prefix}*" if self.prefix else "the environment"


def variable(options: Options, path: str) -> str:
    """The variable that holds the secret at `path`."""
    return options.prefix + path


def open_store(options: Options, context: Context) -> EnvStore:
    """The store; reads nothing yet."""
    return EnvStore(context.name, options.prefix)
