"""airflow.cfg's managed options in the form that each way of deploying Airflow takes them, and what these forms share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TypeAlias

from bootstrap.errors import UsageError

Values: TypeAlias = Mapping[str, Mapping[str, str]]  # section → option → value as Airflow's parser must return it
Removed: TypeAlias = Sequence[tuple[str, str]]  # section and option

FORMATS = {name: f"bootstrap.render.formats.{name}" for name in ("env", "helm", "compose", "composer", "mwaa")}
NAMES = tuple(FORMATS)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_JSON_OPTIONS = ("backend_kwargs", "secrets_backend_kwargs")  # Airflow reads them as JSON, in any version
_SPACES = re.compile(r"[\t\n\r]")  # raw, they stand between the parts of JSON alone: inside a string they are escaped
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def text(name: str, values: Values, removed: Removed = ()) -> str:
    """The options in the format of this name, ready to be applied; docs/render.md says how.

    A value is the text before Airflow expands $NAME and ~ in it, which it does however it gets the text. `removed` are
    options that must not be set anywhere, since others take their place. Raises UsageError where the format can't hold
    something; it names the option and never shows the value.
    """
    made: str = import_module(FORMATS[name]).text(values, removed)
    return made


def each(values: Values) -> Iterator[tuple[str, str, str]]:
    """Section, option and value."""
    return ((section, option, value) for section, options in values.items() for option, value in options.items())


def variable(section: str, option: str) -> str:
    """The environment variable that Airflow reads the option from. Raises UsageError for one that no shell can set."""
    name = f"AIRFLOW__{section.replace('.', '_').upper()}__{option.upper()}"
    if not _VARIABLE.fullmatch(name):
        raise cannot_hold(section, option, "no environment variable can have its name")
    return name


def one_line(section: str, option: str, value: str, *, escaped: Callable[[str], bool] = lambda _: False) -> str:
    r"""The value for a format that keeps it in airflow.cfg: one line, without spaces around it.

    In JSON, characters that are in the way, and those that are `escaped`, become \uXXXX: it means the same. Raises
    UsageError where another value has such a character.
    """
    if option in _JSON_OPTIONS:
        flat = _SPACES.sub(" ", value).strip()
        return "".join(_escape(part) if escaped(part) or _BREAKS.match(part) else part for part in flat)
    if _BREAKS.search(value):
        raise cannot_hold(section, option, "the value has a line break or another control character")
    if value != value.strip():
        raise cannot_hold(section, option, "the value begins or ends with a space, and airflow.cfg loses that")
    return value


def cannot_hold(section: str, option: str, why: str) -> UsageError:
    """The error for an option that the format can't hold; the value may be a secret, and isn't shown."""
    message = f"[{section}] {option} can't be written in this format: {why}"
    return UsageError(message, "leave it out of `config:` in bootstrap.yaml, or take another --format")


def _escape(character: str) -> str:
    """JSON writes what is beyond U+FFFF as two."""
    code = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{code[index : index + 2].hex()}" for index in range(0, len(code), 2))
