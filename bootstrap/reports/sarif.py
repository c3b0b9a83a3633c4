"""A scan's findings as SARIF 2.1.0, as GitHub's code scanning and other tools read it.

The form is that of OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; what GitHub takes of it is in
"SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bootstrap import __version__
from bootstrap.scan.model import Risk, Skipped
from bootstrap.scan.risks.base import Rule
from bootstrap.scan.risks.rules import RULES
from bootstrap.util.human import printable

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"


def sarif(findings: Sequence[Risk], skipped: Sequence[Skipped], folder: Path, root: Path) -> str:
    """One run with all rules and these findings.

    Places are relative to `folder`, the scanned one; in the file they are relative to `root`, the repository's.
    """
    run = {
        "tool": {"driver": {"name": "airflow-bootstrap", "version": __version__, "rules": [_rule(each) for each in RULES.values()]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the repository's root"}}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": [_notification(each, folder, root) for each in skipped]}],
        "results": list(_results(findings, folder, root)),
    }  # fmt: skip
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {
            "text": f"{rule.explanation}\n\nFix: {rule.fix}.",
            "markdown": f"{_markdown(rule.explanation)}\n\n**Fix:** {_markdown(rule.fix)}.",
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security"] if rule.code == "AB301" else ["airflow"]},
    }


def _markdown(text: str) -> str:
    """Text with what Markdown, or a site's Liquid, would take for its own escaped."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>#|" else each for each in text)


def _results(findings: Sequence[Risk], folder: Path, root: Path) -> Iterator[dict[str, Any]]:
    order = {code: index for index, code in enumerate(RULES)}
    seen: Counter[str] = Counter()
    for risk in findings:
        location = _artifact(risk.place.file, folder, root)
        said = _fingerprint(risk, str(location["uri"]))
        seen[said] += 1
        yield {
            "ruleId": risk.code,
            "ruleIndex": order[risk.code],
            "level": RULES[risk.code].level,
            "message": {"text": printable(f"{risk.message}. Fix: {risk.fix}")},
            "locations": [
                {"physicalLocation": {"artifactLocation": location, "region": {"startLine": max(risk.place.line, 1)}}}
            ],
            "partialFingerprints": {"primaryLocationLineHash": f"{said}:{seen[said]}"},
        }


def _fingerprint(risk: Risk, uri: str) -> str:
    """The same when lines move: of what was found, and where but for the line. Never of the line's text, which may be a secret."""
    text = json.dumps((risk.code, uri, risk.place.by, risk.message))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _artifact(file: str, folder: Path, root: Path) -> dict[str, str]:
    """A file as a URI, relative to the repository's root where it is in it."""
    path = Path(os.path.normpath(folder.absolute() / file))
    if path.is_relative_to(root.absolute()):
        return {"uri": quote(path.relative_to(root.absolute()).as_posix()), "uriBaseId": _ROOT}
    return {"uri": path.as_uri()}


def _notification(skipped: Skipped, folder: Path, root: Path) -> dict[str, Any]:
    return {
        "level": "warning",
        "message": {"text": printable(f"not read, or not whole: {skipped.reason}")},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(skipped.file, folder, root)}}],
    }
