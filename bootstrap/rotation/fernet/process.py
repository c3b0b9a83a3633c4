"""A process with Airflow that looks at, or re-encrypts, what is encrypted: see fernet_child."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap.airflow.child_protocol import require
from bootstrap.airflow.environment import Environment
from bootstrap.airflow.process import ask_airflow
from bootstrap.domain.secret import Secret
from bootstrap.errors import AirflowError
from bootstrap.rotation.fernet import key_file
from bootstrap.rotation.fernet.child import RETIRED
from bootstrap.rotation.fernet.key_file import KeyFile

ROWS, EVERYWHERE = "look", "look-everywhere"  # the latter: in XComs, too, which takes its time
REENCRYPT = "reencrypt"
_CHILD = "bootstrap.rotation.fernet.child"


@dataclass(frozen=True)
class Look:
    """What a process with Airflow found: see fernet_rows.look."""

    ids: tuple[str, ...]
    needing: Mapping[str, Sequence[str]]
    unreadable: Sequence[str]

    def behind(self, key: str) -> list[str]:
        """The rows that can't be read with this key alone."""
        needed = (name for holder, names in self.needing.items() if holder != key for name in names)
        return list(dict.fromkeys((*needed, *self.unreadable)))


def ask(environment: Environment, file: KeyFile, what: str, retired: Sequence[Secret] = ()) -> Look:
    """A process with Airflow. Raises AirflowError, also where its keys are not those of airflow.cfg."""
    with_retired = environment.with_secrets({RETIRED: Secret(json.dumps([key.reveal() for key in retired]))})
    told = require(ask_airflow(with_retired, _CHILD, what, str(key_file.lock_of(environment))))
    if file.keys and tuple(told["ids"]) != file.ids:
        raise AirflowError(
            f"Airflow's Fernet keys ({', '.join(told['ids']) or 'none'}) are not those of {file.path} ({', '.join(file.ids)})",
            "airflow-bootstrap explain --config core.fernet_key",
        )
    return Look(tuple(told["ids"]), told["needing"], told["unreadable"])
