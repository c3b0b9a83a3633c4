"""airflow.cfg gets the managed keys; every other byte stays its owner's."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from bootstrap.airflow.releases import release
from bootstrap.errors import AirflowError, Busy, Exit, ManifestError
from bootstrap.manifest.loader import load
from bootstrap.render import cfg_file
from bootstrap.render.backend_options import Serving
from bootstrap.render.settings import Settings, settings
from bootstrap.util.files import folder_locked
from tests.project import without_roots_rights
from tests.selection import examples

CLASS = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
KWARGS = {
    "connections_path": "connections",
    "variables_path": None,
    "url": "https://vault.example.com/%7Eteam/100%",
    "token_path": "/srv/$HOME/tökens/%(here)s/a b.token",
    "kv_engine_version": 2,
}
NOTHING = Settings(
    secrets=None,
    workers=None,
    use_cache=None,
    cache_ttl_seconds=None,
    config={},
    absent={},
    variables={},
    release=release(None),
    inline=False,
    advice=(),
)
BACKEND = replace(NOTHING, secrets=Serving(CLASS, KWARGS))
EVERYTHING = replace(
    BACKEND,
    workers=Serving(CLASS, {"url": "https://workers.example.com/100%"}),
    use_cache=True,
    cache_ttl_seconds=60,
    config={"core": {"multi_team": "True", "fernet_key_cmd": "cat /run/key"}, "a b": {"c_secret": "path/of/c"}},
    absent={"core": ("fernet_key", "fernet_key_secret"), "a b": ("c", "c_cmd")},
)
CANARY = "hvs.canary-in-airflow-cfg-4711"
BOM = "\ufeff"

Reads: TypeAlias = Callable[[Path], tuple[str, Any, dict[str, dict[str, str]]]]


def rendered(text: str | None, tmp_path: Path, wanted: Settings = BACKEND) -> str:
    """What becomes of a file with this text, to the byte."""
    file = tmp_path / "airflow.cfg"
    if text is not None:
        file.write_bytes(text.encode())
    write(cfg_file.render(wanted, file))
    return file.read_bytes().decode()


def write(rendering: cfg_file.Rendering, *, backup: bool = False) -> Path | None:
    """What was before is kept beside the file."""
    return cfg_file.write(rendering, rendering.file.parent / "records", backup=backup)


def removed(tmp_path: Path, wanted: Settings = BACKEND) -> str | None:
    """What becomes of the file without the managed options; None: it is gone."""
    file = tmp_path / "airflow.cfg"
    write(cfg_file.remove(lambda: wanted, file, tmp_path / "records"))
    return file.read_bytes().decode() if file.exists() else None


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


SLOW = profile(
    max_examples=examples(100),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
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
    write(cfg_file.render(BACKEND, tmp_path / "airflow.cfg"))
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


# Out of the file again


def as_bytes(text: str | None) -> bytes:
    return b"" if text is None else text.encode()


@profile(SLOW, max_examples=examples(200))
@given(file=files(), first=st.sampled_from([BACKEND, EVERYTHING]), then=st.sampled_from([BACKEND, EVERYTHING]))
def test_rendered_twice_and_removed_a_file_is_what_it_was(
    file: tuple[str, str], first: Settings, then: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("removed")
    before = file[0]
    once = rendered(before, folder, first)
    assert rendered(once, folder, first) == once
    twice = rendered(once, folder, then)
    assert rendered(twice, folder, then) == twice
    assert as_bytes(removed(folder)) == before.encode()
    assert not list((folder / "records").iterdir())


@SLOW
@given(file=files(), comment=st.sampled_from(["# mine\n", "\n", "; [secrets]\n"]))
def test_what_others_changed_meanwhile_stays(
    file: tuple[str, str], comment: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    bom = BOM if file[0].startswith(BOM) else ""
    before = file[0].removeprefix(BOM)
    ended = "" if not before or before.endswith("\n") else "\r\n" if "\r\n" in before else "\n"
    later = "[theirs]\nx = 1\n"
    changed = rendered(file[0], folder, EVERYTHING).removeprefix(BOM)
    changed += "" if changed.endswith("\n") else ended
    (folder / "airflow.cfg").write_bytes(f"{bom}{comment}{changed}{later}".encode())
    found = removed(folder, EVERYTHING)
    assert as_bytes(found) == f"{bom}{comment}{before}{ended}{later}".encode()


def test_a_file_that_was_made_is_gone(tmp_path: Path) -> None:
    rendered(None, tmp_path)
    rendered(None, tmp_path, EVERYTHING)
    assert removed(tmp_path) is None
    assert removed(tmp_path) is None


def test_an_option_that_somebody_changed_since_stays(tmp_path: Path) -> None:
    once = rendered("[secrets]\nbackend = old\n\n[core]\nx = 1\n", tmp_path)
    (tmp_path / "airflow.cfg").write_text(once.replace(CLASS, "mine.Backend"))
    assert removed(tmp_path) == "[secrets]\nbackend = mine.Backend\n\n[core]\nx = 1\n"


@pytest.mark.parametrize("before", ["[core]\nx = 1\n", "[core]\nx = 1\n\n[secrets]\nuse_cache = True\n"])
def test_without_a_record_what_is_ours_goes(before: str, tmp_path: Path) -> None:
    rendered(before, tmp_path)
    for record in (tmp_path / "records").iterdir():
        record.unlink()
    assert removed(tmp_path) == before


def test_nobody_else_may_read_what_was_before(tmp_path: Path) -> None:
    rendered(f'[secrets]\nbackend = old\nbackend_kwargs = {{"token": "{CANARY}"}}\n', tmp_path)
    (record,) = (tmp_path / "records").iterdir()
    assert CANARY in record.read_text()
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700


def test_a_run_that_was_killed_before_it_wrote_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = "[secrets]\nbackend = old\n"
    (tmp_path / "airflow.cfg").write_text(before)
    with monkeypatch.context() as patched:  # a kill -9 at this moment leaves the same
        patched.setattr(cfg_file, "write_atomic", lambda *_args, **_options: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            rendered(None, tmp_path)
    assert removed(tmp_path) == before
    rendered(None, tmp_path)
    assert removed(tmp_path) == before


# The files that Airflow makes


def airflows_files() -> dict[str, bytes]:
    """By `airflow config list --defaults` of each release, and what each puts into a new home."""
    with tarfile.open(Path(__file__).parents[1] / "data" / "airflow-cfg.tar.xz") as archive:
        found = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name.removeprefix("./"): file.read() for name, file in found.items() if file is not None}


@pytest.mark.parametrize("wanted", [BACKEND, EVERYTHING], ids=["backend", "everything"])
@pytest.mark.parametrize("name", sorted(airflows_files()))
def test_each_releases_own_file(name: str, wanted: Settings, tmp_path: Path) -> None:
    before = airflows_files()[name].decode()
    after = rendered(before, tmp_path, wanted)
    assert rendered(after, tmp_path, wanted) == after
    ours = {line for section in cfg_file.values(wanted).values() for line in section}
    ours |= {option for options in wanted.absent.values() for option in options}
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    names = {re.split(r" ?=", line[2:])[0] for line in changed}
    assert names <= ours | {
        "",
        "[secrets]",
        "[workers]",
        "[a b]",
        "[core]",
        "# Managed by airflow-bootstrap: change bootstrap.yaml and run `airflow-bootstrap render`.",
    }
    assert removed(tmp_path) == before


# Options that others must not set


def test_an_option_that_would_be_read_instead_goes(tmp_path: Path) -> None:
    wanted = replace(
        BACKEND,
        config={"database": {"sql_alchemy_conn_secret": "db"}},
        absent={"database": ("sql_alchemy_conn", "sql_alchemy_conn_cmd")},
    )
    before = f"[database]\nsql_alchemy_conn = postgresql://u:{CANARY}@h/d\nsql_alchemy_conn_cmd = x\ny = 1\n"
    after = rendered(before, tmp_path, wanted)
    assert "[database]\ny = 1\nsql_alchemy_conn_secret = db\n" in after
    assert CANARY not in after
    assert removed(tmp_path) == before


def test_a_backend_for_the_workers_that_the_manifest_does_not_know_is_emptied(tmp_path: Path) -> None:
    before = '[workers]\nsecrets_backend = old.Backend\nsecrets_backend_kwargs = {"a": 1}\nx = 1\n'
    after = rendered(before, tmp_path)
    assert after.startswith("[workers]\nsecrets_backend = \nsecrets_backend_kwargs = \nx = 1\n")
    assert removed(tmp_path) == before


def test_empty_options_of_the_workers_stay(tmp_path: Path) -> None:
    before = "[workers]\nsecrets_backend =\nsecrets_backend_kwargs = \n"
    assert rendered(before, tmp_path).startswith(before)


def test_where_workers_have_no_backend_of_their_own_theirs_is_left_alone(tmp_path: Path) -> None:
    before = "[workers]\nsecrets_backend = old.Backend\n"
    assert rendered(before, tmp_path, replace(BACKEND, release=release("2.11.2"))).startswith(before)


# Files that can't be edited


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[core]\nno delimiter here\n", 2, "not a valid ini file"),
        ("key = before any section\n", 1, "not a valid ini file"),
        ("[secrets]\nbackend = a\n[core]\nx = 1\n[secrets]\n", 5, "the section of [secrets] appears twice"),
        ("[core]\nx = 1\n[core]\nx = 2\n", 3, "the section of [core] appears twice"),
        ("[secrets]\nbackend = a\nbackend = b\n", 3, "the key 'backend' of [secrets] appears twice"),
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
        "[secrets]\n    backend = a\n  use_cache = True\n  [core]\n  x = 1\n",  # ours, not indented, would swallow a line
        "[secrets]\r\nx = 1\nbackend = a\n",
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
        cfg_file.render(BACKEND, file)


def test_a_path_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AirflowError, match=r"can't read .*Not a directory"):
        cfg_file.render(BACKEND, tmp_path / "file" / "airflow.cfg")


def test_a_home_that_is_a_regular_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rendering = cfg_file.render(BACKEND, home / "airflow.cfg")
    home.write_text("x")
    with pytest.raises(AirflowError) as caught:
        write(rendering)
    assert caught.value.exit_code == Exit.AIRFLOW


def test_a_read_only_folder(tmp_path: Path) -> None:
    rendering = cfg_file.render(BACKEND, tmp_path / "airflow.cfg")
    tmp_path.chmod(0o500)
    try:
        with without_roots_rights(), pytest.raises(AirflowError, match=r"can't write .*Permission denied"):
            write(rendering)
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_file(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\n")
    file.chmod(0o444)
    with pytest.raises(AirflowError, match="is read-only") as caught:
        write(cfg_file.render(BACKEND, file))
    assert "chmod u+w" in caught.value.hint
    assert file.read_text() == "[core]\n"


# The file itself


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o640])
def test_a_file_with_a_credential_is_private(mode: int, tmp_path: Path) -> None:
    inline = replace(BACKEND, secrets=Serving(CLASS, {"token": CANARY}), inline=True)
    file = tmp_path / "airflow.cfg"
    rendered("[core]\n", tmp_path, inline)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(mode)
    again = cfg_file.render(inline, file)
    assert again.changed == (mode != 0o600)
    write(again)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_backup_is_beside_the_file_and_private(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\nx = 1\n")
    file.chmod(0o644)
    kept = write(cfg_file.render(BACKEND, file), backup=True)
    assert kept is not None
    assert (kept.parent, kept.read_text(), kept.stat().st_mode & 0o777) == (tmp_path, "[core]\nx = 1\n", 0o600)
    assert write(cfg_file.render(EVERYTHING, file), backup=True) != kept
    assert write(cfg_file.render(BACKEND, tmp_path / "new.cfg"), backup=True) is None


def test_two_runs_do_not_write_one_file_at_a_time(tmp_path: Path) -> None:
    rendering = cfg_file.render(BACKEND, tmp_path / "airflow.cfg")
    busy = pytest.raises(Busy, match=r"another run writes .*airflow\.cfg")
    with folder_locked(tmp_path, busy=""), ThreadPoolExecutor(1) as pool, busy:
        pool.submit(write, rendering).result()
    write(rendering)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["airflow.cfg", "records"]


def test_mixed_line_endings_stay_where_they_are(tmp_path: Path) -> None:
    before = "[core]\r\nx = 1\n[secrets]\nuse_cache = 1\n[z]\r\n"
    after = rendered(before, tmp_path)
    assert after.startswith("[core]\r\nx = 1\n[secrets]\nuse_cache = 1\nbackend = ")
    assert after.endswith("\n[z]\r\n")
    assert removed(tmp_path) == before


def test_a_new_file_is_private_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "not" / "yet" / "airflow.cfg"
    write(cfg_file.render(BACKEND, file))
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\n")
    file.chmod(0o640)
    write(cfg_file.render(BACKEND, file))
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target = tmp_path / "real.cfg"
    target.write_text("[core]\n")
    link = tmp_path / "airflow.cfg"
    link.symlink_to(target.name)
    write(cfg_file.render(BACKEND, link))
    assert link.is_symlink()
    assert "backend = " in target.read_text()


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\n")
    rendering = cfg_file.render(BACKEND, file)
    file.write_text("[core]\nx = theirs\n")
    with pytest.raises(AirflowError, match="was changed meanwhile"):
        write(rendering)
    assert file.read_text() == "[core]\nx = theirs\n"


def test_what_is_rendered_is_not_changed_again(tmp_path: Path) -> None:
    first = cfg_file.render(BACKEND, tmp_path / "airflow.cfg")
    assert first.changed
    write(first)
    second = cfg_file.render(BACKEND, tmp_path / "airflow.cfg")
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
    rendering = cfg_file.render(BACKEND, file)
    assert canary not in rendering.diff()
    assert canary.replace("%%", "%") not in rendering.diff()
    assert "+backend_kwargs" in rendering.diff()


def test_the_diff_names_only_what_changes(tmp_path: Path) -> None:
    file = tmp_path / "airflow.cfg"
    file.write_text("[core]\nx = 1\n\n[secrets]\nbackend = old\nuse_cache = True\n")
    changed = [line for line in cfg_file.render(BACKEND, file).diff().splitlines() if line[:1] in "+-"][2:]
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
    text = rendered(None, tmp_path, settings(load(file)))
    kwargs = json.loads(text.split("backend_kwargs = ")[1])
    assert kwargs["token_path"] == str(tmp_path / "token")
    assert (kwargs["connections_path"], kwargs["config_path"]) == ("connections", None)
    assert CANARY not in text


def test_a_manifest_without_a_backend(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"bootstrap\.yaml: there is no `backend:`"):
        settings(load(manifest(tmp_path, "connections: {}\n")))
