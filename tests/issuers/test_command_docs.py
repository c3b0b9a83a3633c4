"""docs/rotation-command.md: its manifest loads, and its program does what the page demands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import IssuerDenied
from bootstrap.issuers import _program, command
from bootstrap.issuers.base import Issuer
from bootstrap.manifest.loader import load
from tests.project import ROOT
from tests.rotation.databases import Manifest
from tests.rotation.databases import attempt as begun

PAGE = (ROOT / "docs" / "rotation-command.md").read_text()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    [text], [program] = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("yaml", "python"))
    (tmp_path / "bootstrap.yaml").write_text(text)
    (tmp_path / "tokens.py").write_text(program)
    (tmp_path / "tokens.py").chmod(0o700)
    options: Any = load(tmp_path / "bootstrap.yaml").rotations["orders_api"].options
    return command.open_issuer(options, Manifest(None, None, tmp_path))  # type: ignore[arg-type]  # asks for no admin


def test_the_example_mints_keys(issuer: Issuer, tmp_path: Path) -> None:
    first = issuer.issue(begun(None))
    attempt = replace(begun(first.id, first.id), run="run-2")
    assert issuer.lost(attempt) == []
    second = issuer.issue(attempt)
    assert issuer.lost(attempt) == [second.id]
    assert [issuer.identify(key.fields) for key in (first, second)] == [first.id, second.id]
    for _ in range(2):
        issuer.disable(first.id)
    assert {key.id: key.state for key in issuer.keys()} == {first.id: "disabled", second.id: "enabled"}
    issuer.enable(first.id)
    for _ in range(2):
        issuer.destroy(first.id)
    issuer.disable(first.id)
    with pytest.raises(IssuerDenied, match="gone"):
        issuer.enable(first.id)
    assert issuer.identify(first.fields) is None
    assert [(key.id, key.state) for key in issuer.keys()] == [(second.id, "enabled")]
    tokens = (tmp_path / "tokens.json").read_text()
    assert list(json.loads(tokens)) == [second.id]
    assert second.fields["password"].unmasked() not in tokens


def test_the_page_names_what_is_sent_and_what_is_understood() -> None:
    sent = {*command.told(begun(None)), "issue", "lost", "keys", "identify", "disable", "enable", "destroy", "add"}
    assert all(f"`{word}`" in PAGE or f'"{word}"' in PAGE for word in {*sent, *_program._WORDS})
