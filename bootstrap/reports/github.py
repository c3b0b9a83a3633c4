"""Annotations and the job summary of GitHub Actions.

The form is that of GitHub's "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bootstrap.manifest.loader import Manifest
from bootstrap.scan.model import Risk
from bootstrap.scan.risks.rules import RULES
from bootstrap.smoke.report import Report, StageResult
from bootstrap.util import special_files
from bootstrap.util.human import printable
from bootstrap.util.yaml_document import reread

# A connection, or a line of the manifest → an annotation's `file` and `line`; empty: not known.
Locate = Callable[[str | int], Mapping[str, str]]
_LOOKED_FOR = re.compile(r":(?=[\w+-]+:|//)|@(?=\w)|#(?=\d)|\bwww(?=\.)")
_MARKS = {"ok": "✅", "changed": "✅", "warning": "⚠️", "failed": "❌"}


def workflow_commands(report: Report, locate: Locate) -> Iterator[str]:
    """A line for everything that failed or should be known, without secrets."""
    report = report.redacted()
    for stage in report.stages:
        if stage.status in {"failed", "warning"}:
            level = "error" if stage.status == "failed" else "warning"
            where = locate(stage.line or stage.subject)
            yield _line(level, _with_hint(stage.message, stage.hint), {**where, "title": _title(stage)})
    for check in report.checks:
        title = {"title": check.id}
        if check.status != "passed":
            level = "warning" if check.status == "unproven" and report.allow_unproven else "error"
            kind = "unproven: " if check.status == "unproven" else ""
            told = _with_hint(f"{kind}{check.message}", check.hint)
            yield _line(level, told, {**locate(check.connection), **title})
        for warning in check.warnings:
            yield _line("warning", warning, {**locate(check.connection), **title})
    for sentence in report.drift.sentences:
        yield _line("warning", sentence, {"title": "drift"})
    if report.interrupted or not (report.checks or report.stopped):
        yield _line("error", report.summary, {"title": "smoke"})


def finding_commands(findings: Iterable[Risk], folder: Path, root: Path) -> Iterator[str]:
    """A line for each finding of a scan of `folder`; with its place where that is below `root`, the checkout."""
    levels = {"error": "error", "warning": "warning", "note": "notice"}
    for risk in findings:
        rule = RULES[risk.code]
        path = Path(os.path.normpath(folder.absolute() / risk.place.file))
        where = {"file": str(path.relative_to(root.absolute()))} if path.is_relative_to(root.absolute()) else {}
        where |= {"line": str(risk.place.line)} if where and risk.place.line else {}
        yield _line(
            levels[rule.level], _with_hint(risk.message, risk.fix), {**where, "title": f"{rule.code}: {rule.title}"}
        )


def _title(stage: StageResult) -> str:
    return f"{stage.stage}: {stage.subject}" if stage.subject else stage.stage


def _with_hint(message: str, hint: str) -> str:
    return f"{message} — next: {hint}" if hint else message


def places(manifest: Manifest, root: Path) -> Locate:
    """Where connections stand in the manifest; nothing for a manifest outside `root`, the checkout."""
    document = reread(manifest.file, manifest.profile)
    paths = [("connections", conn_id) for conn_id in manifest.connections]
    return lines(manifest.file, {path[1]: document.place(path).line for path in paths if document.has(path)}, root)


def lines(manifest: Path, known: Mapping[str, int], root: Path) -> Locate:
    """Of a file in `root`, the checkout: the lines of the connections that are known."""
    file = manifest.resolve()
    if not file.is_relative_to(root.resolve()):
        return lambda _: {}
    shown = str(file.relative_to(root.resolve()))

    def locate(where: str | int) -> Mapping[str, str]:
        line = where if isinstance(where, int) else known.get(where)
        return {"file": shown, "line": str(line)} if line else {}

    return locate


def summary(report: Report) -> str:
    """The report as a short table in Markdown, without secrets."""
    report = report.redacted()
    said = f"{report.summary} in {report.seconds:.1f} s (exit code {int(report.exit_code)})"
    lines = [f"### airflow-bootstrap: {report.verdict}", "", _plain(said)]
    lines += ["", f"Unchecked: {_plain(', '.join(report.unchecked))}"] if report.unchecked else []
    lines += ["", _plain(report.coverage.sentence)] if report.coverage is not None else []
    lines += ["", *(f"- {_plain(sentence)}" for sentence in report.drift.sentences)] if report.drift.sentences else []
    if report.checks or report.stages:
        lines += ["", "| | check | result | time |", "| --- | --- | --- | ---: |"]
    for stage in report.stages:
        told = _with_hint(stage.message, stage.hint) if stage.status == "failed" else stage.message
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f} s"
        lines.append(f"| {_MARKS[stage.status]} | {_plain(_title(stage))} | {_plain(told)} | {seconds} |")
    for check in report.checks:
        mark = {"passed": "✅", "failed": "❌", "unproven": "⚠️"}[check.status]
        why = f"{check.cause or check.status}: {check.message}; next: {check.hint}"
        result = "passed" if check.status == "passed" else why
        told = "; ".join((result, *(f"warning: {warning}" for warning in check.warnings)))
        lines.append(f"| {mark} | {_plain(check.id)} | {_plain(told)} | {check.seconds:.1f} s |")
    return "\n".join(lines) + "\n\n"


def append_summary(report: Report, file: Path) -> None:
    """Add the summary to the job's. Raises OSError."""
    if special_files.is_special(file):
        special_files.write(file, summary(report).encode())
        return
    with file.open("a", encoding="utf-8") as stream:
        stream.write(summary(report))


def active() -> bool:
    """True if GitHub Actions runs us."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _line(level: str, message: str, properties: Mapping[str, str]) -> str:
    escaped = {name: _data(value).replace(":", "%3A").replace(",", "%2C") for name, value in properties.items()}
    return f"::{level} {','.join(f'{name}={value}' for name, value in escaped.items())}::{_data(message)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, in one line: a message holds pipes, stars, tags and mentions.

    GitHub looks for `:snow:`, links, mentions and numbers of issues once more when entities are characters again.
    """
    broken = _LOOKED_FOR.sub("\\g<0>\u200b", " ".join(printable(text).split()))
    return re.sub(r"[^\w\s.,:;()/-]|_", lambda found: f"&#{ord(found[0])};", broken)
