"""Applies the rules for a secrets backend's arguments, to each argument and to all of them together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.render.backend_kwargs.annotations import Parameter, fits, in_words, word_for
from bootstrap.render.backend_kwargs.result import Problem
from bootstrap.render.backend_kwargs.rules import RULES, Clash, Needs, Rules
from bootstrap.render.backend_kwargs.signature_table import Backend
from bootstrap.util import distributions

_HARMLESS = ("auth_type", "kv_engine_version")
_FEW = 12  # names that can be listed in a hint


@dataclass(frozen=True)
class Given:
    """The arguments that there are: with their values, and the names of those that come from elsewhere."""

    kwargs: Mapping[str, Any]
    elsewhere: frozenset[str]
    known: Mapping[str, Parameter]

    def __contains__(self, name: str) -> bool:
        """True if it is there, and not empty."""
        return name in self.elsewhere or bool(self.value(name))

    def written(self, name: str) -> bool:
        """True if it is there, and not by default."""
        return name in self.elsewhere or bool(self.kwargs.get(name))

    def value(self, name: str) -> Any:
        """What the class gets: the value, or the default."""
        return self.kwargs[name] if name in self.kwargs else self.known.get(name, Parameter()).default

    def applies(self, when: tuple[str, str] | None) -> bool:
        """True if the argument has this value for sure."""
        return when is None or (when[0] not in self.elsewhere and self.value(when[0]) == when[1])


def findings(backend: Backend, given: Given) -> list[Problem]:
    """All there is to say, the arguments' own first."""
    rules = RULES.get(backend.rules, Rules())
    found: list[Problem] = []
    for name in dict.fromkeys([*given.kwargs, *sorted(given.elsewhere)]):
        found += _argument(name, backend, rules, given)
    for name, parameter in given.known.items():
        if parameter.required and name not in given.kwargs and name not in given.elsewhere:
            found.append(Problem(name, f"{backend.title} needs {name}", f"add {name}", local=True))
    found += [finding for need in rules.needs for finding in _need(need, given)]
    found += [finding for clash in rules.clashes for finding in _clash(clash, given)]
    return [*found, *_switched_off(backend, rules, given)]


def _argument(name: str, backend: Backend, rules: Rules, given: Given) -> list[Problem]:
    if name not in given.known:
        return [_unknown(name, backend, rules)]
    parameter = given.known[name]
    advice = parameter.deprecated or rules.deprecated.get(name, "") or rules.renamed.get(name, "")
    found = [Problem(name, f"{name} is deprecated", advice, fails=False)] if advice else []
    types = rules.types.get(name, parameter.types)
    if name in given.elsewhere:
        if not fits("", types):
            message = f"{name} takes {in_words(types)}, and from the environment it comes as text"
            found.append(Problem(name, message, "write it in airflow.cfg"))
        return found
    value = given.kwargs[name]
    if fits(value, types):
        return [*found, *_value(name, value, parameter, rules)]
    message = f"{name} takes {in_words(types)}, not {word_for(value)}"
    return [*found, Problem(name, message, _as_type(name, value, types))]


def _unknown(name: str, backend: Backend, rules: Rules) -> Problem:
    known = list(backend.signature.parameters)
    near = difflib.get_close_matches(name, known, n=1)
    if name in rules.renamed:
        hint = rules.renamed[name]
    elif near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"it takes: {', '.join(known)}" if 0 < len(known) <= _FEW else "leave it out, or look it up in the class"
    if backend.signature.open:
        return Problem(name, f"{backend.title} names no argument {name}: it can't be checked", hint, fails=False)
    if backend.signature.strict:
        return Problem(name, f"{backend.title} takes no argument {name}", hint)
    slip = bool(near) and name not in rules.renamed  # nobody means what is spelt so
    return Problem(name, f"{backend.title} ignores {name}", hint, fails=slip)


def _as_type(name: str, value: Any, types: tuple[str, ...]) -> str:
    """The next step for a value of the wrong type; it is shown only where that does no harm."""
    if isinstance(value, str) and {"int", "float", "bool"} & set(types):
        shown = value if name in _HARMLESS and value.isdecimal() else in_words(types)
        return f"write {shown}, without quotes"
    if "str" in types and isinstance(value, int | float) and not isinstance(value, bool):
        return "write it in quotes"
    return "leave it out" if "object" in types else f"write {in_words(types)}"


def _value(name: str, value: Any, parameter: Parameter, rules: Rules) -> Iterator[Problem]:
    if parameter.choices and value is not None and value not in parameter.choices:
        near = difflib.get_close_matches(str(value), map(str, parameter.choices), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(map(str, parameter.choices))}"
        yield Problem(name, f"{_with_value(name, value)} is not a known value", hint)
    for legal in (legal for legal in rules.legal if name in legal.kwargs and isinstance(value, str)):
        if not legal.pattern.fullmatch(value):
            shown = name.endswith("_prefix")
            yield Problem(name, f"{_with_value(name, value) if shown else name} takes {legal.takes}", f"change {name}")
    if name in rules.expressions and isinstance(value, str):
        try:
            re.compile(value)
        except re.error:
            yield Problem(name, f"{name} is not a regular expression", "fix it; it is matched from the start of an id")
    for doubtful in rules.doubtful:
        package, _, since = doubtful.since.partition(" ")
        if doubtful.kwarg != name or (package and not distributions.at_least(package, since)):
            continue
        if (value == doubtful.value) if doubtful.value else fits(value, (doubtful.type,)):
            message = f"{_with_value(name, value)}: {doubtful.why}"
            yield Problem(name, message, doubtful.hint, doubtful.fails, local=bool(package))


def _with_value(name: str, value: Any) -> str:
    """`auth_type 'tokn'`; the name alone where the value could be a secret."""
    return f"{name} {value!r}" if name in _HARMLESS or name.endswith("_prefix") else name


def _need(need: Needs, given: Given) -> Iterator[Problem]:
    names = [name for name in need.any_of if name in given.known]
    if not names or not given.applies(need.when) or any(name in given for name in names):
        return
    if need.given is not None and not given.written(need.given):
        return
    occasion = need.given or (f"{need.when[0]} {need.when[1]}" if need.when else "")
    listed = " or ".join(names)
    message = f"{occasion} needs {listed}" if occasion else f"{listed} is missing"
    yield Problem(names[0], f"{message}: {need.why}", need.hint or f"add {listed}", need.fails, local=True)


def _clash(clash: Clash, given: Given) -> Iterator[Problem]:
    """What is only passed over counts where it stands beside the other: a variable may be meant for somebody else."""
    names = [name for name in clash.kwargs if name in given and (clash.fails or name in given.kwargs)]
    if len(names) > 1 and given.applies(clash.when):
        message = f"{' and '.join(names)} are both given: {clash.why}"
        yield Problem(names[1], message, "leave one of them out", clash.fails)


def _switched_off(backend: Backend, rules: Rules, given: Given) -> Iterator[Problem]:
    names = [name for name in rules.switches if name in given.known]
    if not names or any(name in given.elsewhere for name in names):
        return
    off: tuple[Any, ...] = (None, [], "") if rules.empty_is_off else (None, [])
    if all(given.value(name) in off for name in names):
        message = f"{', '.join(names)}: none is set, so Airflow never asks {backend.title}"
        yield Problem(names[0], message, f"give {names[0]} a value")
