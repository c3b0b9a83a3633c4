"""Text of others goes through `foreign` where it enters a message; the source itself is looked at, so that it can't be forgotten."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.foreign_text import lines, offences, own_errors

ROOT = Path(__file__).parent.parent / "bootstrap"
FILES = sorted(ROOT.rglob("*.py"))
HANDLER = """
def f(path, done, err: OSError, mine: StoreError):
    try:
        pass
    except ValueError as error:
        {}
"""


@cache
def ours() -> set[str]:
    return own_errors(ast.parse(file.read_text()) for file in FILES)


def test_text_of_others_goes_through_foreign() -> None:
    found = {file: offences(ast.parse(file.read_text()), ours()) for file in FILES}
    assert not any(found.values()), "\n".join(f"{file}: {line}" for file in FILES for line in lines(found[file]))


@pytest.mark.parametrize(
    "line",
    [
        "raise AirflowError(f'{path}: {error}') from error",
        "raise AirflowError(f'{path}: {error!r}') from error",
        "raise AirflowError(f'{path}: ' + str(error)) from error",
        "raise AirflowError('%s: %s' % (path, error)) from error",
        "raise AirflowError('{}'.format(error)) from error",
        "return str(error)",
        "return error.args[0]",
        "text = str(error).strip(); tell(text)",
        "if (text := str(error).lower()):\n            return f'it says {text}'",
        "for line in str(error).splitlines():\n            tell(f'{line}')",
        "return [f'{line}' for line in str(error).splitlines()]",
        "return ' '.join(str(error).split())",
        "found = re.search('x(.*)', str(error)); tell(f'it is {found[1]}')",
        "said = path or error; tell(f'{said}')",
        "tell(f'{err}')",
        "with path:\n            text = str(error)\n        tell(text)",
        "if isinstance(error, KeyError):\n            return error.args[0]",
        "if isinstance(error, StoreError):\n            pass\n        return str(error)",
        "tell(f'{done.stderr}')",
        "tell(done.stdout.decode())",
    ],
)
def test_what_is_forgotten_is_found(line: str) -> None:
    assert offences(ast.parse(HANDLER.format(line)), ours())


@pytest.mark.parametrize(
    "line",
    [
        "raise AirflowError(f'{path}: {foreign(error)}') from error",
        "raise AirflowError(f'{path}: {error.strerror}') from error",
        "raise AirflowError(f'{path}: {mine}: {type(error).__name__}') from error",
        "return 'denied' if 'denied' in str(error) else foreign(error)",
        "text = str(error); return re.search('denied', text) is not None",
        "return diagnose(error)",
        "if isinstance(error, StoreError):\n            return error.message",
        "text = foreign(error.args[0]); tell(f'it says {text}')",
        "tell(foreign(done.stderr))",
        "sys.stdout.write(path)",
    ],
)
def test_what_shows_nothing_is_none(line: str) -> None:
    assert not offences(ast.parse(HANDLER.format(line)), ours())
