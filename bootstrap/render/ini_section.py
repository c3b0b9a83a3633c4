"""Edits the options of one section of an ini file, line by line, with the indentation that it has."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

from bootstrap.errors import AirflowError

if TYPE_CHECKING:
    from configupdater import ConfigUpdater

_TEXT_LINE = r"^(?=.*\S)"


def edited(text: str, ending: str, name: str, options: Mapping[str, str | None], where: str) -> str:
    """The section with other options (None: without), and with the indentation that it has: a line that begins further left would take those after it for its value.

    `where` is its place, for people. Raises AirflowError.
    """
    plain = text.replace("\r\n", "\n")
    if ending == "\r\n" and plain.replace("\n", "\r\n") != text:
        raise AirflowError(f"{where}: [{name}] mixes two kinds of line endings", "convert it to one of them first")
    header, end, body = plain.partition("\n")
    own, inner = header.removesuffix(header.lstrip()), _indentation(body)
    flat = header.lstrip() + end + re.sub(f"{_TEXT_LINE}{inner}", "", body, flags=re.MULTILINE)
    header, end, body = _edited_flat(flat, name, options, where).partition("\n")
    return (own + header + end + re.sub(_TEXT_LINE, inner, body, flags=re.MULTILINE)).replace("\n", ending)


def _indentation(body: str) -> str:
    """That of the first option, if nothing stands further left."""
    lines = [line for line in body.split("\n") if line.strip()]
    first = next((line for line in lines if line.lstrip()[0] not in "#;"), "")
    found = first.removesuffix(first.lstrip())
    return found if all(line.startswith(found) for line in lines) else ""


def _edited_flat(plain: str, name: str, options: Mapping[str, str | None], where: str) -> str:
    updater = _updater()
    try:
        updater.read_string(plain, source=where)
    except configparser.Error as err:
        raise uneditable(where) from err
    if str(updater) != plain:
        raise uneditable(where)
    if not updater[name].options():
        header, _, rest = plain.partition("\n")
        given = (f"{option} = {value}\n" for option, value in options.items() if value is not None)
        return "".join([header, "\n", *given, rest])
    for option, value in options.items():
        if value is not None:
            _set(updater, name, option, value)
        elif updater.has_option(name, option):
            updater.remove_option(name, option)
    return str(updater)


def _set(updater: ConfigUpdater, section: str, option: str, value: str) -> None:
    if not updater.has_option(section, option):
        updater[section][updater[section].options()[-1]].add_after.option(option, "")
    if updater[section][option].value == value:
        return
    if "\n" in value:
        updater[section][option].set_values(value.split("\n"), indent="    ", prepend_newline=False)
    else:
        updater[section][option].value = value


def _updater() -> ConfigUpdater:
    """Its class lies in a module of its own; the package would ask importlib.metadata for its version: a tenth of `render`."""
    name = "configupdater"
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        sys.modules[name] = module_from_spec(spec)  # not executed
    try:
        from configupdater.configupdater import ConfigUpdater
    finally:
        if spec is not None:
            del sys.modules[name]
    return ConfigUpdater()


def uneditable(where: str) -> AirflowError:
    """For what an edit would change besides."""
    message = f"{where}: can't be edited without changing other values"
    return AirflowError(message, "write it again with `render -o FILE`")
