"""Base class of the manifest's models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and strict: no unknown key, no silent conversion (`login: 00123` is an error, not 83).

    Input is left out of pydantic's messages: it could be a secret. A model is built when it is first used: most runs
    need few of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)
