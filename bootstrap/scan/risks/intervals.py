"""AB202 and AB203: how often, and how long, something is asked whether it is done."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.scan.code.values import Call
from bootstrap.scan.operators.table import Operator
from bootstrap.scan.risks.base import DagFile, Found, at, title
from bootstrap.scan.risks.settings import given, seconds, setting

# Seconds between two questions, by the official providers' names
_INTERVALS = (
    "poke_interval",
    "poll_interval",
    "polling_interval",
    "polling_interval_seconds",
    "polling_interval_in_seconds",
    "polling_period_seconds",
    "pooling_period_seconds",  # Cloud Composer's spelling
    "job_poll_interval",
    "status_poll_interval",
    "poll_sleep",
    "check_interval",
    "sleep_time",
    "waiter_delay",
    "waiter_interval",
    "wait_interval_seconds",
)
_ALWAYS_DEFERRED = {
    "AwaitMessageSensor",
    "AwaitMessageTriggerFunctionSensor",
    "AzureAnalysisServicesSensor",
    "MSGraphSensor",
}
_SHORTEST = 5.0
_HOUR = 3600.0
_WEEK = 7 * 24 * _HOUR  # Airflow's own default of a sensor's timeout, [sensors] default_timeout


def short_interval(file: DagFile) -> Iterator[Found]:
    """Intervals under 5 s that the code itself gives."""
    for call, operator in file.known:
        for name in _INTERVALS:
            value = seconds(given(call, name, operator)) if name in operator.parameters else None
            if value is None or not _differs(value, operator, name) or not 0 <= value < _SHORTEST:
                continue
            if value == 0 and title(operator.name) == "LivyOperator":
                continue  # doesn't ask at all: AB201
            often = f"every {value:g} s" if value else "without a pause"
            yield at(call, f"{title(call.name)} asks {often}", name)


def _differs(value: float, operator: Operator, name: str) -> bool:
    return operator.defaults.get(name) != value


def long_poke(file: DagFile) -> Iterator[Found]:
    """Sensors that hold a worker's slot for over an hour while they wait."""
    for call, operator in file.own:
        name = title(operator.name)
        if operator.kind != "sensor" or not name.endswith("Sensor") or name in _ALWAYS_DEFERRED or call.open:
            continue
        longest = _longest(call, operator) if _pokes(call, operator) else None
        if longest is not None and longest > _HOUR:
            yield at(call, f"{title(call.name)} holds a worker's slot for up to {_length(longest)}", "mode")


def _pokes(call: Call, operator: Operator) -> bool:
    deferrable = given(call, "deferrable", operator)
    deferred = (
        setting(call, operator, "deferrable") is True if deferrable is None else deferrable.literal() is not False
    )
    return setting(call, operator, "mode") == "poke" and not deferred


def _longest(call: Call, operator: Operator) -> float | None:
    """The seconds that it waits at most; None where that isn't known."""
    own = operator.defaults.get("timeout")
    limits = []
    for name, unset in (
        ("timeout", float(own) if isinstance(own, int | float) else _WEEK),
        ("execution_timeout", None),
    ):
        value = given(call, name, operator)
        limit = unset if value is None or value.literal() is None else seconds(value)
        if limit is None and value is not None and value.literal() is not None:
            return None
        limits += [limit] if limit is not None else []
    return min(limits)


def _length(length: float) -> str:
    hours = length / _HOUR
    return f"{hours / 24:g} days" if hours % 24 == 0 and hours > 24 else f"{round(hours, 1):g} hours"  # noqa: PLR2004  a day
