"""Rotates Airflow's own key, [core] fernet_key, which encrypts passwords in its metadata database.

A list of steps, each of which may be repeated, and none of which needs a journal: airflow.cfg and the rows tell where it
stands. One key: nothing is under way. `NEW,OLD`: rows are, or will be, encrypted with the new key. `OLD,NEW,OLD`: it goes
back. A key leaves airflow.cfg once no row needs it, and is kept beside until Airflow has read every row without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment
from bootstrap.airflow.process import ask_airflow
from bootstrap.domain.secret import Secret
from bootstrap.errors import AirflowError, UsageError
from bootstrap.rotation.fernet import key_file
from bootstrap.rotation.fernet.child import RETIRED
from bootstrap.rotation.fernet.key_file import KeyFile, Notes, Source, key_id

RESTART = (
    "take airflow.cfg to every machine and restart all of Airflow's processes: one that runs knows only the keys that"
    " were there at its start"
)
NEW_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
ROWS, EVERYWHERE, REENCRYPT = "look", "look-everywhere", "reencrypt"  # the second: in XComs, too, which takes its time
_CHILD = "bootstrap.rotation.fernet.child"
_SHOWN = 5  # rows in a message
_ELSEWHERE: Mapping[Source, str] = {
    "environment": "the variable AIRFLOW__CORE__FERNET_KEY",
    "command": "what [core] fernet_key_cmd prints",
    "secret": "the secret that [core] fernet_key_secret names",
}


@dataclass(frozen=True)
class Look:
    """What a process with Airflow found: see `rows.look`."""

    ids: tuple[str, ...]
    needing: Mapping[str, Sequence[str]]
    unreadable: Sequence[str]

    def behind(self, key: str) -> list[str]:
        """The rows that can't be read with this key alone."""
        needed = (name for holder, names in self.needing.items() if holder != key for name in names)
        return list(dict.fromkeys((*needed, *self.unreadable)))


@dataclass(frozen=True)
class FernetState:
    """Where it stands. `ids` are fingerprints of Airflow's keys in order, the first encrypts; `retired`: of keys that left
    airflow.cfg and are not given up yet. `rows_by_key`: how many rows need a key. `undecryptable`: what Airflow can't read.
    """

    keys: int
    ids: tuple[str, ...]
    rows_by_key: Mapping[str, int]
    undecryptable: tuple[str, ...]
    source: Source
    created_hint: datetime | None
    aborting: bool = False
    retired: tuple[str, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether there is more than one key, or one that is not given up yet."""
        return len(set(self.ids)) > 1 or bool(self.retired)

    @property
    def behind(self) -> int:
        """How many rows need another key than the first: `reencrypt` has work to do."""
        return sum(count for name, count in self.rows_by_key.items() if name != self.ids[0]) if self.ids else 0


@dataclass(frozen=True)
class Done:
    """What a step did, in a sentence; `changed`: whether anything. `next`: what is to be done before the next one."""

    changed: bool
    text: str
    state: FernetState
    next: str = ""


def ask(environment: Environment, file: KeyFile, what: str, retired: Sequence[Secret] = ()) -> Look:
    """What `child` answers. Raises AirflowError, also where Airflow's keys are not those of airflow.cfg."""
    with_retired = environment.with_secrets({RETIRED: Secret(json.dumps([key.reveal() for key in retired]))})
    told = require(ask_airflow(with_retired, _CHILD, what, str(key_file.lock_of(environment))))
    if file.keys and tuple(told["ids"]) != file.ids:
        raise AirflowError(
            f"Airflow's Fernet keys ({', '.join(told['ids']) or 'none'}) are not those of {file.path} ({', '.join(file.ids)})",
            "airflow-bootstrap explain --config core.fernet_key",
        )
    return Look(tuple(told["ids"]), told["needing"], told["unreadable"])


def state(environment: Environment) -> FernetState:
    """Reads airflow.cfg and every encrypted row; changes nothing. Raises AirflowError, Unavailable, Busy."""
    file, notes = key_file.load(environment), Notes.load(environment)
    return _state(environment, file, ask(environment, file, ROWS, notes.retired))


def begin(environment: Environment) -> Done:
    """Put a new key before the old one. Refuses where a row can't be read already. Raises AirflowError, UsageError."""
    from cryptography.fernet import Fernet

    with key_file.locked(environment):
        file, look = _settled(environment)
        if file.under_way:
            return Done(changed=False, text=_begun(file), state=_state(environment, file, look), next=RESTART)
        _require_readable(look)
        new = Secret(Fernet.generate_key().decode())
        Notes.load(environment).with_made(new).save()
        file = file.write([new, file.keys[0]])
        found = _state(environment, file, ask(environment, file, ROWS))
    return Done(changed=True, text=_begun(file), state=found, next=RESTART)


def reencrypt(environment: Environment) -> Done:
    """Encrypt all rows with the first key. Wherever the keys come from: who changed them by hand has this done, too.

    Raises AirflowError, UsageError, Unavailable.
    """
    with key_file.locked(environment):
        file = key_file.load(environment)
        if file.source == "airflow.cfg":
            file, look = _settled(environment, EVERYWHERE)
        else:
            look = ask(environment, file, EVERYWHERE)
        if not look.ids:
            raise _no_key(file)
        _require_readable(look)
        changed = bool(look.behind(look.ids[0]))
        if changed:
            look = _reencrypted(environment, file)
        found = _state(environment, file, look)
    total = sum(found.rows_by_key.values())
    rows = f"{total} row is" if total == 1 else f"{total} rows are"
    return Done(changed=changed, text=f"{rows} encrypted with key {look.ids[0]}", state=found)


def finish(environment: Environment) -> Done:
    """Drop all keys but the first, if that alone decrypts every row. Raises AirflowError, UsageError, Unavailable."""
    with key_file.locked(environment):
        file, look = _settled(environment, EVERYWHERE)
        if not file.under_way:
            text = f"key {look.ids[0]} is the only one"
            return Done(changed=False, text=text, state=_state(environment, file, look))
        return _only(environment, file, look, file.keys[0])


def abort(environment: Environment) -> Done:
    """Back to the old key alone; rows that need the new one are encrypted with the old one first.

    Raises AirflowError, UsageError, Unavailable.
    """
    with key_file.locked(environment):
        file, look = _settled(environment, EVERYWHERE)
        if not file.under_way:
            text = f"key {look.ids[0]} is the only one: there is nothing to go back from"
            return Done(changed=False, text=text, state=_state(environment, file, look))
        if not file.aborting:
            old = next(key for key in file.keys if key != file.keys[0])
            if not look.behind(key_id(old.reveal())):
                return _only(environment, file, look, old)
            _require_readable(look)
            others = [key for key in dict.fromkeys(file.keys) if key != old]
            file = file.write([old, *others, old])
        return _only(environment, file, _reencrypted(environment, file), file.keys[0])


def _only(environment: Environment, file: KeyFile, look: Look, kept: Secret) -> Done:
    """Leave this key alone in airflow.cfg, and read every row with it. Raises AirflowError where that can't be."""
    behind = look.behind(key_id(kept.reveal()))
    if behind:
        raise AirflowError(
            f"metadata database: not decrypted by key {key_id(kept.reveal())} alone: {_listed(behind)}; all keys are kept",
            "airflow-bootstrap rotate --resume  # re-encrypts them first",
        )
    replace(Notes.load(environment), retired=file.keys).save()
    file.write([kept])
    after, seen = _settled(environment)
    if after.under_way:
        raise AirflowError(
            f"metadata database: written with an older key meanwhile: {_listed(seen.behind(after.ids[0]))}; all keys are in {file.path} again",
            f"{RESTART}; then run this again",
        )
    gone = ", ".join(dict.fromkeys(name for name in file.ids if name not in after.ids))
    text = f"key {after.ids[0]} is the only one; {gone} is gone"
    return Done(changed=True, text=text, state=_state(environment, after, seen))


def _settled(environment: Environment, what: str = ROWS) -> tuple[KeyFile, Look]:
    """airflow.cfg and what the rows need, once keys that had left it are given up, or put back because a row needs them.

    Raises UsageError where Airflow's keys are not in airflow.cfg.
    """
    file, notes = key_file.load(environment), Notes.load(environment)
    if file.source != "airflow.cfg":
        raise _no_key(file) if file.source == "default" else _not_ours(file)
    look = ask(environment, file, what, notes.retired)
    if notes.retired:
        if any(key_id(key.reveal()) in look.needing and key not in file.keys for key in notes.retired):
            # As it was, unless somebody has put another key there since
            added = [key for key in notes.retired if key not in file.keys]
            file = file.write(notes.retired if set(file.keys) <= set(notes.retired) else [*file.keys, *added])
            look = ask(environment, file, what)
        replace(notes, retired=()).save()
    return file, look


def _reencrypted(environment: Environment, file: KeyFile) -> Look:
    """Raises AirflowError where a process that still has only an old key wrote meanwhile."""
    look = ask(environment, file, REENCRYPT)
    behind = look.behind(look.ids[0])
    if behind:
        message = f"metadata database: not encrypted with key {look.ids[0]}: {_listed(behind)}; all keys are kept"
        raise AirflowError(message, f"{RESTART}; then run this again")
    return look


def _state(environment: Environment, file: KeyFile, look: Look) -> FernetState:
    notes = Notes.load(environment)
    return FernetState(
        keys=len(look.ids),
        ids=look.ids,
        rows_by_key={name: len(rows) for name, rows in look.needing.items()},
        undecryptable=tuple(look.unreadable),
        source=file.source,
        created_hint=notes.created(file),
        aborting=file.aborting,
        retired=tuple(key_id(key.reveal()) for key in dict.fromkeys(notes.retired) if key not in file.keys),
    )


def _begun(file: KeyFile) -> str:
    old = ", ".join(dict.fromkeys(name for name in file.ids if name != file.ids[0]))
    return f"key {file.ids[0]} encrypts, and {old} still decrypts, in {file.path}"


def _require_readable(look: Look) -> None:
    if look.unreadable:
        raise AirflowError(
            f"metadata database: none of Airflow's Fernet keys decrypts {_listed(look.unreadable)}",
            "set them anew or delete them, or add the key that they were written with to [core] fernet_key, last",
        )


def _no_key(file: KeyFile) -> AirflowError:
    return AirflowError(
        f"{file.path}: [core] fernet_key is empty: Airflow encrypts nothing, and there is no key to rotate",
        "put back the key that rows are encrypted with; if there are none, set it to what this prints, restart Airflow, and save"
        f" passwords anew: {NEW_KEY}",
    )


def _not_ours(file: KeyFile) -> UsageError:
    return UsageError(
        f"Airflow's Fernet key comes from {_ELSEWHERE[file.source]}, which airflow-bootstrap doesn't rewrite",
        f"by hand: 1. make it NEW,OLD, NEW being what this prints: {NEW_KEY}; 2. restart all of Airflow's processes;"
        " 3. airflow rotate-fernet-key; 4. make it NEW; 5. restart them again",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
