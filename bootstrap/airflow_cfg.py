"""From the manifest to the managed keys of airflow.cfg, and into the file without touching another byte of it."""

from __future__ import annotations

import configparser
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap import stores
from bootstrap.connection import sensitive_texts
from bootstrap.errors import AirflowError, ManifestError
from bootstrap.files import PRIVATE_FILE, file_mode, write_atomic
from bootstrap.manifest import Manifest
from bootstrap.secret import Secret, remember
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context
from bootstrap.templates import render as render_template

if TYPE_CHECKING:
    from configupdater import ConfigUpdater

TEMPLATE = "airflow.cfg.j2"
_BOM = "\ufeff"
_WITH_CREDENTIALS = ("backend_kwargs",)
_WRITE_ANEW = "write it anew with `render -o FILE`"


@dataclass(frozen=True)
class Rendering:
    """airflow.cfg as it is (None: there is no such file) and as it should be."""

    file: Path
    before: str | None
    after: str

    @property
    def changed(self) -> bool:
        """Whether the file differs from what the manifest says."""
        return self.before != self.after

    def diff(self) -> str:
        """A unified diff without context; '' when nothing changes. A credential that stood inline before is masked."""
        import difflib

        return "".join(
            difflib.unified_diff(
                (self.before or "").splitlines(keepends=True),
                self.after.splitlines(keepends=True),
                fromfile=str(self.file),
                tofile=f"{self.file} (rendered)",
                n=0,
            )
        )

    def remember_inline_secrets(self) -> None:
        """Mask the credentials that the file's managed keys hold now, in all output from now on."""
        if self.before is None:
            return
        for keys in _managed(self.before.removeprefix(_BOM).replace("\r\n", "\n"), self.file).values():
            for value in (keys[key] for key in _WITH_CREDENTIALS if key in keys):
                try:
                    texts = list(sensitive_texts(json.loads(value)))
                except ValueError:
                    texts = value.splitlines()
                for text in texts:
                    remember(text)


def airflow_backend(manifest: Manifest) -> AirflowBackend:
    """How Airflow reads the manifest's backend store. Raises ManifestError where there is none; StoreError."""
    if manifest.backend is None:
        raise ManifestError(
            f"{manifest.file}: there is no `backend:`, so there is nothing to render", "add one; see the README"
        )
    spec = manifest.stores[manifest.backend.store]
    module = stores.KINDS.find(spec.kind)
    paths = BackendPaths(*manifest.backend.paths)
    context = Context(manifest.backend.store, manifest.folder)
    answer: AirflowBackend = module.airflow_backend(spec.options, paths, context)  # type: ignore[union-attr]  # _Builder found it
    return answer


def credentials(manifest: Manifest) -> dict[str, Secret]:
    """The variables that Airflow's secrets backend needs in its environment. Raises Denied, where one can't be had."""
    if manifest.backend is None:
        return {}
    name = manifest.backend.store
    wanted = airflow_backend(manifest).environment
    return {variable: credential.read(name, manifest.folder) for variable, credential in wanted.items()}


def render(backend: AirflowBackend, file: Path) -> Rendering:
    """What `file` would be with the managed keys in it. Reads the file, writes nothing. Raises AirflowError."""
    fresh = render_template(TEMPLATE, backend=backend)
    before = _read(file)
    return Rendering(file=file, before=before, after=fresh if before is None else _merge(before, fresh, file))


def write(rendering: Rendering) -> None:
    """Replace the file in one step; its mode stays, a new file is 0600. Raises AirflowError."""
    file = rendering.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if _read(file) != rendering.before:
            raise AirflowError(f"{file} was changed meanwhile", "run this again")
        write_atomic(file, rendering.after, mode=file_mode(file, PRIVATE_FILE))
    except OSError as err:
        raise AirflowError(
            f"can't write {file}: {err.strerror}", "check the permissions of the file and its folder"
        ) from err


def _read(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        raise AirflowError(f"can't read {file}: {err}", "check its permissions and that it is UTF-8") from err


def _merge(text: str, fresh: str, file: Path) -> str:
    """`text` with the keys of `fresh` set in it."""
    bom = _BOM if text.startswith(_BOM) else ""
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.removeprefix(_BOM).replace("\r\n", "\n")
    if newline == "\r\n" and body.replace("\n", "\r\n") != text.removeprefix(_BOM):
        raise AirflowError(f"{file} mixes two kinds of line endings", "convert it to one of them first")
    managed = _values(fresh, file)
    if _is_in(managed, body, file):
        return text
    values = _values(body, file)
    wanted = _overlaid(values, managed)
    merged = _set_keys(body, fresh, file)
    if _values(merged, file) != wanted:
        raise AirflowError(f"{file}: can't be edited without changing other values", _WRITE_ANEW)
    return bom + merged.replace("\n", newline)


def _is_in(managed: dict[str, dict[str, str]], body: str, file: Path) -> bool:
    """Whether each managed key has its value already; reads its section alone, the rest of the file may be long."""
    for name, wanted in managed.items():
        sections = re.findall(rf"^\[{re.escape(name)}\]\n(?:(?!\[).*\n?)*", body, re.MULTILINE)
        if wanted and (len(sections) != 1 or not _has(sections[0], name, wanted, file)):
            return False
    return True


def _has(section: str, name: str, wanted: dict[str, str], file: Path) -> bool:
    try:
        return wanted.items() <= _values(section, file)[name].items()
    except AirflowError:  # the look at the whole file will name the line
        return False


def _values(text: str, file: Path) -> dict[str, dict[str, str]]:
    """Every value as Airflow's own parser reads it: a strict ConfigParser that keeps the case of keys."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # as configparser's manual says
    try:
        parser.read_file(io.StringIO(text, newline=None), source=str(file))
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as err:
        option = getattr(err, "option", None)
        what = f"the key {option!r}" if option else "the section"
        raise AirflowError(
            f"{file}:{err.lineno}: {what} of [{err.section}] is here twice; Airflow refuses that", "keep one of them"
        ) from err
    except configparser.Error as err:
        line = getattr(err, "lineno", None) or next((number for number, _ in getattr(err, "errors", [])), 1)
        raise AirflowError(
            f"{file}:{line}: not a valid ini file", "mend that line; Airflow can't read it either"
        ) from err
    return {name: dict(keys) for name, keys in parser.items()}


def _overlaid(values: dict[str, dict[str, str]], fresh: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return values | {name: values.get(name, values["DEFAULT"]) | keys for name, keys in fresh.items()}


def _set_keys(body: str, fresh: str, file: Path) -> str:
    updater = _parsed(body, file)
    for section, keys in _managed(fresh, file).items():
        if not updater.has_section(section):
            gap = "" if not body.strip() else "\n" if body.endswith("\n") else "\n\n"
            return body + gap + fresh
        for key, value in keys.items():
            _set(updater, section, key, value)
    return str(updater)


def _set(updater: ConfigUpdater, section: str, key: str, value: str) -> None:
    if updater.has_option(section, key):
        if updater[section][key].value != value:
            updater[section][key].value = value
        return
    options = updater[section].options()
    if options:
        updater[section][options[-1]].add_after.option(key, value)
    else:
        updater.set(section, key, value)


def _managed(fresh: str, file: Path) -> Mapping[str, Mapping[str, str]]:
    updater = _parsed(fresh, file)
    return {
        name: {key: str(updater[name][key].value) for key in updater[name].options()} for name in updater.sections()
    }


def _parsed(text: str, file: Path) -> ConfigUpdater:
    from configupdater import ConfigUpdater

    updater = ConfigUpdater()
    try:
        updater.read_string(text, source=str(file))
    except configparser.Error as err:
        raise AirflowError(f"{file}: can't be edited without changing other lines", _WRITE_ANEW) from err
    if str(updater) != text:
        raise AirflowError(f"{file}: can't be edited without changing other lines", _WRITE_ANEW)
    return updater
