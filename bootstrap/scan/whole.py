"""A scan: from a folder to all that its code needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bootstrap.scan import factories, strings
from bootstrap.scan.code.interpreter import Interpreter
from bootstrap.scan.code.project import Module, Project
from bootstrap.scan.code.values import Call
from bootstrap.scan.model import ConnectionUse, Dynamic, Resource, Risk, Skipped, VariableUse
from bootstrap.scan.operators.table import operators
from bootstrap.scan.resources.of_call import resources
from bootstrap.scan.result import Declared, Result, connections
from bootstrap.scan.risks.find import risks
from bootstrap.scan.sources.files import Collected, collect
from bootstrap.scan.sources.roots import find_template
from bootstrap.scan.sources.source_file import SourceFile
from bootstrap.scan.uses import Uses
from bootstrap.util.distributions import version

_TESTS = ("test_*.py", "*_test.py", "conftest.py")
_TEMPLATES = (".sql", ".hql", ".cql", ".sh", ".bash", ".json", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl")
_SHELL = (".sh", ".bash")


@dataclass
class Findings:
    """What was found, place by place."""

    uses: set[ConnectionUse] = field(default_factory=set)
    variables: set[VariableUse] = field(default_factory=set)
    dynamic: set[Dynamic] = field(default_factory=set)
    resources: set[Resource] = field(default_factory=set)
    risks: list[Risk] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, found: Iterable[ConnectionUse | VariableUse | Dynamic]) -> None:
        """Each where it belongs."""
        for each in found:
            if isinstance(each, ConnectionUse):
                self.uses.add(each)
            elif isinstance(each, VariableUse):
                self.variables.add(each)
            else:
                self.dynamic.add(each)


def scan(folder: Path, declared: Declared, cache: Path | None = None, only: frozenset[Path] | None = None) -> Result:
    """What the code below `folder`, or in that file, needs; against what is declared. `cache` keeps what was read of providers.

    With `only`, of the files there just these, by absolute path, and what they import: what they don't use isn't unused then.
    Raises UsageError where there is no such folder.
    """
    table = operators(cache)
    collected = collect(folder)
    if only is not None:
        root = Path(os.path.abspath(collected.folder))  # noqa: PTH100  links stay, as in `only`
        collected = replace(collected, files=[file for file in collected.files if root / file.path in only])
    findings = Findings(skipped=list(collected.skipped))
    read = read_code(collected, findings)
    _from_calls(read.calls, Uses(table), collected, declared, findings)
    findings.risks += risks(read.calls, table, {module.path: module.parsed for module in read.modules})
    found = result(collected, findings, declared, len(read.files))
    return found if only is None and not folder.is_file() else replace(found, unused=[])


def result(collected: Collected, findings: Findings, declared: Declared, files: int) -> Result:
    """The findings, by connection."""
    packages = {use.package for use in findings.uses if use.package}
    installed = {package: version(package) is not None for package in packages}
    found = connections(findings.uses, findings.resources, declared, installed)
    used = {each.conn_id for each in found}
    return Result(
        collected.folder,
        files,
        sorted(findings.skipped, key=lambda each: each.file),
        found,
        sorted(set(declared.connections) - used),
        sorted(findings.dynamic, key=lambda each: (each.place, each.expression)),
        sorted(findings.variables, key=lambda each: (each.key, each.place)),
        findings.risks,
        declared,
    )


@dataclass(frozen=True)
class Code:
    """What was read: the files, the modules that Airflow would run or that they import, and their calls."""

    files: Sequence[SourceFile]
    modules: Sequence[Module]
    calls: Sequence[Call]


def read_code(collected: Collected, findings: Findings) -> Code:
    """Follow all DAG files, and read the templates beside them."""
    project = Project(collected)
    interpreter = Interpreter(project)
    files = list(_dag_files(collected, findings))
    made: list[Call] = []
    for file in files:
        if file.kind in ("python", "notebook"):
            interpreter.run(project.module(file))
        else:
            text = file.read().decode("utf-8", "replace")
            of_factory = factories.calls(text, file.path) if file.kind == "yaml" else []
            made += of_factory
            if of_factory:
                findings.add(strings.in_text(text, file.path))
            elif file.location.suffix in _TEMPLATES:
                findings.add(strings.in_text(text, file.path, environment=file.location.suffix in _SHELL))
    interpreter.finish()
    modules = interpreter.modules()
    for module in modules:
        findings.add(strings.in_code(module.tree, module.parsed.text, module.path))
        if module.parsed.errors:
            first = module.parsed.errors[0]
            findings.skipped.append(Skipped(module.path, f"line {first.line}: {first.message}; the rest is read"))
    return Code(files, modules, [*interpreter.calls, *made])


def _dag_files(collected: Collected, findings: Findings) -> Iterator[SourceFile]:
    """What Airflow would look into, and what those files bring: no helpers that nothing imports, and no tests."""
    for file in collected.files:
        if file.kind != "python":
            yield file
        elif is_test(file):
            findings.skipped.append(Skipped(file.path, "a test"))
        elif file.might_hold_dag:
            yield file


def is_test(file: SourceFile) -> bool:
    """True for a test beside the DAGs, which may well speak of some."""
    if not any(Path(file.path).match(pattern) for pattern in _TESTS):
        return False
    data = file.read()
    return any(word in data for word in (b"pytest", b"unittest", b"def test_"))


def _from_calls(
    calls: Iterable[Call], uses: Uses, collected: Collected, declared: Declared, findings: Findings
) -> None:
    touching = []
    for call in calls:
        findings.add(uses.findings(call))
        known = uses.connections(call)
        if known:
            touching.append((call, known))
    # What SQL means depends on the database: where the call doesn't tell, the manifest does, or another place.
    types = {use.conn_id: use.conn_type for use in sorted(findings.uses, key=lambda use: use.place) if use.conn_type}
    types |= {conn_id: conn_type for conn_id, conn_type in declared.connections.items() if conn_type}
    for call, known in touching:
        findings.resources.update(resources(call, known, _reader(call, collected.folder), types))


def _reader(call: Call, folder: Path) -> Callable[[str], str | None]:
    """Reads a template that an operator names, from where Airflow looks for it."""

    def read(name: str) -> str | None:
        file = find_template(name, [(folder / call.site.file).parent, folder], folder)
        return file.read().decode("utf-8", "replace") if file is not None else None

    return read
