"""What GitHub Actions shows beside the code: annotations, and a summary of the job.

The form is that of GitHub's "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bootstrap.document import overlay, parse
from bootstrap.manifest import Manifest
from bootstrap.reports.text import printable
from bootstrap.smoke.report import Report
from bootstrap.smoke.verdict import CheckResult

Locate = Callable[[str], Mapping[str, str]]  # connection → an annotation's `file` and `line`; empty: not known


def workflow_commands(report: Report, locate: Locate) -> Iterator[str]:
    """A line for everything that failed or should be known, without secrets."""
    report = report.redacted()
    for check in report.checks:
        title = {"title": check.id}
        if check.status != "passed":
            level = "warning" if check.status == "unproven" and report.allow_unproven else "error"
            yield _line(
                level, f"{_kind(check)}{check.message} — next: {check.hint}", {**locate(check.connection), **title}
            )
        for warning in check.warnings:
            yield _line("warning", warning, {**locate(check.connection), **title})
    for sentence in report.drift.sentences:
        yield _line("warning", sentence, {"title": "drift"})
    if report.interrupted or not report.checks:
        yield _line("error", report.summary, {"title": "smoke"})


def places(manifest: Manifest, root: Path) -> Locate:
    """Where connections stand in the manifest; nothing for a manifest outside `root`, the checkout."""
    file = manifest.file.resolve()
    if not file.is_relative_to(root.resolve()):
        return lambda _: {}
    document = parse(file.read_text(encoding="utf-8"), file)
    if manifest.profile is not None:
        document = overlay(document, ("profiles", manifest.profile))
    shown = str(file.relative_to(root.resolve()))

    def locate(connection: str) -> Mapping[str, str]:
        place = document.places.get(("connections", connection))
        return {"file": shown, "line": str(place.line)} if place else {}

    return locate


def summary(report: Report) -> str:
    """The report as a short table in Markdown, without secrets."""
    report = report.redacted()
    said = f"{report.summary} in {report.seconds:.1f} s (exit code {int(report.exit_code)})"
    lines = [f"### airflow-bootstrap smoke: {report.verdict}", "", _plain(said)]
    lines += ["", *(f"- {_plain(sentence)}" for sentence in report.drift.sentences)] if report.drift.sentences else []
    if report.checks:
        lines += ["", "| | check | result | time |", "| --- | --- | --- | ---: |"]
    for check in report.checks:
        mark = {"passed": "✅", "failed": "❌", "unproven": "⚠️"}[check.status]
        lines.append(f"| {mark} | {_plain(check.id)} | {_plain(_told(check))} | {check.seconds:.1f} s |")
    return "\n".join(lines) + "\n\n"


def _told(check: CheckResult) -> str:
    why = f"{check.cause or check.status}: {check.message}; next: {check.hint}"
    result = "passed" if check.status == "passed" else why
    return "; ".join((result, *(f"warning: {warning}" for warning in check.warnings)))


def _kind(check: CheckResult) -> str:
    return "unproven: " if check.status == "unproven" else ""


def append_summary(report: Report, file: Path) -> None:
    """Add the summary to the job's. Raises OSError."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(summary(report))


def active() -> bool:
    """Whether GitHub Actions runs us."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _line(level: str, message: str, properties: Mapping[str, str]) -> str:
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {named}::{_data(message)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, in one line: a message holds pipes, stars, tags and mentions."""
    return re.sub(r"[^\w\s.,:;()/-]|_", lambda found: f"&#{ord(found[0])};", " ".join(printable(text).split()))
