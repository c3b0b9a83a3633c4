"""The pip command that installs missing providers and leaves Airflow at its version."""

from __future__ import annotations

from collections.abc import Iterable

from bootstrap.util import distributions

_AIRFLOW = ("apache-airflow", "apache-airflow-core")
_OF_AIRFLOW = "apache-airflow"


def install_command(packages: Iterable[str]) -> str:
    """`pip install` for all of them. Airflow is pinned to the version that is there: pip then takes providers that fit it."""
    named = sorted(set(packages))
    pins = (f'"{name}=={found}"' for name in _AIRFLOW if (found := distributions.version(name)) is not None)
    pin = next(pins, None) if any(name.startswith(_OF_AIRFLOW) for name in named) else None
    return " ".join(["pip install", *([pin] if pin else []), *named])
