"""What a hook takes out of a connection's `extra`, read from its source.

A hook declares some keys (the form's widgets) and reads others without declaring them; both are listed. Its source's other
texts are kept where they look like one of these: what a hook has a word for is no misspelling, unless it is the key itself
with an underscore for its hyphen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from bootstrap.providers.metadata import Declared
from bootstrap.providers.python_source import Definition, Module, Sources, UnreadableModule, dotted_text
from bootstrap.util.nearest import nearest, plain

_KEY = re.compile(r"[A-Za-z][\w-]{0,60}")
_PREFIX = re.compile(r"extra__.+?__")
_ALL = {"host", "login", "password", "schema", "port"}
_READS = ("get", "pop", "setdefault")


def facts(declared: Declared, sources: Sources) -> tuple[set[str], set[str], set[str]]:
    """Of one conn_type: the extra's keys, words that look like one of them, and the fields that its form hides and its source
    never reads of anything. Only what the provider declares, where the hook's source can't be read.
    """
    keys, hidden = {_bare(key) for key in declared.fields}, set(declared.hidden)
    texts: set[str] = set()
    read: set[str] = set()
    for module, classes in _modules(declared, sources):
        for name in classes:
            _of_class(module.names[name], keys, hidden, own=f"{module.name}.{name}" == declared.hook)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.update(_ALL if node.attr == "get_uri" else {node.attr} & _ALL)
            keys.update(_bare(key) for key in _keys(node, module) if _KEY.fullmatch(key))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEY.fullmatch(node.value):
                texts.add(node.value)
    spelt_otherwise = {plain(key) for key in keys}
    words = {text for text in texts if plain(text) not in spelt_otherwise and nearest(text, keys)}
    return keys, words, hidden - read


def passwords(declared: Declared, sources: Sources) -> set[str]:
    """The extra's keys that the provider's list or the form of its hook, or of a base of it, hides as one does a password."""
    found = set(declared.passwords)
    for definition in _line(declared.hook, sources):
        for function in definition.node.body if isinstance(definition.node, ast.ClassDef) else ():
            if isinstance(function, ast.FunctionDef) and function.name == "get_connection_form_widgets":
                found.update(_bare(key) for key in _form(function, _is_password))
    return found


def _is_password(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and any(
        isinstance(node, ast.Name | ast.Attribute) and "PasswordField" in _last(node) for node in ast.walk(value)
    )


def _bare(key: str) -> str:
    return _PREFIX.sub("", key, count=1) if key.startswith("extra__") else key


def _modules(declared: Declared, sources: Sources) -> list[tuple[Module, list[str]]]:
    """The hook's module, those of its bases, and what they import of the same provider; each with the hook's classes in it."""
    found: dict[str, tuple[Module, list[str]]] = {}
    for definition in _line(declared.hook, sources):
        found.setdefault(definition.module.name, (definition.module, []))[1].append(definition.node.name)
    for module, _ in list(found.values()):
        for bound in module.imports(module.tree).values():
            imported = _module(bound.module, sources) if bound.module.startswith(f"{declared.home}.") else None
            if imported is not None:
                found.setdefault(imported.name, (imported, []))
    return list(found.values())


def _line(hook: str, sources: Sources) -> list[Definition]:
    """A class and its bases, as far as they can be found."""
    module_name, _, name = hook.rpartition(".")
    module = _module(module_name, sources)
    waiting = [(module, name)] if module is not None else []
    found: list[Definition] = []
    while waiting:
        place, dotted = waiting.pop(0)
        try:
            definition = sources.find(place, dotted)
        except UnreadableModule:
            continue
        if definition is not None and all(definition.name != known.name for known in found):
            found.append(definition)
            bases = definition.node.bases if isinstance(definition.node, ast.ClassDef) else []
            waiting += [(definition.module, dotted_text(base)) for base in bases]
    return found


def _module(name: str, sources: Sources) -> Module | None:
    try:
        return sources.module(name) if name else None
    except UnreadableModule:
        return None


def _of_class(node: object, keys: set[str], hidden: set[str], *, own: bool) -> None:
    """The fields of the form that a class makes. What a base hides, a hook may use: CloudSQLHook's port."""
    for function in node.body if isinstance(node, ast.ClassDef) else ():
        if not isinstance(function, ast.FunctionDef):
            continue
        if function.name == "get_connection_form_widgets":
            keys.update(_bare(key) for key in _form(function))
        elif function.name == "get_ui_field_behaviour" and own:
            hidden.update(_hidden(function))


def _form(function: ast.FunctionDef, wanted: Callable[[ast.expr], bool] = lambda _: True) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if not wanted(value):
                    continue
                match key:
                    case ast.Constant(value=str() as text):
                        yield text
                    case ast.JoinedStr(values=[*_, ast.Constant(value=str() as end)]):  # f"extra__{cls.conn_type}__key"
                        yield end.removeprefix("__")


def _hidden(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if _text(key) == "hidden_fields" and isinstance(value, ast.List):
                    yield from filter(None, map(_text, value.elts))


def _keys(node: ast.AST, module: Module) -> Iterator[str]:
    """The keys of `extra` that an expression reads."""
    match node:
        case ast.Call(func=ast.Attribute(value=place, attr=attr), args=[key, *_]) if attr in _READS and _is_extra(
            place
        ):
            yield _text(key)
        case ast.Subscript(value=place, slice=key) if _is_extra(place):
            yield _text(key)
        case ast.Compare(left=key, comparators=[place]) if _is_extra(place):
            yield _text(key)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name.lstrip("_") == "get_field":
                # `self._get_field("key", default)`, `get_field(extras, "key")`, `get_field(…, field_name="key")`
                yield next(filter(None, map(_text, node.args)), "")
                yield from (_text(item.value) for item in node.keywords if item.arg in {"f", "field_name"})
            elif any(item.arg is None and _is_extra(item.value) for item in node.keywords):
                yield from _parameters(name, module)


def _parameters(function: str, module: Module) -> Iterator[str]:
    """What a function of this module takes by name: `self._get_credentials(**extra)`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            yield from (
                item.arg for item in [*node.args.args, *node.args.kwonlyargs] if item.arg not in {"self", "cls"}
            )


def _is_extra(node: ast.expr) -> bool:
    """`extra`, `conn.extra_dejson`, `self.extras`, `conn_extra_options`, `conn.extra_dejson.copy()`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and _is_extra(node.func.value)
    return isinstance(node, ast.Name | ast.Attribute) and "extra" in _last(node)


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
