"""What the formats share: names of variables, JSON with fewer characters in it, and the error for what can't be held."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bootstrap.errors import UsageError
from bootstrap.render.formats import Values

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_JSON_OPTIONS = ("backend_kwargs", "secrets_backend_kwargs")  # Airflow reads them as JSON, in any version
_SPACES = re.compile(r"[\t\n\r]")  # raw, they stand between the parts of JSON alone: inside a string they are escaped
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


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
    return UsageError(
        f"[{section}] {option} can't be written in this format: {why}",
        "leave it out of `config:` in bootstrap.yaml, or take another --format",
    )


def _escape(character: str) -> str:
    """JSON writes what is beyond U+FFFF as two."""
    code = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{code[index : index + 2].hex()}" for index in range(0, len(code), 2))
