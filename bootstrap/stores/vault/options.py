"""Options of a Vault store in bootstrap.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from bootstrap.stores.vault.auth import Auth, Mount, Name, TokenAuth
from bootstrap.util.files import expanded
from bootstrap.util.model import Model
from bootstrap.util.urls import checked


class Options(Model):
    """A server, and the KV mount in it. With `mount: null` the first part of each path is the mount.

    `ca_cert` is a file or folder of certificates that are trusted instead of the machine's. `client_cert` is shown to a
    server that asks for it; `client_key` is its key, where that isn't in the same file. `proxy` leads to the server, but
    never to one on this machine.
    """

    kind: Literal["vault"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+"), AfterValidator(checked)]
    mount: Mount | None = "secret"
    kv_version: Literal[1, 2] = 2
    namespace: Mount | None = None
    ca_cert: Name | None = None
    client_cert: Name | None = None
    client_key: Name | None = None
    proxy: Annotated[str, Field(pattern=r"^https?://[^\s/@]+/?$"), AfterValidator(checked)] | None = None
    auth: Auth = Field(default_factory=lambda: TokenAuth(method="token"))

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key is not None and self.client_cert is None:
            msg = "client_key needs client_cert"
            raise ValueError(msg)
        return self


def file_in(folder: Path, written: str) -> str:
    """The absolute path of a file that the manifest, which lies in `folder`, names."""
    return str((folder / expanded(written)).absolute())
