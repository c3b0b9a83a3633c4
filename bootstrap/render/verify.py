"""Verifies that Airflow reads from airflow.cfg what was written there, and its other options from the secrets backend."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.airflow.environment import Environment
from bootstrap.airflow.process import ask_airflow
from bootstrap.domain.secret import Secret
from bootstrap.errors import AirflowError
from bootstrap.render import cfg_file, shadows
from bootstrap.render.cfg_file import Rendering
from bootstrap.render.settings import Settings

MODULE = "bootstrap.render.verify_child"


def verify(settings: Settings, environment: Environment) -> None:
    """Have Airflow's own parser read each managed option of the file, in a process of its own.

    Raises AirflowError; Shadowed, where the file has another option that Airflow reads before one of them.
    """
    overridden = shadows.in_environment(cfg_file.managed(settings), settings, environment)
    if overridden:
        raise AirflowError(shadows.overriding(overridden), f"unset {' '.join(overridden)}")
    cfg_file.require_no_shadow(cfg_file.render(settings, environment.config))
    secrets = {name: read() for name, read in settings.variables.items()}
    written = cfg_file.values(settings)
    request = {section: list(options) for section, options in written.items()}
    commands = [[item.section, item.option] for item in cfg_file.managed(settings) if item.kind == "_cmd"]
    asked = {"values": request, "ignored": sorted(secrets), "commands": commands}
    answer = ask_airflow(environment.with_secrets(secrets), MODULE, request=json.dumps(asked))
    different = [f"{section}] {option}" for section, option in answer["elsewhere"]]
    for section, options in written.items():
        for option, value in options.items():
            read = answer["values"][section][option]
            if not shadows.same(option, value, read) and "$" not in value:  # Airflow fills in $NAME of a command
                different.append(f"{section}] {option}")
    if different:
        message = f"Airflow reads another value of [{different[0]} from {environment.config} than was written"
        raise AirflowError(message, "report this as a bug")


def write_verified(
    rendering: Rendering, settings: Settings, environment: Environment, *, backup: bool = False
) -> Path | None:
    """Write the file and verify it; what Airflow reads otherwise, or not at all, is undone. Raises AirflowError, Busy."""
    kept = cfg_file.write(rendering, environment.records, backup=backup)
    try:
        verify(settings, environment)
    except BaseException:
        cfg_file.restore(rendering, environment.records)
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise
    return kept


@dataclass(frozen=True, repr=False)
class Fingerprint:
    """Stands for a value that another process has. `blank`: white space stands around it."""

    salt: str
    digest: str | None
    blank: bool

    def fits(self, value: Secret) -> bool:
        """True if it is the one of `value`."""
        return self.digest is not None and hmac.compare_digest(fingerprint(self.salt, value.reveal()), self.digest)


def resolved(names: list[tuple[str, str]], environment: Environment) -> Mapping[tuple[str, str], Fingerprint]:
    """What Airflow gets for these options, (section, option), wherever from: never a value. Raises AirflowError."""
    salt = random.token_hex(16)
    asked: dict[str, list[str]] = {}
    for section, option in names:
        asked.setdefault(section, []).append(option)
    answer = ask_airflow(environment, MODULE, request=json.dumps({"fingerprints": asked, "salt": salt}))
    found, blank = answer["values"], {tuple(place) for place in answer["blank"]}
    return {name: Fingerprint(salt, found[name[0]][name[1]], name in blank) for name in names}


def fingerprint(salt: str, value: str) -> str:
    """What a value is compared by."""
    return hmac.new(salt.encode(), value.encode(), hashlib.sha256).hexdigest()
