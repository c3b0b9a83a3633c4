"""Files that are never half-written and never readable by others."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootstrap.errors import Busy, UsageError
from bootstrap.util.files import (
    LEFTOVER_AGE,
    expanded,
    file_mode,
    locked,
    private_folder,
    shown,
    state_folder,
    write_atomic,
)

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from bootstrap.util.files import locked
with locked(Path(sys.argv[1]), timeout=30, busy="held by somebody else"):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 10 bytes: writing fails half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Another process holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.communicate()


@pytest.mark.parametrize("content", ["text: ü\n", b"\x00\xff"])
def test_text_and_bytes_are_written_as_they_are(tmp_path: Path, content: str | bytes) -> None:
    write_atomic(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == (content.encode() if isinstance(content, str) else content)


def test_a_reader_of_the_old_file_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as reader:
        write_atomic(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_atomic(path, "new" * 100)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_failing_replacement_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "file", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_write_left_goes_with_the_next_one(tmp_path: Path) -> None:
    old, young, another = (tmp_path / name for name in (".file.a.tmp", ".file.b.tmp", ".another.a.tmp"))
    for leftover, age in ((old, LEFTOVER_AGE + 10), (young, LEFTOVER_AGE - 10), (another, LEFTOVER_AGE + 10)):
        leftover.touch()
        os.utime(leftover, (time.time() - age,) * 2)
    write_atomic(tmp_path / "file", "x")
    assert {file.name for file in tmp_path.iterdir()} == {"file", young.name, another.name}


def test_a_path_below_the_current_folder_is_shown_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == shown(Path("a/b")) == "a/b"
    assert shown(tmp_path.parent / "c") == str(tmp_path.parent / "c")


def test_a_file_is_readable_by_its_owner_only_unless_said_otherwise(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_atomic(tmp_path / "secret", "x")
        write_atomic(tmp_path / "public", "x", mode=0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "secret") == 0o600
    assert mode(tmp_path / "public") == 0o644


def test_the_umask_does_not_change_the_mode_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "public", "x", mode=0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "public") == 0o644


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_a_link(tmp_path: Path, *, exists: bool) -> None:
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    write_atomic(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_the_mode_of_a_file_that_is_not_there_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o640)
    assert file_mode(tmp_path / "file") == 0o640
    assert file_mode(tmp_path / "missing") == 0o600
    assert file_mode(tmp_path / "missing", default=0o644) == 0o644


def test_a_private_folder_is_closed_to_others_even_if_it_was_open(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    assert mode(private_folder(tmp_path / "open")) == 0o700
    assert mode(private_folder(tmp_path / "a" / "new")) == 0o700


def test_a_link_changes_nothing_in_the_folder_behind_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    victim.chmod(0o755)
    (tmp_path / ".bootstrap").symlink_to(victim)
    with pytest.raises(UsageError, match="others may enter"):
        state_folder(tmp_path)
    assert (mode(victim), list(victim.iterdir())) == (0o755, [])
    victim.chmod(0o700)
    assert (state_folder(tmp_path) / ".gitignore").read_text() == "*\n"


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        write_atomic(tmp_path / "file", "new" * 100)
    assert caught.value.filename == str(tmp_path / "file")
    with pytest.raises(OSError, match="No such file") as caught:
        write_atomic(tmp_path / "nowhere" / "file", "new")
    assert caught.value.filename == str(tmp_path / "nowhere" / "file")


def test_a_name_as_long_as_it_may_be_is_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("n" * 255), "x")
    assert (tmp_path / ("n" * 255)).read_text() == "x"


def test_the_state_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    assert folder == tmp_path / ".bootstrap"
    assert mode(folder) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_gitignore_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (state_folder(tmp_path) / ".gitignore").write_text("mine\n")
    assert (state_folder(tmp_path) / ".gitignore").read_text() == "mine\n"


def test_a_lock_that_another_process_holds_is_busy(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with (
        held(lock),
        pytest.raises(Busy, match="another run works here") as caught,
        locked(lock, timeout=0.1, busy="another run works here"),
    ):
        pass
    assert caught.value.hint


def test_a_lock_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with held(lock):
        pass
    with pytest.raises(ZeroDivisionError), locked(lock, timeout=0.1, busy="busy"):
        raise ZeroDivisionError
    with locked(lock, timeout=0.1, busy="busy"):
        assert mode(lock) == 0o600


@pytest.mark.parametrize(("written", "said"), [("~nouser/x", "there is no home folder"), ("a\0b", "no path has a NUL")])
def test_a_path_that_can_be_no_file_is_said(written: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        expanded(written)
