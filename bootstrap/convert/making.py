"""`init --from`: reads a source, splits off its secrets, and makes a manifest."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.convert import sources
from bootstrap.convert.conversion import Conversion, Place, convert
from bootstrap.convert.found import Found
from bootstrap.domain.reference import Reference, parse_reference
from bootstrap.errors import BootstrapError, Conflict, NotFound, StoreError, UsageError
from bootstrap.stores.base import CONCURRENCY, Context, Store, Stored, read_many
from bootstrap.util import input_text, yaml_document, yaml_text

if TYPE_CHECKING:
    from bootstrap.desired.resolve import SecretReader
    from bootstrap.manifest.loader import Manifest

LOCAL = "local"
_OWN = {"connections", "variables"}  # the sections that are made
NEW = {
    "version": 1,
    "airflow": {"home": ".airflow"},
    "stores": {"local": {"kind": "embedded"}},
    "backend": {"store": "local", "connections": "connections", "variables": "variables"},
}
_HEAD = """\
# Made by `airflow-bootstrap init` from {source}. It holds no secret: each {{secret: "STORE:PATH#FIELD"}} says where one is
# kept, `airflow-bootstrap store get` what is known of it. Next: airflow-bootstrap up
"""
_OF_STDIN = """\
#!/bin/sh
# Puts the secrets of a source into their store: sh THIS_SCRIPT < SOURCE
# It holds no secret. What it reads stays in a variable of the shell, and goes on through pipes alone.
set -eu
source=$(cat)
put() {{
  printf '%s\\n' "$source" | {init} --pick "$1" | {store} put --from-file /dev/stdin "$1"
}}
"""
_OF_DATABASE = """\
#!/bin/sh
# Puts the secrets of a metadata database into their store. It holds no secret: they go through pipes alone.
set -eu
put() {{
  {init} --pick "$1" | {store} put --from-file /dev/stdin "$1"
}}
"""


@dataclass
class Stores:
    """Those of the manifest at hand; where there is none, an embedded one beside the manifest to be."""

    file: Path
    manifest: Manifest | None
    open_secrets: Callable[[], SecretReader]
    concurrency: int

    @property
    def base(self) -> Mapping[str, Any]:
        """The other sections of the new manifest: those of the one at hand."""
        if self.manifest is None:
            return NEW
        data = yaml_document.parse(input_text.read(self.file), self.file).data
        return {name: value for name, value in data.items() if name not in _OWN}

    def named(self, name: str | None) -> tuple[str, Store]:
        """The store that secrets are put into. Raises UsageError."""
        wanted = name or LOCAL
        if self.manifest is not None:
            known = list(self.manifest.stores)
            if wanted not in known:
                raise UsageError(f"{self.file} has no store {wanted!r}", f"--store {' or '.join(known) or 'NAME'}")
            return wanted, self.secrets.store(wanted)
        if wanted != LOCAL:
            hint = f"write it into {self.file}, then name the new manifest with -o FILE"
            raise UsageError(f"there is no store {wanted!r}, because there is no {self.file}", hint)
        from bootstrap.stores.embedded import store as embedded

        context = Context(LOCAL, self.file.parent, self.concurrency)
        return LOCAL, embedded.open_store(embedded.Options(kind="embedded"), context)

    @cached_property
    def secrets(self) -> SecretReader:
        """The stores of the manifest at hand, opened."""
        return self.open_secrets()


@dataclass
class Made:
    """The conversion, where its secrets go, and how the source is read again: None for a format that isn't one of text."""

    source: str
    form: str | None
    conversion: Conversion
    left_out: list[BootstrapError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def manifest(self, stores: Stores) -> str:
        """The new manifest's text."""
        return manifest_text(stores.base, self.conversion, self.source)

    def gaps(self) -> Iterator[str]:
        """What is still to be filled in, each with the next step."""
        for what, reference in self.conversion.unfilled.items():
            step = f"airflow-bootstrap store put {reference}" if reference else "write it into the manifest"
            yield f"{what} is a gap of a template that nobody filled in: {step}"


def manifest_text(base: Mapping[str, Any], conversion: Conversion, source: str) -> str:
    """The whole file, as people would write it; each value is read back unchanged. `base` are the other sections, as plain data."""
    sections = {**base, "connections": conversion.connections, "variables": conversion.variables}
    kept = {name: value for name, value in sections.items() if value}
    made = "\n".join(
        [
            _HEAD.format(source=" ".join(source.split())),
            *(yaml_text.dump({key: kept[key]}, {Reference: _plain}) for key in kept),
        ]
    )
    if yaml_document.parse(made, Path("manifest")).data != _plain(kept):
        raise RuntimeError("the manifest would not be read as it is meant")
    return made


def _plain(node: Any) -> Any:
    """As it is read back."""
    if isinstance(node, Reference):
        return {"secret": str(node)}
    if isinstance(node, Mapping):
        return {key: _plain(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node


def make(source: str, form: str | None, stores: Stores, store: str | None, stdin: Callable[[], bytes]) -> Made:
    """Read `source`: `-`, a file, metadata:AIRFLOW_HOME or STORE:PREFIX. Raises UsageError, AirflowError, StoreError."""
    if source != "-" and not Path(source).exists():
        if source.startswith(sources.DATABASE):
            found = sources.read_database(source.removeprefix(sources.DATABASE), stores.file.parent)
            return _split(source, None, found, stores.named(store))
        if ":" in source:
            return _of_store(source, stores)
        raise UsageError(f"there is no file {source}", "or name metadata:AIRFLOW_HOME, STORE:PREFIX, or - for stdin")
    if source != "-":
        content, form = sources.read_file(Path(source), form)
    elif form is not None:
        content = sources.decoded(stdin(), "stdin")
    else:
        raise UsageError("the format of stdin is unknown", f"--format {' or '.join(sources.FORMATS)}")
    name = "stdin" if source == "-" else source
    return _split(name, form, sources.FORMATS[form](content, name), stores.named(store))


def _split(source: str, form: str | None, found: Found, store: tuple[str, Store]) -> Made:
    name, opened = store
    return Made(source, form, convert(found, Place(name, opened.separator)), found.left_out, found.notes)


def _of_store(source: str, stores: Stores) -> Made:
    from bootstrap.convert import store_source

    if stores.manifest is None:
        raise UsageError(f"there is no {stores.file} that says where {source} is", "write its `stores:` there first")
    conversion, left_out = store_source.read(stores.manifest, stores.secrets, source)
    return Made(source, None, conversion, left_out)


def pick(made: Made, reference: str) -> str:
    """The value that a reference of the new manifest stands for. Raises UsageError."""
    wanted = parse_reference(reference)
    value = made.conversion.secrets.get(wanted.path, {}).get(wanted.field or "")
    if value is None:
        raise UsageError(f"{made.source} has no secret that belongs at {reference}", "name another reference")
    return value


def put(name: str, store: Store, secrets: Mapping[str, Mapping[str, str]], concurrency: int = CONCURRENCY) -> int:
    """Put secrets into their store; those that are there with the same fields are left alone. Returns how many were written.

    If one is there and differs, nothing is written. Raises StoreError, UsageError.
    """
    if not secrets:
        return 0
    if not store.writable:
        raise UsageError(f"store {name} is read-only, so no secret can be put into it", "--store NAME of another one")
    there = read_many(name, store, ((path, None) for path in secrets), concurrency)
    pending, differing = {}, []
    for path, fields in secrets.items():
        found = there[path, None]
        if isinstance(found, NotFound):
            pending[path] = fields
        elif isinstance(found, StoreError):
            raise found
        elif not _holds(found, fields):
            differing.append(f"{name}:{path}")
    if differing:
        message = f"nothing was written: the store has other values at {', '.join(differing)}"
        raise Conflict(message, "remove those, or put them into another store with --store NAME")
    with ThreadPoolExecutor(max(1, min(concurrency, len(pending))), thread_name_prefix=f"put-{name}") as pool:
        list(pool.map(lambda item: store.write(item[0], dict(item[1]), expect=None), pending.items()))
    return len(pending)


def _holds(stored: Stored, fields: Mapping[str, str]) -> bool:
    kept = stored.fields or {}
    return all(name in kept and kept[name].unmasked() == value for name, value in fields.items())


def script(manifest: str, source: str, form: str | None, store: str, references: Iterable[Reference]) -> str:
    """A shell script that puts a source's secrets into their store; it holds none, and reads the source from stdin.

    `manifest` as -f takes it; `form` is the format of what comes on stdin, None for a `source` that is read anew.
    """
    tool = ["airflow-bootstrap", "-f", manifest]
    taken = ["--from", "-", "--format", form] if form is not None else ["--from", source]
    head = (_OF_DATABASE if form is None else _OF_STDIN).format(
        init=shlex.join([*tool, "init", *taken, "--store", store]), store=shlex.join([*tool, "store"])
    )
    return head + "".join(f"put {shlex.quote(str(reference))}\n" for reference in references)
