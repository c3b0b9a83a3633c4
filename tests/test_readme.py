"""What the README shows is what happens: its commands are run in a copy of the checkout, its manifest is loaded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.cli import COMMANDS
from bootstrap.manifest.loader import load
from tests.project import ROOT, Project, Result

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the checkout, with this environment as their .venv."""
    folder = tmp_path_factory.mktemp("checkout") / "airflow-bootstrap"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    try:
        yield folder
    finally:
        _run("make down", folder)


def _run(command: str, folder: Path) -> Result:
    (folder / "stamp").touch()  # .venv is there; installing into it from here would change this very environment
    made = "INSTALLED_UP=stamp INSTALLED_DEV=stamp"
    command = re.sub(r"^make (\S+)", rf"make {made} \1", command)
    environment = Project(folder.parent / "user").environment(PYTHONPATH=str(folder))
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.airflow
@pytest.mark.timeout(600)
def test_the_commands_do_what_they_say(checkout: Path) -> None:
    results: dict[str, Result] = {}
    for command in commands():
        result = _run("make -n test" if command == "make test" else command.partition("  #")[0], checkout)
        expected = re.search(r"# exit code (\d)", command)
        assert result.code == (int(expected[1]) if expected else 0), f"{command}\n{result.text}"
        results[command] = result
    _compare_with_picture(results["make up"].out)
    [smoke] = [result for command, result in results.items() if " smoke " in command]
    assert "auth at authenticate" in smoke.out
    assert not _servers(checkout), "make down left servers running"


@pytest.mark.airflow
@pytest.mark.timeout(600)
def test_make_up_mends_what_was_broken_and_then_has_nothing_to_change(checkout: Path) -> None:
    mended = _run("make up", checkout)  # Postgres gets the password that the store holds now; moto forgot its keys
    assert mended.code == 0, mended.text
    again = _run("make up", checkout)
    assert again.code == 0, again.text
    assert "nothing to change" in again.out
    assert _servers(checkout)


def _compare_with_picture(out: str) -> None:
    """Every line of the README's run is in the real one, but for times, ports and column widths."""
    [picture] = blocks("text")
    for line in filter(None, map(_shape, picture.splitlines())):
        assert line in set(map(_shape, out.splitlines())), line


def _shape(line: str) -> str:
    line = re.sub(r"\S*examples/quickstart", "examples/quickstart", line)
    return re.sub(r"\d+(\.\d+)?", "N", " ".join(line.split())).removesuffix(" N s")


def _servers(checkout: Path) -> list[str]:
    lines = [file.read_bytes().replace(b"\0", b" ").decode(errors="replace") for file in _command_lines()]
    return [line for line in lines if str(checkout / "examples") in line]


def _command_lines() -> list[Path]:
    return [file for file in Path("/proc").glob("[0-9]*/cmdline") if _readable(file)]


def _readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


def test_the_manifest_is_valid_in_every_profile(tmp_path: Path) -> None:
    [text] = blocks("yaml")
    file = tmp_path / "bootstrap.yaml"
    file.write_text(text)
    assert set(load(file).checks) == {"warehouse", "orders_api"}
    assert load(file, profile="ci").backend is not None


def test_every_command_is_listed() -> None:
    rows = re.findall(r"^\| (`[a-z].*?) \|", README, re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)", "".join(rows))) == set(COMMANDS)
