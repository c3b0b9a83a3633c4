import ast

import pytest

from bootstrap.scan.sources.syntax import SyntaxProblem, parse


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"\xef\xbb\xbfx = 'caf\xc3\xa9'\r\n", "x = 'café'\n"),
        (b"# -*- coding: latin-1 -*-\nx = 'caf\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'café'\n"),
        (b"x = 1\ry = 2\r", "x = 1\ny = 2\n"),
    ],
)
def test_a_source_is_decoded_as_python_does(source: bytes, text: str) -> None:
    parsed = parse(source)
    assert (parsed.text, parsed.errors) == (text, ())
    assert ast.dump(parsed.tree) == ast.dump(ast.parse(source))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"x = 'caf\xe9'\n", "read as Latin-1"),
        (b"# coding: klingon\nx = 'caf\xc3\xa9'\n", "read as UTF-8"),
        (b"# coding: hex\nx = 'caf\xc3\xa9'\n", "read as UTF-8"),
        ("x = 'café'\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_python_cant_decode_is_said_and_read(source: bytes, said: str) -> None:
    parsed = parse(source)
    assert ast.literal_eval(parsed.tree.body[-1].value) == "café"  # type: ignore[attr-defined]
    assert [(each.line, said in each.message) for each in parsed.errors] == [(1, True)]


def test_a_nul_is_said_with_its_line_and_the_rest_is_read() -> None:
    parsed = parse(b"a = 1\nb =\0 2\n")
    assert ast.unparse(parsed.tree) == "a = 1\nb = 2"
    assert parsed.errors == (SyntaxProblem(2, "a NUL byte"),)


def test_an_invalid_escape_is_no_warning_of_ours() -> None:
    assert parse(rb"x = '\d'").errors == ()


def test_comments_by_line_and_not_what_looks_like_one_in_a_string() -> None:
    parsed = parse('x = "# no"  # noqa: AB201\n# é\n"""\n# no\n"""\n'.encode())
    assert parsed.comments == {1: "# noqa: AB201", 2: "# é"}


def test_what_is_no_source_at_all_is_said_at_once() -> None:
    parsed = parse(bytes(range(256)) * 10_000)
    assert (parsed.tree.body, parsed.errors[0].message) == ([], "no text: it is full of NUL bytes")


def test_a_large_broken_file_is_said_at_once_and_a_large_good_one_is_read() -> None:
    lines = (b"x = '" + b"a" * 1000 + b"'\n") * 1000
    assert len(parse(lines).tree.body) == 1000
    (problem,) = parse(lines + b"x = = 1\n").errors
    assert (problem.line, "too much is broken" in problem.message) == (1001, True)
