"""docs/checks.md, made from the checks themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap import plugins
from bootstrap.checks.base import SWEEP_AFTER, CauseName, CheckParams
from bootstrap.checks.kind import CheckKind, Cleans, Documented
from bootstrap.smoke.diagnosis import HINTS

_HEAD = """# Checks

A check is one task in Airflow, named `<connection>.<check>`. Its steps: `resolve` (which source gave the connection), `reach` (DNS, TCP,
TLS), `authenticate`, `access` (the named resource), and for checks that write `write` and `clean`. A check never changes anything but
what it made itself. That carries the run's id in its name, and is removed after success, after failure, and when the task was killed;
what is still left after {days} day goes with the next run of the same check.

Parameters are taken literally; only the `arguments` of [operator](#operator) are Airflow templates.

A check is green only if it got an answer that nothing but the named resource can give: see `compares`. `authenticate` says what the login proves:
that the server asked for the credential and accepted it, or that this is not known. If the server lets everybody in, the check warns:
"accepted without asking for the credential". A warning counts in the summary and does not affect the exit code. A check never tries a wrong
credential, or a named account without its password: that locks accounts.

A connection without `checks:` gets the one of its conn_type, else `hook`. A check may be named more than once, each time with other
parameters: `checks: [{{http: {{path: a}}}}, {{http: {{path: b}}}}]`.

{contents}
"""
_CAUSES = """## Causes

Why a check failed, and the usual next step. Checks give a better one where the system tells it.

| cause | next |
| --- | --- |
"""


def generated() -> str:
    """The page as Markdown."""
    names = plugins.CHECKS.names()
    contents = " · ".join(f"[{name}](#{name})" for name in names) + " · [causes](#causes)"
    head = _HEAD.format(days=SWEEP_AFTER.days, contents=contents)
    return "\n".join([head, *(_section(name) for name in names), _CAUSES + "".join(map(_cause, HINTS))])


def _section(name: str) -> str:
    kind = plugins.CHECKS.get(name, CheckKind)
    example = f"```yaml\nchecks: [{_example(name, kind.Params)}]\n```\n\n"
    facts = "".join(f"- **{title}**: {text}\n" for title, text in _facts(kind) if text)
    return f"## {name}\n\n{_paragraphs(kind)}\n\n{example}{facts}{_parameters(kind.Params)}"


def _example(name: str, params: type[CheckParams]) -> str:
    """The check as the manifest has it, with what must be said."""
    required = params.model_json_schema().get("required", [])
    return f"{{{name}: {{{', '.join(f'{field}: …' for field in required)}}}}}" if required else name


def _facts(kind: CheckKind) -> Iterator[tuple[str, str]]:
    yield "default for", ", ".join(f"`{conn_type}`" for conn_type in kind.CONN_TYPES)
    if isinstance(kind, Documented):
        yield (
            "creates",
            f"{kind.CREATES}; removed afterwards" if kind.CREATES and isinstance(kind, Cleans) else kind.CREATES,
        )
        yield "compares", kind.COMPARES
    yield "needs", "; ".join(kind.PERMISSIONS)
    yield "packages", ", ".join(f"`{package}`" for package in kind.PROVIDERS)


def _parameters(params: type[CheckParams]) -> str:
    fields: Mapping[str, Any] = params.model_json_schema().get("properties", {})
    if not fields:
        return ""
    required = params.model_json_schema().get("required", [])
    rows = "".join(
        f"| `{name}` | {_type(field)} | {'required' if name in required else _default(field)} |\n"
        for name, field in fields.items()
        if not field.get("deprecated")
    )
    said = " ".join((inspect.getdoc(params) or "").split())
    return f"\n{said}\n\n| parameter | type | default |\n| --- | --- | --- |\n{rows}"


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"] if option.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    names = {"string": "text", "object": "mapping"}
    return names.get(field.get("type", ""), field.get("type") or ("mapping" if "$ref" in field else "any value"))


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ("", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _paragraphs(module: object) -> str:
    return " ".join((inspect.getdoc(module) or "").split())


def _cause(name: CauseName) -> str:
    return f"| `{name}` | {HINTS[name]} |\n"
