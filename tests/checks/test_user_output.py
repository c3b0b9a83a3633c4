"""What the user's code prints in a check: masked, and printed when it ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bootstrap.checks import _user_code
from bootstrap.domain.secret import foreign, mask
from bootstrap.smoke.runner import OUTPUT_KEPT, tail

CANARY = "hunter2-Canary-0815"


def test_what_is_printed_in_many_pieces_is_masked(capfd: pytest.CaptureFixture[str]) -> None:
    mask(CANARY)
    line = f"12:00 a line \x1b[31mof a log\x1b[0m, {CANARY} in it\n"
    with _user_code.guarded("x"):
        os.write(1, (line * 50_000).encode())  # more than what is masked at a time
        os.write(2, f"by Python {CANARY} ".encode())
        subprocess.run(["sh", "-c", f"printf '%s' 'by a child {CANARY[:12]}' >&2"], check=True)  # cut off by a kill
    out = capfd.readouterr().out
    assert out == "12:00 a line of a log, *** in it\n" * 50_000 + "by Python *** by a child ***"


def test_of_an_output_the_end_is_kept_and_no_more_is_read(tmp_path: Path) -> None:
    file = tmp_path / "output"
    assert tail(file) == ""
    with file.open("wb") as stream:
        stream.seek(10**12)  # a file with a hole
        stream.write(("ü" * OUTPUT_KEPT + "\nthe end").encode())
    text = tail(file)
    assert text.endswith("ü\nthe end")
    assert len(text) <= OUTPUT_KEPT


def test_what_is_left_of_a_secret_at_the_end_of_an_output_is_masked(tmp_path: Path) -> None:
    mask(CANARY)
    (tmp_path / "output").write_text(f"log-in with {CANARY[:10]}")
    assert foreign(tail(tmp_path / "output")) == "log-in with ***"
