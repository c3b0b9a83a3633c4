import os
import socket
import time
import zipfile
from pathlib import Path

import pytest

from bootstrap.errors import UsageError
from bootstrap.scan.model import Skipped
from bootstrap.scan.sources.files import Collected, collect

DAG = b"from airflow.sdk import DAG\nwith DAG('d'): pass\n"


def put(folder: Path, name: str, data: bytes = DAG) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def paths(found: Collected) -> list[str]:
    return [file.path for file in found.files]


def test_each_kind_of_file_is_told_by_its_name(tmp_path: Path) -> None:
    for name in ("team/load.py", "factory.yml", "sql/load.SQL", "logo.png", "LICENSE"):
        put(tmp_path, name)
    found = collect(tmp_path)
    assert [(file.path, file.kind) for file in found.files] == [
        ("factory.yml", "yaml"),
        ("sql/load.SQL", "text"),
        ("team/load.py", "python"),
    ]
    assert found.skipped == []


def test_only_a_python_file_with_both_words_might_hold_a_dag(tmp_path: Path) -> None:
    put(tmp_path, "a.py", b"import AIRFLOW\nmake_Dag()\n")
    put(tmp_path, "b.py", b"import airflow\n")
    put(tmp_path, "c.yaml", b"dag: airflow\n")
    assert [file.path for file in collect(tmp_path).files if file.might_hold_dag] == ["a.py"]


def test_a_single_file_is_scanned_as_the_only_one_of_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "other.py")
    assert paths(collect(put(tmp_path, "load.py"))) == ["load.py"]


def test_a_folder_without_dags_is_no_error(tmp_path: Path) -> None:
    assert collect(tmp_path) == Collected(tmp_path, [], [])


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "x" * 300])
def test_a_folder_that_isnt_there_is_a_usage_error_with_the_next_step(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        collect(tmp_path / name)
    assert "airflow-bootstrap scan" in caught.value.hint


def test_a_single_file_of_another_kind_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a file with DAGs"):
        collect(put(tmp_path, "logo.png", b"\x89PNG"))


def test_a_loop_of_links_is_said_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "team/load.py")
    (tmp_path / "team" / "again").symlink_to(tmp_path)
    (tmp_path / "team" / "me").symlink_to(".")
    found = collect(tmp_path)
    assert paths(found) == ["team/load.py"]
    assert found.skipped == [
        Skipped("team/again", "a loop: it leads back to the scanned folder"),
        Skipped("team/me", "a loop: it leads back to team"),
    ]


def test_links_to_folders_and_files_outside_are_followed(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    put(tmp_path, "shared/helper.py")
    (dags / "shared").symlink_to(tmp_path / "shared")
    (dags / "one.py").symlink_to(put(tmp_path, "elsewhere.py"))
    assert paths(collect(dags)) == ["one.py", "shared/helper.py"]


def test_a_kubernetes_volume_shows_each_file_once_by_its_plain_name(tmp_path: Path) -> None:
    put(tmp_path, "..2026_01_01/load.py")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "load.py").symlink_to("..data/load.py")
    found = collect(tmp_path)
    assert (paths(found), found.skipped) == (["load.py"], [])


def test_a_hidden_folder_is_read_as_airflow_does(tmp_path: Path) -> None:
    put(tmp_path, ".drafts/load.py")
    assert paths(collect(tmp_path)) == [".drafts/load.py"]


def test_folders_of_tools_are_left_out_quietly_and_environments_are_said(tmp_path: Path) -> None:
    for name in ("__pycache__/a.py", ".git/b.py", ".venv/c.py", "env/lib/d.py", "node_modules/gyp/e.py", "load.py"):
        put(tmp_path, name)
    put(tmp_path, "env/pyvenv.cfg", b"home = /usr/bin\n")
    found = collect(tmp_path)
    assert paths(found) == ["load.py"]
    assert found.skipped == [
        Skipped("env", "a virtual environment"),
        Skipped("node_modules", "packages of Node.js"),
    ]


def test_a_large_file_is_said_with_its_size(tmp_path: Path) -> None:
    put(tmp_path, "big.py", b"#" * 10_000_000)
    put(tmp_path, "big.sql", b"-" * 1_000_001)
    found = collect(tmp_path)
    assert paths(found) == []
    assert [each.reason for each in found.skipped] == [
        "10 MB; files over 5 MB aren't read",
        "1 MB; files over 1 MB aren't read",
    ]


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.py"))
        found = collect(tmp_path)
    assert [(each.file, each.reason) for each in found.skipped] == [
        ("pipe.py", "a FIFO, which is never opened"),
        ("s.py", "a socket, which is never opened"),
        ("zero.py", "a device, which is never opened"),
    ]


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    assert collect(tmp_path).skipped == [Skipped("gone.py", "a link to nothing")]


def test_a_file_that_vanishes_after_the_folder_was_listed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.py")
    there = Path.stat

    def gone_after(self: Path, **how: bool) -> os.stat_result:  # no other way to be between the two calls
        found = there(self, **how)
        if self.name == "a.py":
            self.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "stat", gone_after)
    assert collect(tmp_path).skipped == [Skipped("a.py", "gone since the folder was listed")]


def test_what_may_not_be_read_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    put(tmp_path, "secret.py").chmod(0)
    put(tmp_path, "closed/a.py")
    (tmp_path / "closed").chmod(0)
    put(tmp_path, "load.py")
    found = as_nobody(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert paths(found) == ["load.py"]
    assert found.skipped == [
        Skipped("closed", "can't be listed: Permission denied"),
        Skipped("secret.py", "can't be read: Permission denied"),
    ]


def as_nobody(folder: Path) -> Collected:
    """What a scan finds that isn't root, who may read everything. The folder is reached from within: those above are closed."""
    if os.geteuid() != 0:
        return collect(folder)
    before = Path.cwd()
    folder.chmod(0o755)
    os.chdir(folder)
    os.seteuid(65534)
    try:
        return collect(Path())
    finally:
        os.seteuid(0)
        os.chdir(before)


def test_a_name_that_is_no_utf8_can_be_printed(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"caf\xe9.py"))
    assert paths(collect(tmp_path)) == ["caf\N{REPLACEMENT CHARACTER}.py"]


def test_folders_nested_deeper_than_pythons_stack(tmp_path: Path) -> None:
    folders = [f"{tmp_path}{'/d' * depth}" for depth in range(1, 1100)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102  pathlib calls itself for each level
    file = Path(folders[-1], "load.py")
    file.write_bytes(DAG)
    try:
        assert [Path(each).name for each in paths(collect(tmp_path))] == ["load.py"]
    finally:  # shutil, by which pytest cleans up, calls itself, too
        file.unlink()
        for folder in reversed(folders):
            os.rmdir(folder)  # noqa: PTH106


def test_a_thousand_files_are_collected_and_parsed_in_two_seconds(tmp_path: Path) -> None:
    from bootstrap.scan.sources.syntax import parse

    lines = b"".join(
        b"task_%d = BashOperator(task_id='t%d', bash_command='echo {{ ds }}')\n" % (n, n) for n in range(20)
    )
    for number in range(1000):
        put(tmp_path, f"team{number % 20}/dag_{number}.py", DAG + lines)
    began = time.process_time()
    found = [parse(file.read()) for file in collect(tmp_path).files]
    assert len(found) == 1000
    assert time.process_time() - began < 2


def test_a_zip_is_read_and_only_its_top_holds_dags(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "dags.zip", "w") as archive:
        for name in ("etl.py", "lib/helper.py", "notes.txt", "../evil.py", "/abs.py"):
            archive.writestr(name, DAG)
    found = collect(tmp_path)
    assert [(file.path, file.might_hold_dag, file.read() == DAG) for file in found.files] == [
        ("dags.zip/etl.py", True, True),
        ("dags.zip/lib/helper.py", False, True),
    ]
