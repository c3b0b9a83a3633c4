"""Whether Airflow reads from airflow.cfg what was written there, and its other options from the secrets backend."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bootstrap import airflow_cfg
from bootstrap.airflow_cfg import Rendering
from bootstrap.airflow_env import Environment, ask_airflow
from bootstrap.airflow_settings import Settings
from bootstrap.errors import AirflowError
from bootstrap.secret import Secret

MODULE = "bootstrap.smoke.read_back"
_JSON = frozenset({"backend_kwargs", "secrets_backend_kwargs"})


def verify(settings: Settings, environment: Environment) -> None:
    """Have Airflow's own parser read each managed option of the file, in a process of its own. Raises AirflowError."""
    overridden = sorted(_overridden(settings, environment))
    if overridden:
        raise AirflowError(
            f"{', '.join(overridden)} in the environment overrides airflow.cfg", f"unset {' '.join(overridden)}"
        )
    secrets = {name: read() for name, read in settings.variables.items()}
    written = airflow_cfg.values(settings)
    request = {section: list(options) for section, options in written.items()}
    answer = _ask(environment.with_secrets(secrets), {"values": request, "ignored": sorted(secrets)})
    for section, options in written.items():
        for option, value in options.items():
            if not _same(option, value, answer[section][option]):
                raise AirflowError(
                    f"Airflow reads another value of [{section}] {option} from {environment.config} than was written",
                    "report this as a bug",
                )


def write_verified(
    rendering: Rendering, settings: Settings, environment: Environment, *, backup: bool = False
) -> Path | None:
    """Write the file and verify it; what Airflow reads otherwise, or not at all, is undone. Raises AirflowError, Busy."""
    kept = airflow_cfg.write(rendering, environment.records, backup=backup)
    try:
        verify(settings, environment)
    except BaseException:
        airflow_cfg.restore(rendering, environment.records)
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise
    return kept


def resolved(names: list[tuple[str, str]], environment: Environment) -> Mapping[tuple[str, str], Fingerprint]:
    """What Airflow gets for these options, (section, option), wherever from: never a value. Raises AirflowError."""
    salt = random.token_hex(16)
    asked: dict[str, list[str]] = {}
    for section, option in names:
        asked.setdefault(section, []).append(option)
    answer = _ask(environment, {"fingerprints": asked, "salt": salt})
    return {(section, option): Fingerprint(salt, answer[section][option]) for section, option in names}


class Fingerprint:
    """Stands for a value that another process has."""

    def __init__(self, salt: str, digest: str | None) -> None:
        self._salt = salt
        self._digest = digest

    def fits(self, value: Secret) -> bool:
        """Whether it is the one of `value`."""
        return self._digest is not None and hmac.compare_digest(fingerprint(self._salt, value.reveal()), self._digest)


def fingerprint(salt: str, value: str) -> str:
    """What a value is compared by."""
    return hmac.new(salt.encode(), value.encode(), hashlib.sha256).hexdigest()


def _ask(environment: Environment, request: Mapping[str, Any]) -> Any:
    return ask_airflow(environment, MODULE, request=json.dumps(request))


def _overridden(settings: Settings, environment: Environment) -> Iterator[str]:
    """Variables that Airflow reads before the file, other than those that we ask for."""
    own = settings.variables.keys()
    managed = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, options in airflow_cfg.values(settings).items()
        for option in options
    }
    for name in environment.child():
        forms = {name, name.removesuffix("_CMD"), name.removesuffix("_SECRET")}
        one_argument = name.startswith(
            ("AIRFLOW__SECRETS__BACKEND_KWARG__", "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__")
        )
        if name not in own and (forms & managed or one_argument):
            yield name


def _same(option: str, written: str, read: str) -> bool:
    if option in _JSON:
        return bool(json.loads(written) == json.loads(read))
    return written == read or "$" in written  # Airflow fills in $NAME of a command
