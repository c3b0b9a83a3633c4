from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from bootstrap.checks.base import Run, leftovers
from bootstrap.domain.secret import mask
from bootstrap.smoke.inputs import TaskInputs
from bootstrap.smoke.receipt import Receipt


@pytest.fixture
def receipt(tmp_path: Path) -> Receipt:
    return Receipt(run_id="run", nonce="fresh", file=tmp_path / "receipt")


def test_a_child_writes_what_the_parent_reads(
    receipt: Receipt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TaskInputs(receipt=receipt).write(tmp_path / "inputs").items():
        monkeypatch.setenv(name, value)
    told = TaskInputs.of_this_process().receipt
    assert told is not None
    told.write(step="access", status="passed")
    assert [dict(line) for line in receipt.read()] == [{"nonce": "fresh", "step": "access", "status": "passed"}]


def test_a_line_of_another_run_or_cut_short_counts_for_nothing(receipt: Receipt) -> None:
    Receipt("run", "stale", receipt.file).write(outcome="success")
    assert receipt.file is not None
    with receipt.file.open("a") as file:
        file.write('{"nonce": "fresh", "outcome": "succ')
    assert list(receipt.read()) == []


def test_a_receipt_holds_no_secret_and_is_private(receipt: Receipt) -> None:
    mask("hunter2hunter2")
    receipt.write(step="access", message="login with hunter2hunter2 failed")
    assert receipt.file is not None
    assert "hunter2" not in receipt.file.read_text()
    assert receipt.file.stat().st_mode & 0o777 == 0o600


def test_a_task_run_by_hand_needs_no_receipt() -> None:
    receipt = Receipt.by_hand()
    receipt.write(step="access")
    assert list(receipt.read()) == []
    assert Run(receipt.run_id).name in set(
        leftovers([Run(receipt.run_id).name], datetime(2200, 1, 1, tzinfo=timezone.utc))
    )
