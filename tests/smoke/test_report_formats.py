"""The reports that are not JSON: each is read back with what its readers use."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from bootstrap.checks.base import CauseName
from bootstrap.cli import main
from bootstrap.domain.secret import Secret
from bootstrap.errors import Denied, Unavailable
from bootstrap.manifest.loader import load
from bootstrap.register.drift import Drift
from bootstrap.reports import FORMATS, github
from bootstrap.reports.junit import UNJUDGED, junit
from bootstrap.smoke.report import Report
from bootstrap.smoke.verdict import Step
from bootstrap.util.human import measured
from tests.project import ROOT
from tests.smoke.test_report import check, report, unproven

HOSTILE = 'a <b>"tag"</b> & \x1b[31m\x00 ]]> | 100%\r\n::error::,: \ud800 ü'
FAILED = report(check(), check("auth", message=HOSTILE, warnings=(HOSTILE,), measured={"route": HOSTILE}))


def cases(found: Report) -> list[Any]:
    [suite] = JUnitXml.fromstring(junit(found).encode())
    return list(suite)


def problems(found: Report) -> list[tuple[str, type, str]]:
    return [(case.name, type(item), item.type) for case in cases(found) for item in case.result]


def test_junit_has_a_case_for_each_check() -> None:
    passed, failed = cases(report(check(), check("auth")))
    assert (passed.name, passed.classname, passed.time, passed.result) == ("a.http", "airflow_bootstrap.a", 0.4, [])
    [problem] = failed.result
    assert (problem.type, problem.message) == ("auth", "why")
    assert "message: why\nnext: what" in problem.text


def test_junit_counts_and_times_are_the_runs() -> None:
    document = JUnitXml.fromstring(junit(report(check(), check("auth"), check("check_error"))).encode())
    [suite] = document
    for counted in (document, suite):
        assert (counted.tests, counted.failures, counted.errors, counted.time) == (3, 1, 1, 6.123)


def test_junit_names_the_step_that_failed() -> None:
    steps = (Step("resolve", "passed", 0.1), Step("authenticate", "failed", 0.1))
    [case] = cases(report(check("auth", steps=steps)))
    assert case.result[0].text.startswith("step: authenticate\n")


@pytest.mark.parametrize("cause", get_args(CauseName))
def test_junit_tells_a_failure_from_a_check_that_could_not_be_judged(cause: CauseName) -> None:
    assert problems(report(check(cause))) == [("a.http", Error if cause in UNJUDGED else Failure, cause)]


@pytest.mark.parametrize(("allowed", "kind", "level"), [(False, Failure, "error"), (True, Skipped, "warning")])
def test_what_is_unproven_is_as_bad_as_the_exit_code_says(*, allowed: bool, kind: type, level: str) -> None:
    found = report(unproven(), allow_unproven=allowed)
    assert problems(found) == [("a.http", kind, "unproven")]
    [line] = github.workflow_commands(found, lambda _: {})
    assert line == f"::{level} title=a.http::unproven: it is elsewhere — next: look there"
    assert "⚠️ | a.http | unproven: it is elsewhere; next: look there" in github.summary(found)
    assert ">! unproven<" in FORMATS["html"](found)


def test_junit_has_warnings_and_figures_in_the_output() -> None:
    [case] = cases(report(check(warnings=("one", "two"), measured={"bytes": 1000})))
    assert case.system_out == "warning: one\nwarning: two\nmeasured: moved: 1.0 kB"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (report(), [("nothing checked", Failure, "nothing_checked")]),
        (report(check(), interrupted=True), [("interrupted", Error, "interrupted")]),
        (report(check(), drift=Drift(("a",))), [("drift", Failure, "drift")]),
        (report(check(), drift=Drift((), (Unavailable("down"),))), [("drift", Failure, "drift")]),
        (report(check(), drift=Drift((), (Denied("who only smokes"),))), []),
    ],
)
def test_junit_has_a_case_for_what_is_wrong_with_the_run(found: Report, expected: list[tuple[str, type, str]]) -> None:
    assert problems(found) == expected


def test_junit_is_green_only_if_the_exit_code_is_0() -> None:
    drifts = (Drift(), Drift(("a",)), Drift((), (Unavailable("x"),)), Drift((), (Denied("x"),)))
    for checks, drift, interrupted in itertools.product(
        ((), (check(),), (check(), check("auth")), (check("store_denied"),)), drifts, (False, True)
    ):
        found = report(*checks, drift=drift, interrupted=interrupted)
        assert (problems(found) == []) == (found.exit_code == 0), found


def test_junit_takes_characters_that_xml_forbids() -> None:
    _, case = cases(FAILED)
    assert case.result[0].message.startswith('a <b>"tag"</b> & \ufffd[31m\ufffd ]]> | 100%')
    assert "ü" in case.result[0].text


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_html_loads_and_runs_nothing() -> None:
    page = Page(FORMATS["html"](FAILED))
    assert not {"script", "link", "img", "iframe", "object", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in {"src", "href"} or name.startswith("on")]
    assert "url(" not in FORMATS["html"](FAILED)
    assert "@import" not in FORMATS["html"](FAILED)


def test_html_tells_everything() -> None:
    steps = (Step("resolve", "passed", 0.25, "team (vault)"), Step("authenticate", "failed", 1.5))
    failed = check("auth", steps=steps, warnings=("beware",), measured={"bytes": 2_500_000})
    page = Page(FORMATS["html"](report(check(), failed, drift=Drift(("orders",))))).text
    for words in (
        "✗ failed: 1 of 2 checks passed",
        "2026-01-02 00:00:00+00:00, 6.1 s, Airflow 3.3.2, exit code 1",
        "differs from the manifest: orders",
        "✓ passed",
        "✗ auth",
        "✓ resolve 0.25 s ✗ authenticate 1.50 s",
        "resolve: team (vault)",
        "- reach",
        "why next: what ! beware moved: 2.5 MB",
        "0.4 s",
    ):
        assert words in page
    assert "✓ passed: 1 of 1 checks passed" in Page(FORMATS["html"](report(check()))).text


def test_html_shows_markup_in_a_message_as_text() -> None:
    assert 'a <b>"tag"</b> &' in Page(FORMATS["html"](FAILED)).text


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_hides_a_secret_in_its_own_quoting(name: str) -> None:
    secret = "it's <\"q\"> & ü\\ 'n' core-7f3a"
    Secret(secret).reveal()
    found = report(check("auth", message=f"wrong: {secret}", warnings=(secret,), measured={"route": secret}))
    text = FORMATS[name](found)
    assert "core-7f3a" not in text
    assert "wrong: ***" in text


def nowhere(_where: str | int) -> dict[str, str]:
    return {}


def lines(found: Report) -> list[str]:
    return list(github.workflow_commands(found, nowhere))


def test_github_gets_a_line_for_each_failure_and_warning() -> None:
    found = report(check(), check("auth", warnings=("slow",)), drift=Drift(("orders",)))
    assert lines(found) == [
        "::error title=a.http::why — next: what",
        "::warning title=a.http::slow",
        "::warning title=drift::differs from the manifest: orders. Run airflow-bootstrap register",
    ]
    assert lines(report(check())) == []


def test_github_is_told_of_a_run_that_proves_nothing() -> None:
    assert lines(report()) == ["::error title=smoke::nothing was checked"]
    assert lines(report(check(), interrupted=True)) == ["::error title=smoke::1 of 1 checks passed; interrupted"]


def test_github_lines_are_escaped_as_it_demands() -> None:
    [line] = lines(report(check("auth", id="a,b:c%d", message="50%\r\nof: a, b")))
    assert line == "::error title=a%2Cb%3Ac%25d::50%25%0D%0Aof: a, b — next: what"


def test_github_lines_hold_no_secret() -> None:
    Secret("50%,core-7f3a").reveal()
    assert lines(report(check("auth", message="not 50%,core-7f3a"))) == ["::error title=a.http::not *** — next: what"]


MANIFEST = """version: 1
connections:
  a: {conn_type: http, host: h}
profiles:
  ci:
    connections:
      b: {conn_type: http, host: h}
"""


def test_github_lines_point_into_the_manifest(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "bootstrap.yaml"
    file.parent.mkdir()
    file.write_text(MANIFEST)
    locate = github.places(load(file), tmp_path)
    assert (locate("a"), locate("b")) == ({"file": "sub/bootstrap.yaml", "line": "3"}, {})
    assert github.places(load(file, profile="ci"), tmp_path)("b") == {"file": "sub/bootstrap.yaml", "line": "7"}
    assert github.places(load(file), tmp_path / "other")("a") == {}
    [line] = github.workflow_commands(report(check("auth")), locate)
    assert line.startswith("::error file=sub/bootstrap.yaml,line=3,title=a.http::")


def test_github_summary_is_a_table_that_no_message_breaks(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    file.write_text("before\n")
    github.append_summary(FAILED, file)
    text = file.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("before\n### airflow-bootstrap: failed\n")
    assert [row.count("|") for row in rows] == [5, 5, 5, 5]
    assert "<b>" not in text
    assert "| ✅ | a.http | passed | 0.4 s |" in rows


@pytest.mark.parametrize(
    "odd",
    [
        ":snow:",
        ":+1:",
        "https://evil.example/x",
        "www.evil.example",
        "@someone",
        "#13",
        "a_b_ *c* `d`",
        "![x](y)",
        "<b>",
    ],
)
def test_github_interprets_nothing_of_a_message(odd: str) -> None:
    """Its filters look at the text once more when Markdown is done, and entities are characters again."""
    text = unescape(github.summary(report(check("auth", message=f"said {odd} then"))))
    assert odd not in text or not re.search(r":[\w+-]+:|://|www\.|@\w|#\d", odd)
    assert odd in text.replace("\u200b", "")
    raw = github.summary(report(check("auth", message=f"said {odd} then")))
    assert not re.search(r"[*`<>_!@]", raw.partition("said")[2].partition("then")[0])


def test_figures_are_readable() -> None:
    figures = {"bytes": 999, "bytes_per_second": 2.1e7, "peak_memory_bytes": 10**15, "rows": 12345, "fast": True}
    assert measured(figures) == "moved: 999 B, speed: 21.0 MB/s, peak memory: 1000.0 TB, rows: 12,345, fast: True"


def test_the_xml_is_one_that_other_parsers_take() -> None:
    assert ET.fromstring(junit(FAILED)).tag == "testsuites"  # noqa: S314  our own


DOCS = (ROOT / "docs" / "reports.md").read_text()


def test_the_docs_list_every_format_and_every_cause_that_is_an_error() -> None:
    assert re.findall(r"^\| `--(\w+) FILE`", DOCS, re.MULTILINE) == list(FORMATS)
    [errors] = re.findall(r"an `error` for (.*?):", DOCS, re.DOTALL)
    assert re.findall(r"`(\w+)`", errors) == list(UNJUDGED)


@pytest.mark.parametrize("name", ["smoke", "up"])
def test_both_commands_have_every_format(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert re.findall(r"--(\w+) FILE", capsys.readouterr().out) == list(FORMATS)


def test_help_loads_no_library_of_a_report() -> None:
    code = """
import sys
from bootstrap.cli import main
main(["smoke", "--help"])
print({"rich", "junitparser", "jinja2", "pydantic"} & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr.splitlines()[-1] == "set()", done.stderr
