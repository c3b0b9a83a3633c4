"""Checks a secrets backend's class and keyword arguments.

Airflow accepts a misspelt argument silently, and doesn't report that the first look-up fails either. So the arguments are compared
here with the signature of the class that is installed, and with the rules for it. Nothing of Airflow's is imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bootstrap.providers.python_source import Sources, UnreadableModule
from bootstrap.render.backend_kwargs.apply_rules import Given, findings
from bootstrap.render.backend_kwargs.result import Checked, Problem
from bootstrap.render.backend_kwargs.rules import RULES
from bootstrap.render.backend_kwargs.signature_table import Backend, installed, shipped, short

__all__ = ["Checked", "Problem", "check"]


def check(
    backend_class: str,
    kwargs: Mapping[str, Any],
    elsewhere: Collection[str] = (),
    folders: Sequence[str | Path] | None = None,
) -> Checked:
    """Compare the arguments with the class.

    `elsewhere` are the names of arguments that Airflow's processes get by the environment, as text; `folders` is where
    Python looks for modules, by default where this Python does. Raises nothing.
    """
    module, _, name = backend_class.rpartition(".")
    if not module or not all(part.isidentifier() for part in backend_class.split(".")):
        return _refused("this is not the dotted path of a class: MODULE.CLASS", _did_you_mean(backend_class))
    sources = Sources(folders)
    try:
        found = sources.module(module)
        if found is None:
            return _without_module(backend_class, kwargs, elsewhere, sources)
        definition = sources.find(found, name)
        if definition is None:
            if name in found.names or not found.closed:
                return _unchecked(f"{module}.{name} is made while {module} is imported: it can't be read", "")
            near = difflib.get_close_matches(name, found.classes, n=1)
            hint = f"did you mean {module}.{near[0]}?" if near else f"it has: {', '.join(found.classes) or 'no class'}"
            return _refused(f"there is no class {name} in {module}", hint)
        compared = _compared(installed(definition, sources), kwargs, elsewhere, here=True)
        return replace(compared, files=tuple(str(file) for file in sources.files))
    except UnreadableModule as err:
        return _unchecked(str(err), "fix the module")


def _compared(backend: Backend, kwargs: Mapping[str, Any], elsewhere: Collection[str], *, here: bool) -> Checked:
    given = Given(kwargs, frozenset(elsewhere), backend.signature.parameters)
    named = f"{backend.package} {backend.version}" if backend.package else backend.name.rpartition(".")[0]
    source = f"{named} (installed)"
    if not here:
        version = f"{short(backend.package)} {backend.version}"
        source = f"the table shipped with airflow-bootstrap ({version}): it isn't installed here"
    return Checked(tuple(findings(backend, given)), source)


def _without_module(
    backend_class: str, kwargs: Mapping[str, Any], elsewhere: Collection[str], sources: Sources
) -> Checked:
    """The module isn't here: the class may be in the table, or its package is here without such a module."""
    if backend_class in shipped():
        return _compared(shipped()[backend_class], kwargs, elsewhere, here=False)
    module = backend_class.rpartition(".")[0]
    package, name = _nearest_package(module, sources)
    if package and not _may_be_made(sources, package, name):
        near = difflib.get_close_matches(name, sources.submodules(package), n=1)
        hint = _did_you_mean(backend_class)
        if near and backend_class.rpartition(".")[2] not in _titles():  # of a class that is known, that path is better
            hint = f"did you mean {package}.{near[0]}{backend_class.removeprefix(f'{package}.{name}')}?"
        return _refused(f"there is no module {name} in {package}", hint)
    for known, backend in shipped().items():  # of a provider that isn't here, the table has all secrets backends
        folder = f"airflow.providers.{short(backend.package).replace('-', '.')}."
        if known.startswith(folder) and backend_class.startswith(folder):
            message = f"{backend.package} has no secrets backend in {module}"
            return _refused(message, _did_you_mean(backend_class))
    message = f"{module} isn't installed here: the class and its arguments can't be checked"
    return _unchecked(message, _did_you_mean(backend_class))


def _nearest_package(module: str, sources: Sources) -> tuple[str, str]:
    """The innermost package around a module that is here, and what of the module it lacks; '' for none.

    A folder without an `__init__.py` is none: other parts of it may lie elsewhere, as those of `airflow.providers` do.
    """
    parts = module.split(".")
    for end in range(len(parts) - 1, 0, -1):
        package = ".".join(parts[:end])
        found = sources.module(package)
        if found is not None:
            return package, parts[end]
        if sources.submodules(package):
            break
    return "", ""


def _may_be_made(sources: Sources, package: str, name: str) -> bool:
    """True if such a module may exist without a file of Python's: compiled, or one that the package itself names."""
    module = sources.module(package)
    return name in sources.submodules(package) or (module is not None and module.mentions(name))


def _did_you_mean(backend_class: str) -> str:
    """The class of the same or nearly the same name that Airflow's providers have, or the nearest path."""
    titles = _titles()
    near = difflib.get_close_matches(backend_class.rpartition(".")[2], titles, n=1)
    if near:
        return f"did you mean {titles[near[0]]}?"
    return "check its name, or install its package beside airflow-bootstrap"


def _titles() -> dict[str, str]:
    return {name.rpartition(".")[2]: name for name in RULES}


def _refused(message: str, hint: str) -> Checked:
    return Checked((Problem("", message, hint),))


def _unchecked(message: str, hint: str) -> Checked:
    return Checked((Problem("", message, hint, fails=False),))
