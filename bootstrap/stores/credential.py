"""Reads the credential of a store from a variable or a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator
from typing_extensions import Self

from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied
from bootstrap.util import special_files
from bootstrap.util.files import expanded
from bootstrap.util.model import Model


class Credential(Model):
    """Where the credential for a store comes from: `{env: NAME}` or `{file: PATH}`."""

    env: Annotated[str, Field(min_length=1)] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _allow_text(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        if not isinstance(data, str):
            found = handler(data)
            if (found.env is None) == (found.file is None):
                msg = "expected one of {env: NAME} or {file: PATH}"
                raise ValueError(msg)
            return found
        if not (info.context or {}).get("allow_plaintext"):
            msg = "a credential in plain text; write {env: NAME} or {file: PATH} (or use --allow-plaintext)"
            raise ValueError(msg)
        return PlainCredential(Secret(data))

    def read(self, store: str, folder: Path) -> Secret:
        """The credential itself, without white space around it. Raises Denied: without it the store lets nobody in."""
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise Denied(f"store {store}: ${self.env} is not set", f"export {self.env}=…")
            return Secret(value)
        path = self.path(folder)
        try:
            value = special_files.read(path).decode("utf-8").strip()
        except OSError as err:
            message = f"store {store}: can't read its credential {path}: {err.strerror}"
            raise Denied(message, f"write it to {path}") from err
        except UnicodeDecodeError:  # it quotes the content
            raise Denied(f"store {store}: its credential {path} is not text", f"write it to {path}") from None
        if not value:
            raise Denied(f"store {store}: its credential {path} is empty", f"write it to {path}")
        return Secret(value)

    def path(self, folder: Path) -> Path:
        """Where the file is; a relative path starts in `folder`."""
        return (folder / expanded(str(self.file))).absolute()


@dataclass(frozen=True)
class PlainCredential:
    """A credential that stands in the manifest itself; takes a Credential's place, only with --allow-plaintext."""

    value: Secret
    env: None = None
    file: None = None

    def read(self, _store: str, _folder: Path) -> Secret:
        """The value."""
        return self.value
