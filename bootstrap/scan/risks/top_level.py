"""AB101: connections and Variables that are looked up whenever Airflow parses the file, not when a task runs."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.domain.secret import foreign
from bootstrap.scan.code.values import Call
from bootstrap.scan.operators.table import Operator
from bootstrap.scan.risks.base import DagFile, Found, at, title
from bootstrap.scan.risks.settings import given

_LOOK_UPS = {  # of a class of Airflow's: what to write in a templated argument instead
    "BaseHook.get_connection": "{{ conn.%s.host }}",
    "BaseHook.get_connections": "{{ conn.%s.host }}",
    "BaseHook.get_hook": "",
    "Connection.get": "{{ conn.%s.host }}",
    "Connection.get_connection_from_secrets": "{{ conn.%s.host }}",
    "Variable.get": "{{ var.value.%s }}",
    "Variable.get_variable_from_secrets": "{{ var.value.%s }}",
    "Variable.setdefault": "{{ var.value.%s }}",
    "Variable.set": "",
    "Variable.update": "",
    "Variable.delete": "",
}
# Hooks whose __init__ looks the connection up: their own, or that of the base of all hooks in the package
_AT_ONCE = {
    "AirbyteHook", "AsanaHook", "CassandraHook", "CloudSQLDatabaseHook", "DatadogHook", "DiscordWebhookHook",
    "FSHook", "GithubHook", "GitHook", "GoogleDataprepHook", "GrpcHook", "HiveCliHook", "HiveMetastoreHook",
    "JenkinsHook", "JiraHook", "KernelHook", "LevelDBHook", "MongoHook", "OpenSearchHook", "OpsgenieAlertHook",
    "OSSHook", "PagerdutyHook", "PagerdutyEventsHook", "PigCliHook", "PinotAdminHook", "SSHHook", "SambaHook",
    "SegmentHook", "SparkJDBCHook", "SparkSqlHook", "SparkSubmitHook", "SqoopHook", "TableauHook", "TelegramHook",
    "VaultHook",
}  # fmt: skip
_AT_ONCE_PACKAGES = (
    "airflow.providers.google.cloud.hooks.",
    "airflow.providers.yandex.hooks.",
    "airflow.providers.alibaba.cloud.hooks.",
)
_LAZY = {"ComputeEngineSSHHook", "LookerHook"}  # … but for these
_OFFLINE = frozenset(
    ("log", "get_ui_field_behaviour", "get_connection_form_widgets", "parse_s3_url", "get_s3_bucket_key")
)


def looked_up(file: DagFile) -> Iterator[Found]:
    """Look-ups that every parse of the file makes."""
    for call in file.calls:
        if not call.top_level or not call.name.startswith("airflow."):
            continue
        name = title(call.name)
        if _looks_up(name):
            yield at(call, f"{name}({_shown(call)}) runs whenever Airflow parses this file", fix=_fix(name, call))
        elif _is_hook(call) and _at_once(call, file):
            yield at(
                call,
                f"{name}() looks up its connection whenever Airflow parses this file",
                fix="create the hook in the task",
            )
        elif call.receiver is not None and _is_hook(call.receiver) and _method(call) not in _OFFLINE:
            yield at(call, f"{name}() runs whenever Airflow parses this file", fix="call it in the task")


def _looks_up(name: str) -> bool:
    """True for the classes' own, and for a hook's inherited ones: `HttpHook.get_connection`."""
    owner, _, method = name.rpartition(".")
    inherited = owner.endswith("Hook") and f"BaseHook.{method}" in _LOOK_UPS
    return name in _LOOK_UPS or inherited


def _method(call: Call) -> str:
    return call.name.rpartition(".")[2]


def _is_hook(call: Call) -> bool:
    """True for a hook's constructor."""
    return ".hooks." in call.name and call.name.endswith("Hook")


def _at_once(call: Call, file: DagFile) -> bool:
    """True if its __init__ looks up; not where the connection's id is None, as an SSHHook's is by default."""
    name = title(call.name)
    if name in _LAZY or not (name in _AT_ONCE or call.name.startswith(_AT_ONCE_PACKAGES)):
        return False
    operator = file.operators.find(call.name)
    taken = operator.connections if operator else ()
    return not taken or any(each.default is not None or _given(call, each.name, operator) for each in taken)


def _given(call: Call, name: str, operator: Operator | None) -> bool:
    value = given(call, name, operator)
    return value is not None and value.literal() is not None


def _key(call: Call) -> str | None:
    values = (
        [call.arguments[0]]
        if call.arguments
        else [call.keywords[name] for name in ("key", "conn_id") if name in call.keywords]
    )
    text = values[0].literal() if values else None
    return text if isinstance(text, str) else None


def _shown(call: Call) -> str:
    key = _key(call)
    return "…" if key is None else f'"{foreign(key)}"'


def _fix(name: str, call: Call) -> str:
    template = _LOOK_UPS.get(name, _LOOK_UPS.get(f"BaseHook.{name.rpartition('.')[2]}", ""))
    key = _key(call)
    if not template or key is None:
        return "call it in the task"
    return f"call it in the task, or write {template % foreign(key)} in a templated argument"
