"""The parameters of the check `http`: what to ask for, and what the answer must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from bootstrap.checks.base import CheckParams

Status = Annotated[int, Field(ge=200, le=599)]


_EARLIER = {"expect_status": "status", "expect_text": "contains"}  # their names in older manifests


def _with_earlier_names(schema: dict[str, Any]) -> None:
    for name, earlier in _EARLIER.items():
        schema["properties"][earlier] = {**schema["properties"][name], "deprecated": True}


def _expectation(name: str) -> Any:
    return Field(None, validation_alias=AliasChoices(name, _EARLIER[name]))


class Params(CheckParams):
    """`path` is appended to the connection's host. What the answer must be: `expect_status` is a number or a list of them
    (default: anything below 400), `expect_text` a text that must be in its first 16 MB, and `expect_json` what must be in its JSON, which may say more.
    Without one of these, the check proves an answer and no more; a page that asks to sign in fails it.

    An answer from another address than the one asked for fails the check unless `redirects` is true. The credential is sent to no other host or port.
    """

    model_config = ConfigDict(json_schema_extra=_with_earlier_names)

    path: str = ""
    method: Literal["GET", "HEAD"] = "GET"
    expect_status: Status | Annotated[list[Status], Field(min_length=1)] | None = _expectation("expect_status")
    expect_text: str | None = _expectation("expect_text")
    expect_json: Any = None
    redirects: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        """Those that are expected; empty: anything below 400."""
        wanted = self.expect_status
        return tuple(wanted) if isinstance(wanted, list) else () if wanted is None else (wanted,)

    @property
    def expects_json(self) -> bool:
        """`expect_json: null` is an expectation, too."""
        return "expect_json" in self.model_fields_set

    @property
    def expects_content(self) -> bool:
        """Whether more is expected than an answer."""
        return self.expect_text is not None or self.expects_json
