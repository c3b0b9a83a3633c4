"""Whatever is thrown at what reads a file: it is read, or there is an error with a sentence. Nothing else ever comes out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap.convert import sources
from bootstrap.convert.conversion import Place, convert
from bootstrap.convert.making import NEW, manifest_text
from bootstrap.desired.resolve import SecretReader, resolve_all, resolve_variables
from bootstrap.domain import connection
from bootstrap.errors import BootstrapError
from bootstrap.manifest.loader import load
from bootstrap.register import plan_file
from bootstrap.register.plan import Rules, plan
from bootstrap.render import ini
from bootstrap.stores import env
from bootstrap.stores import file as file_store
from bootstrap.stores.base import Context, pick_field
from bootstrap.targets.index import Index
from bootstrap.targets.kubernetes.text import parse as kubernetes
from tests.selection import shares

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in itertools.pairwise("abcdefghij")
)
VALUES = [
    "!!bool hunter2",
    "!!int ''",
    "!!float ''",
    "!!timestamp 2020-01-01",
    "!!set {a, b}",
    "!!binary '%'",
    "!!python/name:os.system",
    "*x",
    "&x [*x]",
    "{<<: 1}",
    "{<<: [1]}",
    "{? [a] : b}",
    "{? {a: b} : c}",
    "{~: 1}",
    '"a\\0b"',
    '"\\ud800"',
    '"\ud83d"',
    "[" * 5000,
    "[" * 300 + "]" * 300,
    "{a: " * 300 + "}" * 300,
    "9" * 5000,
    "0x" + "f" * 5000,
    "1e999",
    ".nan",
    "-.inf",
    "NaN",
    "0o8",
    "''",
    "12:30:45",
    "2020-99-99",
    '{"a": 1, "a": 2}',
    "\t- a",
    "a\rb",
    "\x85\u2028\ufeff",
    "'",
    '"',
    "|\n\n",
    "%YAML 9.9",
    "---\n---",
]
SHAPES = [
    "{}",
    '{{"a": {}}}',
    "a: {}",
    "a:\n- {}\n",
    "version: 1\nairflow: {{home: {0}, env: {{A: {0}}}}}\n",
    "version: 1\nconnections: {{c: {{conn_type: http, port: {0}, extra: {{a: {0}}}, checks: [{0}]}}}}\n",
    "version: 1\nvariables: {{v: {}}}\n",
    "version: 1\nregister: [{{env: {{path: {}}}}}]\n",
    "version: 1\nprofiles: {{p: {}}}\n",
    "version: 1\nstores: {{s: {}}}\nbackend: {{store: s, kwargs: {{a: {}}}}}\n",
    '{{"c": {{"conn_type": "http", "port": {0}, "extra": {0}, "password": {0}}}}}',
    '{{"c": {{"conn_type": "http", "extra": "{}"}}}}',
    "airflow:\n  connections: [{{conn_id: c, conn_type: {0}, conn_port: {0}, conn_extra: {{a: {0}}}}}]\n  variables: [{{variable_name: {0}, variable_value: {0}}}]\n",
    "AIRFLOW_CONN_A={}\nAIRFLOW_VAR_B={}\n",
    "AIRFLOW_CONN_A='{}'\n",
    "a={}\n",
    "http://{}@h:{}/s?{}",
    "[core]\nfernet_key = {}\n",
    "[{}]\na = b\n",
    "[a]\n  [b]\n{}\n",
    '{{"version": 1, "owner": {0}, "prune": {0}, "overwrite": false, "targets": [{0}], "salt": {0}, "checksum": {0}}}',
    '{{"version": 1, "salt": {0}, "connections": {{"c": {0}}}, "variables": {0}}}',
    "apiVersion: v1\nkind: Secret\ndata: {{a: {}}}\n",
]
CORPUS = [
    *(
        shape.replace("{0}", "{}").format(*[value] * 5).encode("utf-8", "surrogatepass")
        for shape in SHAPES
        for value in VALUES
    ),
    BOMB.encode(),
    b"",
    b"\xff\xfea\x00:\x00",
    b"\xef\xbb\xbfa: 1",
    b"\x00" * 100,
    b"\xff" * 100,
    b"a: \xc3",
    b"\r\n" * 3,
    b"[" * 100_000,
    b"{" * 100_000,
    b'{"a":' * 100_000,
    b"- " * 50_000,
    b"'" * 10_000,
    b"a: 'b\n" * 2_000,
]


class Readers:
    """Each reads bytes, in all of its ways."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, name: str, data: bytes) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def manifest(self, data: bytes) -> None:
        for profile in (None, "p"):
            load(self._file("bootstrap.yaml", data), profile=profile)

    def convert(self, data: bytes) -> None:
        forms = [
            *((name, None) for name in ("x.json", "x.yaml", ".env")),
            *(("x.yaml", form) for form in sources.FORMATS),
        ]
        for name, form in forms:
            forgiving(self._convert, self._file(name, data), form)

    def _convert(self, file: Path, form: str | None) -> None:
        content, found = sources.read_file(file, form)
        manifest_text(NEW, convert(sources.FORMATS[found](content, "source"), Place("local")), "source")

    def stores(self, data: bytes) -> None:
        for name in ("s.json", "s.yaml", "s.env"):
            forgiving(self._store, self._file(name, data))

    def _store(self, file: Path) -> None:
        store = file_store.open_store(file_store.Options(kind="file", path=file.name), Context("s", self.folder))
        store.ping()
        for name in store.names(""):
            self._used(store.read(name).value.reveal())
            for field in (None, "a", "value"):
                forgiving(pick_field, store.read(name), f"s:{name}", field)
        manifest = (
            f'{{"version": 1, "stores": {{"s": {{"kind": "file", "path": "{file.name}"}}}}, "register": ["env", "file"],'
            ' "connections": {"c": {"from": {"secret": "s:c"}},'
            ' "d": {"conn_type": "http", "password": {"secret": "s:a"}, "extra": {"secret": "s:c"}}},'
            ' "variables": {"v": {"secret": "s:a"}}}'
        )
        loaded = load(self._file("m.yaml", manifest.encode()))
        secrets = SecretReader(loaded)
        resolve_all(loaded, secrets, loaded.connections)
        resolve_variables(loaded, secrets)

    def _used(self, value: str) -> None:
        forgiving(connection.from_text, value, "s:x")
        forgiving(connection.extra_object, value, "s:x")
        forgiving(connection.port_number, value, "s:x")

    def environment(self, data: bytes) -> None:
        value = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FUZZED", value)
            stored = env.open_store(env.Options(kind="env"), Context("e", self.folder)).read("FUZZED")
            self._used(stored.value.reveal())

    def plans(self, data: bytes) -> None:
        plan_file.load(self._file("plan.json", data))

    def airflow_cfg(self, data: bytes) -> None:
        cfg = data.decode("utf-8", "replace")
        ini.values(cfg, "airflow.cfg")
        ini.edited(cfg, {"core": {"a": "b"}}, {"core": "[core]\na = b\n"}, "airflow.cfg")

    def targets(self, data: bytes) -> None:
        content = data.decode("utf-8", "surrogateescape")
        forgiving(Index.read, content, "the list")
        forgiving(kubernetes, content, "k.yaml")
        manifest = load(self._file("t.yaml", b'{"version": 1, "register": ["env", "file"], "variables": {"a": "b"}}'))
        for name in ("airflow.env", "connections.json", "variables.json"):
            self._file(name, data)
        for target in manifest.register:
            forgiving(plan, manifest, SecretReader(manifest), target, Rules())


def forgiving(read: Callable[..., object], *arguments: object) -> None:
    """Runs it; an error with a sentence that can be printed is an answer, too."""
    said = "read"
    try:
        read(*arguments)
    except BootstrapError as err:
        said = f"{err.message} {err.hint}"
    assert said.strip()
    assert b"hunter2" not in said.encode()


SHARES = 7
NAMES = ("manifest", "convert", "stores", "environment", "plans", "airflow_cfg", "targets")


@pytest.mark.parametrize("share", shares(SHARES))
@pytest.mark.parametrize("reader", NAMES)
def test_odd_files_are_read_or_refused(reader: str, share: int, tmp_path: Path) -> None:
    read = getattr(Readers(tmp_path), reader)
    for data in CORPUS[share::SHARES]:  # with each shape another share of the values
        forgiving(read, data)


_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("{}[]:,#&*!|>'\"%@`-\n\t\0 \ufeff<="), max_size=40
)
_TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "airflow", "connections", "variables", "conn_type", "extra", "c"]), inner
        )
        | st.dictionaries(_TEXT, inner, max_size=3)
    ),
    max_leaves=12,
)
_BYTES = (
    st.binary(max_size=80)
    | _TEXT.map(lambda found: found.encode("utf-8", "surrogatepass"))
    | _TREE.map(lambda tree: json.dumps(tree).encode())
    | st.builds(lambda tree, cut: json.dumps(tree).encode()[:cut], _TREE, st.integers(0, 60))
)


@pytest.mark.parametrize("reader", NAMES)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=_BYTES)
def test_any_bytes_are_read_or_refused(reader: str, data: bytes, tmp_path: Path) -> None:
    forgiving(getattr(Readers(tmp_path), reader), data)
