"""airflow.cfg gets the managed keys; every other byte stays its owner's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap import airflow_cfg
from bootstrap.errors import AirflowError, Exit, ManifestError
from bootstrap.manifest import load
from bootstrap.secret import redact
from bootstrap.stores.base import AirflowBackend
from tests.project import without_roots_rights

CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
KWARGS = {
    "connections_path": "connections",
    "variables_path": None,
    "url": "https://vault.example.com/%7Eteam/100%",
    "token_path": "/srv/$HOME/tökens/%(here)s/a b.token",
    "kv_engine_version": 2,
}
BACKEND = AirflowBackend(CLASS, KWARGS)
CANARY = "hvs.canary-in-airflow-cfg-4711"
BOM = "\ufeff"

Reads: TypeAlias = Callable[[Path], tuple[str, Any, dict[str, dict[str, str]]]]


def rendered(text: str | None, tmp_path: Path, backend: AirflowBackend = BACKEND) -> str:
    """What becomes of a file with this text, to the byte."""
    file = tmp_path / "airflow.cfg"
    if text is not None:
        file.write_bytes(text.encode())
    airflow_cfg.write(airflow_cfg.render(backend, file))
    return file.read_bytes().decode()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The two managed lines."""
    section, _, backend, kwargs = rendered(None, tmp_path_factory.mktemp("new")).splitlines()
    assert section == "[secrets]"
    return backend, kwargs


# Airflow's own parser, in one child for all tests

CHILD = """
import json, sys
from airflow.configuration import AirflowConfigParser, conf
from airflow.configuration import write_default_airflow_configuration_if_needed

write_default_airflow_configuration_if_needed()
with open(sys.argv[1], "w") as file:
    conf.write(file, comment_out_everything=True, only_defaults=True)
parser = AirflowConfigParser()
print("ready", flush=True)
for line in sys.stdin:
    with open(json.loads(line)) as file:
        parser.read_file(file)
    raw = {name: dict(parser._sections[name]) for name in parser.sections()}
    found = parser.get("secrets", "backend"), parser.getjson("secrets", "backend_kwargs"), raw
    parser.clear()
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def airflow_reads(airflow_home: Path) -> Iterator[Reads]:
    """Reads a file with Airflow: the backend, its kwargs, and every value in the file as it stands there."""
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(airflow_home), "HOME": "/expanded"}
    commented = airflow_home / "commented.cfg"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, commented], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def read(file: Path) -> tuple[str, Any, dict[str, dict[str, str]]]:
            stdin.write(json.dumps(str(file)) + "\n")
            stdin.flush()
            backend, kwargs, raw = json.loads(stdout.readline())
            return backend, kwargs, raw

        while stdout.readline() != "ready\n":
            assert child.poll() is None
        yield read
        stdin.close()


# Any ini file that Airflow accepts

names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=12)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cs")), max_size=12).map(
    lambda text: text.replace(BOM, "")
)
values = st.lists(words, max_size=4).map(" ".join)
comments = st.builds("{}{}\n".format, st.sampled_from(["# ", "#", "; ", ";"]), values)
fillers = st.lists(st.one_of(comments, st.just("\n"), st.just("  \n")), max_size=3).map("".join)
continuations = st.lists(values.map(lambda text: f"    {text.lstrip('#;[') or 'x'}\n"), max_size=2).map("".join)
delimiters = st.sampled_from([" = ", "=", ": ", " =", "= "])


def option(key: str) -> st.SearchStrategy[str]:
    return st.builds("{}{}{}\n{}".format, st.just(key), delimiters, values, continuations)


def section(name: str) -> st.SearchStrategy[str]:
    keys = st.lists(names.filter(lambda key: not key.startswith("backend")), unique=True, max_size=4)
    options = keys.flatmap(lambda found: st.tuples(*(st.tuples(option(key), fillers) for key in found)))
    return st.builds(
        "[{}]\n{}{}".format,
        st.just(name),
        fillers,
        options.map(lambda rows: "".join(line for row in rows for line in row)),
    )


old_kwargs = st.sampled_from(["", '{"url": "http://old"}', '{"url": "http://old%%20",\n    "token": "x"}', "not json"])
old_lines = st.one_of(
    st.builds("backend{}some.old.Backend\n".format, delimiters),
    st.just("backend =\n"),
    st.just("backend = \n"),
)
old_kwargs_lines = st.builds("backend_kwargs{}{}\n".format, delimiters, old_kwargs)
commented = st.sampled_from(["# backend =\n", "#backend_kwargs = {}\n", "; backend = x\n", ""])


OURS = "\0"  # begins a line that is ours to change


def marked(lines: str) -> str:
    return "".join(OURS + line for line in lines.splitlines(keepends=True))


@st.composite
def managed_section(draw: st.DrawFn) -> str:
    parts = [draw(commented), draw(fillers)]
    parts += [marked(draw(lines)) for lines in (old_lines, old_kwargs_lines) if draw(st.booleans())]
    head = draw(section("secrets"))
    return head + "".join(draw(st.permutations(parts))) + draw(fillers)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """A file, and the same without our lines."""
    others = draw(st.lists(st.sampled_from(["core", "logging", "secret", "workers", "Secrets", "a b"]), unique=True))
    sections = [draw(section(name)) for name in others]
    if draw(st.booleans()):
        sections.insert(draw(st.integers(0, len(sections))), draw(managed_section()))
    text = draw(fillers) + "".join(sections)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    rest = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(OURS))
    newline, bom = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(["", BOM]))
    return bom + text.replace(OURS, "").replace("\n", newline), bom + rest.replace("\n", newline)


def without(text: str, ours: tuple[str, str]) -> str:
    """The text without our lines; an old key keeps its delimiter."""
    return "".join(line for line in text.splitlines(keepends=True) if plain(line) not in ours)


def plain(line: str) -> str:
    return re.sub(r"^(backend|backend_kwargs) ?: ?", r"\1 = ", line.rstrip("\r\n"))


SLOW = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SLOW
@given(file=files())
def test_nothing_but_the_managed_lines_changes(file: tuple[str, str], ours: tuple[str, str], tmp_path: Path) -> None:
    before, rest = file
    after = rendered(before, tmp_path)
    newline = "\r\n" if "\r\n" in before else "\n"
    if "[secrets]" in before:
        assert without(after, ours) in {rest, rest + newline}
    else:
        assert after.startswith(before)
        assert after[len(before) :].split() == rendered(None, tmp_path / "new").split()
    assert sorted(plain(line) for line in after.splitlines() if plain(line) in ours) == sorted(ours)
    assert rendered(after, tmp_path) == after


# What Airflow reads


def kept(values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Every value that isn't ours; a [secrets] without one is none."""
    managed = ("backend", "backend_kwargs")
    found = {
        name: {key: value for key, value in keys.items() if name != "secrets" or key not in managed}
        for name, keys in values.items()
    }
    return {name: keys for name, keys in found.items() if keys or name != "secrets"}


@pytest.mark.airflow
@SLOW
@given(file=files().filter(lambda file: not file[0].startswith(BOM)))
def test_airflow_reads_our_values_and_all_others_as_before(
    file: tuple[str, str], airflow_reads: Reads, tmp_path: Path
) -> None:
    target = tmp_path / "airflow.cfg"
    target.write_bytes(file[0].encode())
    airflow_cfg.write(airflow_cfg.render(BACKEND, tmp_path / "airflow.cfg"))
    backend, kwargs, after = airflow_reads(target)
    assert (backend, kwargs) == (CLASS, KWARGS)
    target.write_bytes(without_managed(file[0]).encode())
    assert kept(after) == kept(airflow_reads(target)[2])


def without_managed(text: str) -> str:
    """The file without old lines of ours, whose JSON Airflow might refuse."""
    return re.sub(r"(?m)^backend(_kwargs)?[ ]?[=:].*\n?([ ]{4}.*\n?)*", "", text)


@pytest.mark.airflow
@pytest.mark.parametrize("name", ["airflow.cfg", "commented.cfg"])
def test_airflows_own_default_file_gets_two_lines(
    name: str, airflow_home: Path, airflow_reads: Reads, ours: tuple[str, str], tmp_path: Path
) -> None:
    before = (airflow_home / name).read_text()
    assert len(before.splitlines()) > 3000
    after = rendered(before, tmp_path)
    empty_before = [line for line in before.splitlines() if line.strip() not in {"backend =", "backend_kwargs ="}]
    assert [line for line in after.splitlines() if line not in ours] == empty_before
    backend, kwargs, _ = airflow_reads(tmp_path / "airflow.cfg")
    assert (backend, kwargs) == (CLASS, KWARGS)


@pytest.mark.airflow
def test_airflow_reads_a_new_file(airflow_reads: Reads, tmp_path: Path) -> None:
    rendered(None, tmp_path)
    assert airflow_reads(tmp_path / "airflow.cfg")[:2] == (CLASS, KWARGS)


# Files that can't be edited


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[core]\nno delimiter here\n", 2, "not a valid ini file"),
        ("key = before any section\n", 1, "not a valid ini file"),
        ("[secrets]\nbackend = a\n[core]\nx = 1\n[secrets]\n", 5, "the section of [secrets] is here twice"),
        ("[core]\nx = 1\n[core]\nx = 2\n", 3, "the section of [core] is here twice"),
        ("[secrets]\nbackend = a\nbackend = b\n", 3, "the key 'backend' of [secrets] is here twice"),
    ],
)
def test_a_file_that_airflow_cannot_read_is_left_alone(text: str, line: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(AirflowError) as caught:
        rendered(text, tmp_path)
    assert f"{tmp_path / 'airflow.cfg'}:{line}: {said}" in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == Exit.AIRFLOW
    assert (tmp_path / "airflow.cfg").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "[secrets]\n  backend = a\n  use_cache = True\n",  # ours, not indented, would swallow the next line
        "[core]\r\nx = 1\n[secrets]\n",
        "[core]\nx = 1\r[secrets]\rbackend = a\n",  # Airflow reads a lone CR as a line's end
    ],
)
def test_a_file_that_we_cannot_edit_is_left_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(AirflowError) as caught:
        rendered(text, tmp_path)
    assert str(tmp_path / "airflow.cfg") in caught.value.message
    assert caught.value.hint
    assert (tmp_path / "airflow.cfg").read_bytes().decode() == text


def test_no_error_quotes_the_file(tmp_path: Path) -> None:
    with pytest.raises(AirflowError) as caught:
        rendered(f"[secrets]\nbackend_kwargs = {{\n{CANARY}\n", tmp_path)
    assert CANARY not in caught.value.message + caught.value.hint


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_bytes(b"[core]\nx = \xff\n")
    with pytest.raises(AirflowError, match=r"can't read .*utf-8"):
        airflow_cfg.render(BACKEND, file)


def test_a_path_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AirflowError, match=r"can't read .*Not a directory"):
        airflow_cfg.render(BACKEND, tmp_path / "file" / "airflow.cfg")


def test_a_home_that_is_a_regular_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rendering = airflow_cfg.render(BACKEND, home / "airflow.cfg")
    home.write_text("x")
    with pytest.raises(AirflowError) as caught:
        airflow_cfg.write(rendering)
    assert caught.value.exit_code == Exit.AIRFLOW


def test_a_read_only_folder(tmp_path: Path) -> None:
    rendering = airflow_cfg.render(BACKEND, tmp_path / "airflow.cfg")
    tmp_path.chmod(0o500)
    try:
        with without_roots_rights(), pytest.raises(AirflowError, match=r"can't write .*Permission denied"):
            airflow_cfg.write(rendering)
    finally:
        tmp_path.chmod(0o700)


# The file itself


def test_a_new_file_is_private_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "not" / "yet" / "airflow.cfg"
    airflow_cfg.write(airflow_cfg.render(BACKEND, file))
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\n")
    file.chmod(0o640)
    airflow_cfg.write(airflow_cfg.render(BACKEND, file))
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target = tmp_path / "real.cfg"
    target.write_text("[core]\n")
    link = tmp_path / "airflow.cfg"
    link.symlink_to(target.name)
    airflow_cfg.write(airflow_cfg.render(BACKEND, link))
    assert link.is_symlink()
    assert "backend = " in target.read_text()


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\n")
    rendering = airflow_cfg.render(BACKEND, file)
    file.write_text("[core]\nx = theirs\n")
    with pytest.raises(AirflowError, match="was changed meanwhile"):
        airflow_cfg.write(rendering)
    assert file.read_text() == "[core]\nx = theirs\n"


def test_what_is_rendered_is_not_changed_again(tmp_path: Path) -> None:
    first = airflow_cfg.render(BACKEND, tmp_path / "airflow.cfg")
    assert first.changed
    airflow_cfg.write(first)
    second = airflow_cfg.render(BACKEND, tmp_path / "airflow.cfg")
    assert not second.changed
    assert second.diff() == ""


# The diff


@pytest.mark.parametrize(
    "value",
    [
        '{"url": "http://x", "token": "SECRET"}',
        '{"url": "http://x",\n    "secret_id": "SECRET"}',
        '{"url": "http://x", "token": "SECRET"',
        "\n    SECRET",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_diff_masks_a_credential_that_stood_inline(value: str, newline: str, tmp_path: Path) -> None:
    canary = f"hvs.{abs(hash((value, newline)))}%%canary"
    file = tmp_path / "airflow.cfg"
    text = f"{BOM}[secrets]\nbackend_kwargs = {value.replace('SECRET', canary)}\n".replace("\n", newline)
    file.write_bytes(text.encode())
    rendering = airflow_cfg.render(BACKEND, file)
    assert canary in redact(rendering.diff())
    rendering.remember_inline_secrets()
    assert canary not in redact(rendering.diff())
    assert "+backend_kwargs" in redact(rendering.diff())


def test_the_diff_names_only_what_changes(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\nx = 1\n\n[secrets]\nbackend = old\nuse_cache = True\n")
    changed = [line for line in airflow_cfg.render(BACKEND, file).diff().splitlines() if line[:1] in "+-"][2:]
    assert [line.split(" = ")[0] for line in changed] == ["-backend", "+backend", "+backend_kwargs"]


# The manifest


def manifest(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "bootstrap.yaml"
    file.write_text("version: 1\n" + text)
    return file


def test_the_credential_is_not_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    store = "{kind: vault, url: 'http://127.0.0.1:1', mount: airflow, auth: {method: token, token: {file: token}}}"
    file = manifest(tmp_path, f"stores: {{team: {store}}}\nbackend: {{store: team, config: null}}\n")
    text = rendered(None, tmp_path, airflow_cfg.airflow_backend(load(file)))
    kwargs = json.loads(text.split("backend_kwargs = ")[1])
    assert kwargs["token_path"] == str(tmp_path / "token")
    assert (kwargs["connections_path"], kwargs["config_path"]) == ("connections", None)
    assert CANARY not in text


def test_a_manifest_without_a_backend(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"bootstrap\.yaml: there is no `backend:`"):
        airflow_cfg.airflow_backend(load(manifest(tmp_path, "connections: {}\n")))
