"""What Python's own parser refuses is read by the tolerant one; where both read a file, they make the same of it."""

import ast
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import airflow
import pytest

from bootstrap.scan.sources import tolerant
from bootstrap.scan.sources.syntax import SyntaxProblem, parse

REFUSED = SyntaxError("refused")
PLACES = ("lineno", "col_offset", "end_lineno", "end_col_offset")


def lowered(text: str) -> ast.Module:
    """The tolerant tree of a source that Python can read, where nothing but our refusal is a problem."""
    tree, problems = tolerant.module(text, REFUSED)
    assert [problem for problem in problems if "refused" not in problem[1]] == []
    return tree


def dumped(tree: ast.Module) -> str:
    """With all positions, but for those inside f-strings: before 3.12 they are nothing that one could use."""
    for outer in ast.walk(tree):
        if isinstance(outer, ast.JoinedStr):
            for node in ast.walk(outer):
                for place in PLACES if node is not outer else ():
                    if hasattr(node, place):
                        setattr(node, place, 0)
    return ast.dump(tree, include_attributes=True, indent=1)


def sources(folders: list[Path], share: float) -> Iterator[tuple[Path, str]]:
    drawn = random.Random(7)
    for file in (file for folder in folders for file in sorted(folder.rglob("*.py"))):
        if drawn.random() < share:
            yield file, file.read_text("utf-8")


def differences(folders: list[Path], share: float) -> tuple[int, list[str]]:
    """How many files were compared, and which of them the two parsers read differently."""
    count, differ = 0, []
    for file, text in sources(folders, share):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = ast.parse(text)
            except SyntaxError:
                continue  # newer than this Python
        count += 1
        try:
            same = dumped(lowered(text)) == dumped(theirs)
        except AssertionError:  # it says that something couldn't be read
            same = False
        if not same:
            differ.append(str(file))
    return count, differ


def test_the_tolerant_tree_of_airflows_files_is_pythons_own() -> None:
    count, differ = differences([Path(airflow.__path__[0])], 0.04)
    assert count > 50
    assert differ == []


@pytest.mark.slow
def test_the_tolerant_tree_of_thousands_of_files_is_pythons_own() -> None:
    packages = Path(airflow.__path__[0]).parent
    folders = [
        packages / name for name in ("airflow", "sqlglot", "pydantic", "rich", "pyspark", "botocore", "sqlalchemy")
    ]
    count, differ = differences(folders, 0.9)
    assert count > 2000
    # tree-sitter's grammar doesn't know `await x ** 2`, nor `as` in an argument of a class pattern
    assert len(differ) <= count // 500, differ


@pytest.mark.parametrize(
    "source",
    [
        "with (a as b, c as (d, e),): pass\nwith (a, b): pass\nwith (a): pass\nwith (yield): pass\n",
        "async def f():\n    async with a as b: pass\n    async for x in y: await z\n    return [x async for x in y if x]\n",
        "def f(a, /, b: int = 3, *c, d, e=1, **k) -> 'x': ...\nlambda *, a=1, **k: (a, k)\n",
        (
            "match x, y:\n    case {'a': 1, **r}, [1, *_]: pass\n    case A.B(c, d=-1) | 'e' | None | 1 - 2j if z: pass\n    case (str() as s): pass\n"
            "    case [a.b, _]: pass\n    case {-1: True}: pass\n    case a, : pass\n"
        ),
        "a = b, *c = d = 1,\n(x) = 1\n(y): int = 2\nz.a: int\nx[1:2, ::3, ...] += yield\n",
        "not a in b is not c < d <= e\na or b or c and d and not (e or f)\n-a ** -b @ c\n",
        "'a' \"b\" f'c{d!r:>{e}.2}{{}}{f=}' if 0 else b'\\x00' rb'\\d'\n",
        "f'{x:%Y-%m-%d}' rf'\\d{x}' f'''{\nx}\\N{EM DASH}\\\n'''\nu'a'\nf'{a,}{b[\"c\"]}{lambda_:{1}}'\n",
        "from . import a\nfrom .. b import (c as d, e,)\nfrom __future__ import annotations\nfrom a.b import *\nimport a.b as c, d\n",
        "try: pass\nexcept (A, B) as e: pass\nexcept C: pass\nelse: pass\nfinally: pass\n",
        "@a.b(c)\n@d\nclass E(F, *g, h=1, **i):\n    '''doc'''\n    @property\n    def x(self): return 0x1F, 1_0, 1e3j\n",
        "del a, b.c\ndel (d, e)\nassert a, 'b'\nraise A from b\nglobal c, d\n",
        "print(x)\nprint\nexec('a')\nmatch = type = case = 1\ntype(x).y = match[case]\n",
        "for x, in y: break\nelse: continue\nwhile (n := f()): pass\nelif_ = {**a, 'b': c, }; d = {e for e in f}; g = {h: i for h, i in j}\n",
        "if a: pass\nelif b: pass\nelif c:\n    pass\n    # comment\nelse: pass\nf(x for x in y)(*a, b=1, **c)[d]\n",
        "é = 'é' + ﬁ  # NFKC\nx = (\n  # comment\n  1 + \\\n  2)\n",
        "def f(x: list[int] | None | str, *a: int) -> typing.Dict[str, int] | x.y: pass\nz: A[int, str] = 1\n",
    ],
)
def test_a_construct_is_lowered_as_python_does(source: str) -> None:
    assert dumped(lowered(source)) == dumped(ast.parse(source))


@pytest.mark.parametrize(
    ("newer", "plain"),
    [
        ("type X[T] = list[T]", "X = list[T]"),
        ("def f[T: int](a: T) -> T: return a", "def f(a: T) -> T: return a"),
        ("def f[T = int, *A = *tuple[int]](a): return a", "def f(a): return a"),
        ("type X[T = int] = list[T]", "X = list[T]"),
        ("class A[T](B, c=1): x = 1", "class A(B, c=1): x = 1"),
        ("f'a{x['k']}'", "f'a{x[\"k\"]}'"),
        ('f"{"\\n".join(a)}"', "'\\n'.join(a)"),
        ("try: a\nexcept A, B: b", "try: a\nexcept (A, B): b"),
        ("t'a{x!r:>3}'", "f'a{x!r:>3}'"),
    ],
)
def test_what_newer_pythons_read_is_no_error(newer: str, plain: str) -> None:
    tree, problems = tolerant.module(newer, REFUSED)
    assert problems == []
    wanted = ast.unparse(ast.parse(plain))
    assert wanted in ast.unparse(tree) or (newer.startswith('f"{"') and isinstance(tree.body[0], ast.Expr))


def test_groups_of_exceptions_are_read_by_every_python() -> None:
    (statement,) = parse(b"try:\n    a()\nexcept* A as e:\n    b()\n").tree.body
    assert type(statement).__name__ == ("TryStar" if sys.version_info >= (3, 11) else "Try")


def test_python_2_is_read_and_said() -> None:
    parsed = parse(b'import os\nprint "id %s" % os.environ["A"]\nexec "a" in b\nx = 0777L\ny = ur"a"\n')
    assert ast.unparse(parsed.tree) == "import os\nprint('id %s' % os.environ['A'])\nexec('a', b)\nx = 511\ny = 'a'"
    assert parsed.errors[0] == SyntaxProblem(2, "a print statement, as in Python 2")
    assert parsed.errors[1].line == 3


def kept(source: str) -> tuple[str, list[int]]:
    parsed = parse(source.encode())
    return ast.unparse(parsed.tree), [problem.line for problem in parsed.errors]


def test_around_an_error_in_a_function_everything_is_kept() -> None:
    text, lines = kept(
        "import a\ndef f():\n    b = Op(conn_id='b')\n    c = = 1\n    d = Op(conn_id='d')\ne = Op(conn_id='e')\n"
    )
    for part in ("import a", "b = Op(conn_id='b')", "d = Op(conn_id='d')", "e = Op(conn_id='e')"):
        assert part in text
    assert lines == [4]


def test_a_bracket_that_is_never_closed_takes_nothing_of_the_next_statements() -> None:
    text, lines = kept(
        "with DAG('d'):\n    a = Op(\n        task_id='a',  # of a\n        conn_id='b',\n    c = Op(conn_id='c')\n"
        "    d = [1, Op(conn_id='d'\n    e = Op(conn_id='e')\nf(g={'h': Op(conn_id='h')\ni >> j\n"
    )
    assert text == (
        "with DAG('d'):\n    a = Op(task_id='a', conn_id='b')\n    c = Op(conn_id='c')\n    d = [1, Op(conn_id='d')]\n"
        "    e = Op(conn_id='e')\nf(g={'h': Op(conn_id='h')})\ni >> j"
    )
    assert lines != []


def test_both_sides_of_a_merge_conflict_are_read() -> None:
    text, lines = kept(
        "<<<<<<< HEAD\na = Op(conn_id='a')\n=======\na = Op(conn_id='b')\n>>>>>>> theirs\nc = Op(conn_id='c')\n"
    )
    for conn_id in "abc":
        assert f"Op(conn_id='{conn_id}')" in text
    assert lines[0] == 1


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 3000 + "1" + ")" * 3000,
        "x = " + "-" * 5000 + "1",
        "x = " + "[" * 1000,
        "x = " + " + ".join(["'a'"] * 5000),
        "x = " + "a." * 20000 + "b",
        "x = " + "f(" * 5000,
        "if a:\n" + "".join(" " * n + "if a:\n" for n in range(1, 300)) + " " * 300 + "b",
        "if a: pass\n" + "elif b: pass\n" * 5000,
        "x = '''",
        "\x00\x01\x02\xff" * 500,
        "}" * 5000,
        "f'{" * 500,
    ],
)
def test_nothing_makes_the_parser_fail(source: str) -> None:
    assert parse(source.encode("latin-1")).tree is not None
