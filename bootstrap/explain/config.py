"""Where Airflow gets an option of airflow.cfg from: each place in its order, and which one wins. Runs no command.

For use inside Airflow's processes. The order is that of `AirflowConfigParser._lookup_sequence`: environment, file, the file's
`_cmd`, the file's `_secret`, default; in the environment NAME, NAME_CMD, NAME_SECRET. Commands and secrets count for
options that config.yml calls sensitive, and for no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from typing import Any, NamedTuple

from bootstrap.domain.secret import fingerprint, is_sensitive
from bootstrap.explain import backends
from bootstrap.explain.sources import ask, source_name
from bootstrap.stores.airflow_look import Query

_HOW = {"": "value", "_cmd": "command", "_secret": "secret"}


class _Option(NamedTuple):
    """`names`: the option, then the name that it had before. `shown`: its value is no secret."""

    names: Sequence[tuple[str, str]]
    sensitive: bool
    shown: bool


class _Place(NamedTuple):
    """One place of the order. `text`: what stands there, the value, a command or a secret's name; None: nothing."""

    source: str
    name: str
    suffix: str
    text: str | None


def explain(option_id: str, server: Sequence[Any], worker: Sequence[Any] | None, unusable: Any) -> dict[str, Any]:
    """The look-up of "section.key" on the server and on a worker, which asks its own backend for an option's `_secret`."""
    from airflow.configuration import conf

    section, _, key = option_id.lower().rpartition(".")
    option = _option(conf, section, key)
    places = list(_places(conf, option))
    found = {"kind": "config", "id": option_id, "sensitive": option.sensitive}
    on_server, one = _chain(option, places, _configured(server))
    if worker is None and not unusable:
        return {**found, "server": on_server, "worker": on_server, "differs": []}
    on_worker, other = _chain(option, places, _configured(worker), broken=bool(unusable))
    differs = ["value"] if fingerprint(one) != fingerprint(other) else []
    return {**found, "server": on_server, "worker": on_worker, "differs": differs}


def _option(conf: Any, section: str, key: str) -> _Option:
    old = conf.deprecated_options.get((section, key))
    names = [(section, key), *([(old[0], old[1])] if old else [])]
    known = key in conf.configuration_description.get(section, {}).get("options", {})
    sensitive = (section, key) in conf.sensitive_config_values
    return _Option(names, sensitive, shown=known and not sensitive and not is_sensitive(key))


def _places(conf: Any, option: _Option) -> Iterator[_Place]:
    for section, key in option.names:
        name = f"AIRFLOW__{section.replace('.', '_').upper()}__{key.upper()}"
        for suffix in _HOW:
            variable = name + suffix.upper()
            yield _Place("environment", variable, suffix, os.environ.get(variable))
    for suffix in _HOW:
        for section, key in option.names:
            # Airflow's own parser would look elsewhere, too.
            is_there = ConfigParser.has_option(conf, section, key + suffix)
            text = str(ConfigParser.get(conf, section, key + suffix, raw=True)) if is_there else None
            yield _Place("file", f"[{section}] {key}{suffix}", suffix, text)
    section, key = option.names[0]
    default = conf.get_default_value(section, key)
    yield _Place("default", f"config.yml: [{section}] {key}", "", None if default is None else str(default))


def _configured(chain: Sequence[Any] | None) -> Any:
    return next((source.backend for source in chain or () if source_name(source.backend) == "backend"), None)


def _chain(
    option: _Option, places: Sequence[_Place], backend: Any, *, broken: bool = False
) -> tuple[dict[str, Any], Any]:
    """The rows, and what Airflow gets: a value, or the place that it would run a command of, or fail at."""
    rows: list[dict[str, Any]] = []
    winner: str | None = None
    got: Any = None
    for place in places:
        if place.suffix and not option.sensitive and place.text is None:
            continue
        row, value = _row(option, place, backend, broken=broken, decided=winner is not None)
        rows.append(row)
        empty = place.source == "file" and row.get("empty")
        takes = row.get("raises") or row["state"] == "command" or (row["state"] == "hit" and not empty)
        if winner is None and takes:  # it goes no further; an error of the backend ends the look-up, with an error
            winner, got = place.name, [place.name] if value is None else value
    return {"sources": rows, "winner": winner}, got


def _row(
    option: _Option, place: _Place, backend: Any, *, broken: bool, decided: bool
) -> tuple[dict[str, Any], str | None]:
    """The row, and the value where it has one."""
    row: dict[str, Any] = {"source": place.source, "asks": [place.name], "how": _HOW[place.suffix]}
    if place.text is None:
        return {**row, "state": "miss"}, None
    if place.suffix and not option.sensitive:
        return {**row, "state": "ignored"}, None
    if decided:
        return {**row, "state": "shadowed"}, None
    if place.suffix == "_cmd":
        return {**row, "state": "command"}, None
    if place.suffix == "_secret":
        found, value = _secret(backend, place.text, broken=broken)
        return {**row, **found}, value
    shown = option.shown and "@" not in place.text
    return {**row, "state": "hit", **({"value": place.text} if shown else {})}, place.text


def _secret(backend: Any, name: str, *, broken: bool) -> tuple[dict[str, Any], str | None]:
    if broken:
        return {"state": "broken", "detail": "the secrets backend can't be set up", "raises": True}, None
    if backend is None:
        return {"state": "miss", "detail": "there is no secrets backend to ask"}, None
    query = Query("config", name)
    answer = ask(backend, query)
    found: dict[str, Any] = {"state": answer.state, "secret": backends.names(backend, query)}
    found |= {"detail": answer.detail} if answer.detail else {}
    found |= {"raises": True} if answer.raised else {}
    return {**found, **({"empty": True} if answer.state == "hit" and not answer.value else {})}, answer.value
