"""What a warm Airflow has taken from its options and its environment, and how a fork of it gets its own.

Airflow reads options and variables in two ways. What its functions of set-up read (`_SETUP`) a fork reads again, by the same
functions: configuration, secrets backends, settings, logging, the database's engine, `airflow_local_settings`. What other
modules read while they are imported stays in them, so it is written down: a fork for which one of these would be another is
refused, see `WarmState.renew`, and its work is done in an Airflow that has been started for it.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import importlib.util
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from bootstrap.airflow.child_protocol import complaints

_SETUP = {
    "airflow.configuration": {"initialize_config", "initialize_secrets_backends", "validate"},
    "airflow.sdk.configuration": {"initialize_config"},
    "airflow.settings": {"initialize"},
}
_LOGGING = (
    "airflow.config_templates.airflow_local_settings"  # copies options into a dictionary; a fork imports it again
)
_PLACES = ("AIRFLOW_HOME", "AIRFLOW_CONFIG")
_DATABASE = ("database", "sql_alchemy_conn")  # models ask whether it is MySQL, whose columns they make others
_MADE_ANEW = {_DATABASE, ("core", "dags_folder")}  # constants of airflow.settings, also where a module has copied them
OWN = {  # variables with which Airflow starts without a user's store, database and log folder, and runs no command for options
    "AIRFLOW__SECRETS__BACKEND": "",
    "AIRFLOW__SECRETS__BACKEND_KWARGS": "",
    "AIRFLOW__WORKERS__SECRETS_BACKEND": "",
    "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": "",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{os.devnull}/none",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": tempfile.gettempdir(),
    "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
    "AIRFLOW__METRICS__OTEL_ON": "False",
    "AIRFLOW__METRICS__STATSD_ON": "False",
    "AIRFLOW__TRACES__OTEL_ON": "False",
    "_AIRFLOW__REEXECUTED_PROCESS": "1",
}
_OF_THE_PROCESS = (  # what begins so is read where nobody sees it: by Python, in libraries written in C, all at once
    *("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "OPENSSL_", "SSL"),
    *("GRPC_", "FSSPEC_", "OTEL_", "TQDM_", "_AIRFLOW"),
)
_USERS = "airflow_local_settings"
# They list all variables, to read none or some of those in _OF_THE_PROCESS.
_LISTING = ("fsspec.config", "platform", "tqdm.utils")
_ITEMS = ("collections.abc", "__iter__")  # of `os.environ.items()`
_TEMPORARY = {"TMPDIR", "TEMP", "TMP"}  # `tempfile` is told to look again
_WHOLE = ("as_dict", "getsection")


class Refused(Exception):
    """Airflow would have been another if it had been started for this."""


@dataclass
class WarmState:
    """What is known of an Airflow that is about to be imported, with `OWN` in its environment."""

    path: list[str] = field(default_factory=lambda: list(sys.path))
    environment: dict[str, str] = field(default_factory=dict)
    options: set[tuple[str, str]] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    users_settings: object = None
    watched: bool = False  # whether Airflow reads its options in a way that we see
    whole: bool = False  # whether somebody took all options at once

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Around all imports of Airflow's."""
        environ: Any = type(os.environ)
        read = environ.__getitem__

        def recorded(mapping: Any, name: str) -> str:
            self._variable(name, sys._getframe(1))  # noqa: SLF001  it depends on who asks
            return str(read(mapping, name))

        self.environment = dict(os.environ)
        environ.__getitem__ = recorded
        parser: Any = ConfigParser
        parser.__init_subclass__ = classmethod(self._watch)
        try:
            yield
        finally:
            environ.__getitem__ = read
            del parser.__init_subclass__
        self.values = _values(self.options - _MADE_ANEW)
        self.users_settings = _file_of(_USERS)

    def _watch(self, parser: Any) -> None:
        """A class that Airflow reads its options by."""
        if not parser.__module__.startswith("airflow.") or "get" not in vars(parser):
            return
        self.watched = True
        get = parser.get

        def recorded(conf: Any, section: str, key: str, *more: Any, **how: Any) -> Any:
            if not _in_setup(sys._getframe(1)):  # noqa: SLF001  it depends on who asks
                self.options.add((section.lower(), key.lower()))
            return get(conf, section, key, *more, **how)

        parser.get = recorded
        for name in _WHOLE:
            if name in vars(parser):
                setattr(parser, name, self._taking_all(vars(parser)[name]))

    def _taking_all(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*given: Any, **how: Any) -> Any:
            self.whole = self.whole or not _in_setup(sys._getframe(1))  # noqa: SLF001  it depends on who asks
            return method(*given, **how)

        return recorded

    def _variable(self, name: str, frame: FrameType) -> None:
        if frame.f_back is not None and (frame.f_globals.get("__name__"), frame.f_code.co_name) == _ITEMS:
            frame = frame.f_back
        ours = name.startswith("AIRFLOW__") or name in {*_PLACES, *_TEMPORARY}
        if not (ours or frame.f_globals.get("__name__") in _LISTING or _in_setup(frame)):
            self.variables.add(name)

    @property
    def usable(self) -> bool:
        """Whether forks can be told from each other."""
        return self.watched and not self.whole

    def renew(self) -> None:
        """In a fork whose `os.environ` is its own: Airflow becomes what it would be if it had been started now.

        Raises Refused, or what Airflow raises when it can't start like this.
        """
        names = {name for name in (*self.environment, *os.environ) if name.startswith(_OF_THE_PROCESS)}
        then = {name: value for name, value in self.environment.items() if name not in OWN}
        if changed := sorted(name for name in names | self.variables if then.get(name) != os.environ.get(name)):
            raise Refused(", ".join(changed))
        sys.path[:] = self.path
        importlib.invalidate_caches()  # of folders that were not there yet
        tempfile.tempdir = None
        time.tzset()
        with complaints():
            _renew_configuration()
        # What the secrets backend's modules read just now, they have read from the new configuration.
        now = _values(self.values)
        if different := [place for place, value in self.values.items() if value != now[place]]:
            raise Refused(", ".join(f"[{section}] {option}" for section, option in different))
        _renew_settings()
        if _file_of(_USERS) != self.users_settings:
            raise Refused(_USERS)


def _in_setup(frame: FrameType | None) -> bool:
    """Whether a function of Airflow's set-up asks, and not a module that it imports."""
    while frame is not None:
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if function in _SETUP.get(module, ()) or (function == "<module>" and module == _LOGGING):
            return True
        if function == "<module>":
            return False
        frame = frame.f_back
    return False


def _values(options: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    return {(section, name): [conf.get(section, name, fallback=None) for conf in _confs()] for section, name in options}


def _confs() -> list[Any]:
    """The objects that have the options: Airflow's, and from 3.2 on the Task SDK's."""
    modules = [sys.modules.get(name) for name in ("airflow.configuration", "airflow.sdk.configuration")]
    return [vars(module)["conf"] for module in modules if module is not None and "conf" in vars(module)]


def _renew_configuration() -> None:
    """Whoever has imported `conf` has the object, so that it stays, with another content."""
    from airflow import configuration

    home = configuration.get_airflow_home()
    for name, value in zip(_PLACES, (home, configuration.get_airflow_config(home)), strict=True):
        _assign(name, value)
    fresh_key = base64.b64encode(os.urandom(16)).decode()  # each process of Airflow's makes one, for a new airflow.cfg
    _assign("SECRET_KEY", fresh_key)
    logging.disable(logging.INFO)  # Airflow's logging is set up already, and it tells what it reads
    for conf in _confs():
        module: Any = sys.modules[type(conf).__module__]
        fresh = module.initialize_config()
        vars(conf).clear()
        vars(conf).update(vars(fresh))
    logging.disable(logging.NOTSET)
    configuration.secrets_backend_list = configuration.initialize_secrets_backends()
    configuration.conf.validate()


def _renew_settings() -> None:
    from airflow import settings

    sys.modules.pop(_LOGGING, None)
    settings.initialize()
    if (settings.SQL_ALCHEMY_CONN or "").startswith(("mysql", "mariadb")):
        raise Refused(".".join(_DATABASE))
    _assign("DAGS_FOLDER", settings.DAGS_FOLDER)


def _assign(name: str, value: Any) -> None:
    """To the constant, and to its copies."""
    for path, module in list(sys.modules.items()):
        if path.startswith("airflow.") and module is not None and name in vars(module):
            setattr(module, name, value)


def _file_of(module: str) -> object:
    """Which file it would be imported from, and whether that is still the same."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).stat()
    return spec.origin, found.st_mtime_ns, found.st_size
