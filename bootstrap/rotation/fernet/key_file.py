"""Airflow's own Fernet keys as they stand in airflow.cfg, and what is known of them beside it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bootstrap.airflow.environment import Environment
from bootstrap.domain.secret import Secret, foreign
from bootstrap.errors import AirflowError
from bootstrap.render import ini
from bootstrap.util import special_files
from bootstrap.util.files import file_mode, folder_locked, private_folder, write_atomic

Source: TypeAlias = Literal["airflow.cfg", "environment", "command", "secret", "default"]

_SECTION, _OPTION = "core", "fernet_key"
_VARIABLE = "AIRFLOW__CORE__FERNET_KEY"
_WAYS: Mapping[str, Source] = {"_cmd": "command", "_secret": "secret"}
_WRITABLE = 0o200
_OF_OTHERS = 0o077


def key_id(key: str) -> str:
    """Tells keys apart in messages: of a random key of 256 bits, so short a digest tells nothing."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def split(value: str) -> list[str]:
    """The keys of the option, in order: the first encrypts, all decrypt."""
    return [key for key in (part.strip() for part in value.split(",")) if key]


@dataclass(frozen=True)
class KeyFile:
    """airflow.cfg, and the keys in it (a key may stand there twice); none where Airflow gets them from elsewhere."""

    path: Path
    text: str
    source: Source
    keys: tuple[Secret, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the keys, in order."""
        return tuple(key_id(key.reveal()) for key in self.keys)

    @property
    def under_way(self) -> bool:
        """Whether there is more than one key."""
        return len(set(self.keys)) > 1

    @property
    def aborting(self) -> bool:
        """Whether it goes back to an older key: then that stands at both ends, so that any run can tell."""
        return self.under_way and self.keys[0] == self.keys[-1]

    def write(self, keys: Sequence[Secret]) -> KeyFile:
        """The same file with other keys, in one step; nobody but its owner may read it. Raises AirflowError."""
        if _read(self.path) != self.text:
            raise AirflowError(f"{self.path} was changed meanwhile", "run this again")
        mode = file_mode(self.path)
        if not mode & _WRITABLE:
            raise AirflowError(f"{self.path} is read-only", f"chmod u+w {self.path}, if it may be changed")
        value = ",".join(key.reveal() for key in keys)
        text = ini.edited(self.text, {_SECTION: {_OPTION: value}}, {}, self.path).text
        try:
            write_atomic(self.path, text, mode=mode & ~_OF_OTHERS)
            _sync(self.path.resolve().parent)
        except OSError as err:
            raise _unwritable(self.path, err) from err
        return KeyFile(self.path, text, self.source, tuple(keys))


def load(environment: Environment) -> KeyFile:
    """Where Airflow gets its keys from, in its order: environment, file, the file's command, its secret. Raises AirflowError."""
    text = _read(environment.config)
    options = ini.values(text, environment.config).get(_SECTION, {})
    variables = environment.child().keys() | environment.secrets.keys()
    found = [*(name for name in ("", *_WAYS) if _VARIABLE + name.upper() in variables)]
    if found:
        return KeyFile(environment.config, text, _WAYS.get(found[0], "environment"))
    if keys := split(options.get(_OPTION, "")):
        return KeyFile(environment.config, text, "airflow.cfg", tuple(map(Secret, keys)))
    ways = (source for suffix, source in _WAYS.items() if options.get(_OPTION + suffix))
    return KeyFile(environment.config, text, next(ways, "default"))


@contextlib.contextmanager
def locked(environment: Environment) -> Iterator[None]:
    """Keep `render` and other rotations away from airflow.cfg. Raises Busy, AirflowError."""
    try:
        with folder_locked(environment.config.resolve().parent, busy=f"another run writes {environment.config}"):
            yield
    except OSError as err:
        raise _unwritable(environment.config, err) from err


@dataclass(frozen=True)
class Notes:
    """Kept in the state folder: when keys were made, and what airflow.cfg had before keys were dropped from it.

    `retired` is empty but for the time until Airflow has read every row without them: so a key that is still needed is
    always in one file or the other.
    """

    place: Path
    made: Mapping[str, str] = field(default_factory=dict)
    retired: tuple[Secret, ...] = ()

    @classmethod
    def load(cls, environment: Environment) -> Notes:
        """Raises AirflowError."""
        place = _folder(environment) / f"{_name(environment)}.json"
        try:
            data: Any = json.loads(place.read_text(encoding="utf-8"))
            return cls(place, dict(data["made"]), tuple(Secret(str(key)) for key in data["retired"]))
        except FileNotFoundError:
            return cls(place)
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise AirflowError(f"can't read {place}: {type(err).__name__}", "mend it; a key may stand in it") from err

    def with_made(self, key: Secret) -> Notes:
        """And a key that is made now."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return replace(self, made={**self.made, key_id(key.reveal()): now})

    def save(self) -> None:
        """Raises AirflowError."""
        data = {"version": 1, "made": dict(self.made), "retired": [key.reveal() for key in self.retired]}
        try:
            write_atomic(self.place, json.dumps(data))
            _sync(self.place.parent)
        except OSError as err:
            raise _unwritable(self.place, err) from err

    def created(self, file: KeyFile) -> datetime | None:
        """When the first key was made; else, when airflow.cfg was last written."""
        if file.keys and (known := self.made.get(file.ids[0])):
            with contextlib.suppress(ValueError, TypeError):  # somebody wrote into the notes
                return datetime.fromisoformat(known)
        with contextlib.suppress(OSError):
            return datetime.fromtimestamp(file.path.stat().st_mtime, timezone.utc)
        return None


def lock_of(environment: Environment) -> Path:
    """What a process that reads or writes the rows holds, so that one whose starter was killed is waited for."""
    return _folder(environment) / f"{_name(environment)}.lock"


def _folder(environment: Environment) -> Path:
    return private_folder(environment.state / "fernet")


def _name(environment: Environment) -> str:
    return hashlib.sha256(str(environment.config.resolve()).encode()).hexdigest()[:16]


def _read(file: Path) -> str:
    try:
        return special_files.read(file).decode("utf-8")
    except FileNotFoundError as err:
        raise AirflowError(f"there is no {file}", "airflow-bootstrap up") from err
    except (OSError, UnicodeDecodeError) as err:
        raise AirflowError(f"can't read {file}: {foreign(err)}", "check its permissions and that it is UTF-8") from err


def _sync(folder: Path) -> None:
    """A file's new name outlives a power cut: rows are encrypted with what stands in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(file: Path, err: OSError) -> AirflowError:
    return AirflowError(f"can't write {file}: {err.strerror}", "check the permissions of the file and its folder")
