"""AB201: operators that start something and don't wait for its end.

Which argument decides, and what it is by default, is the operator's own; the names are those of the official providers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bootstrap.scan.code.values import Call, Table
from bootstrap.scan.operators.table import Operator
from bootstrap.scan.risks.base import DagFile, Found, at, title
from bootstrap.scan.risks.settings import given, setting

# Arguments that make an operator wait where they are true
_WAITS = (
    "wait_for_completion",
    "wait_for_termination",  # Databricks, dbt Cloud
    "wait_until_finished",  # Dataflow's None waits for batch jobs
    "wait_until_job_complete",  # Kubernetes
    "wait_until_complete",  # Gemini
    "wait_for_job_done",  # Ray
    "wait",  # Cloud Build, Storage Transfer Service
    "synchronous",  # Campaign Manager. Vertex AI's `sync` isn't one of them: its hook waits in any case
    "blocking_refresh",  # Tableau
)
_ALSO_TO_DEFER = {"wait_for_termination", "wait_until_job_complete"}  # deferrable=True alone changes nothing there
_ENDS = re.compile(r"(Delete|Stop|Terminate|Cancel|Pause|Hibernate|Reboot)[A-Z]")  # starts nothing

# Those that never wait; the official provider has a sensor for each, and this is the next step
_NEVER_WAIT = {
    "CloudComposerTriggerDAGRunOperator": "CloudComposerDAGRunSensor",
    "CloudFormationCreateStackOperator": "CloudFormationCreateStackSensor",
    "DataprepRunFlowOperator": "DataprepJobGroupIsFinishedSensor",
    "DataprepRunJobGroupOperator": "DataprepJobGroupIsFinishedSensor",
    "DmsStartTaskOperator": "DmsTaskCompletedSensor",
    "GlacierCreateJobOperator": "GlacierJobOperationSensor",
    "GoogleBidManagerRunQueryOperator": "GoogleBidManagerRunQuerySensor",
    "WorkflowsCreateExecutionOperator": "WorkflowExecutionSensor",
}
# By the operator's module, where its sensors' module has another name
_SENSORS = {"trigger_dagrun": "external_task"}


def fire_and_forget(file: DagFile) -> Iterator[Found]:
    """Operators that don't wait, where no sensor of the same system in that file does it for them."""
    sensors = [call for call in file.calls if ".sensors." in call.name]
    for call, operator in file.own:
        if operator.kind != "operator" or _ENDS.search(title(operator.name)):
            continue
        why = _why(call, operator)
        if why is not None and why[0] not in _ALSO_TO_DEFER and setting(call, operator, "deferrable") is True:
            continue
        if why is None or any(_waits_for(sensor, call, operator) for sensor in sensors):
            continue
        argument, reason, fix = why
        if title(operator.name) == "TriggerDagRunOperator" and not _goes_on(file, call):
            continue  # the other DAG's run shows its own failure in Airflow
        yield at(call, f"{title(call.name)} doesn't wait for what it starts: {reason}", argument, fix)


def _why(call: Call, operator: Operator) -> tuple[str, str, str] | None:
    """The argument, the reason, and the fix."""
    name = title(operator.name)
    for argument in _WAITS:
        if setting(call, operator, argument) is False:
            by_default = "" if given(call, argument, operator) is not None else ", its default"
            return argument, f"{argument}=False{by_default}", f"set {argument}=True"
    if setting(call, operator, "asynchronous") is True:
        return "asynchronous", "asynchronous=True", "leave asynchronous out"
    if name == "LivyOperator" and setting(call, operator, "polling_interval") == 0:
        return "polling_interval", "polling_interval=0", "set polling_interval=30"
    if name == "EmrCreateJobFlowOperator" and not _emr_waits(call, operator):
        return "wait_policy", "it has no wait_policy", "set wait_policy, or add an EmrJobFlowSensor"
    if name == "LambdaInvokeFunctionOperator" and setting(call, operator, "invocation_type") == "Event":
        return "invocation_type", 'invocation_type="Event"', 'use invocation_type="RequestResponse"'
    sensor = _NEVER_WAIT.get(name)
    return ("", "it has no argument for that", f"add a {sensor}") if sensor else None


def _emr_waits(call: Call, operator: Operator) -> bool:
    """True also where it isn't known, and for a cluster without steps: those that are added to it wait."""
    overrides = given(call, "job_flow_overrides", operator)
    if overrides is None or not any(_ends_by_itself(table) for table in overrides.tables()):
        return True
    settings = {
        setting(call, operator, name) for name in ("wait_policy", "wait_for_completion") if name in operator.parameters
    }
    return not settings <= {None, False}


def _ends_by_itself(cluster: Table) -> bool:
    """True if it has steps, and isn't kept for others: who adds those would wait for them."""
    steps, instances = cluster.get("Steps"), cluster.get("Instances")
    kept = [table.get("KeepJobFlowAliveWhenNoSteps") for table in instances.tables()] if instances else []
    return (
        steps is not None and bool(steps.elements()) and all(each is None or each.literal() is False for each in kept)
    )


def _waits_for(sensor: Call, call: Call, operator: Operator) -> bool:
    """True for a sensor of the same system, unless it has another connection for certain.

    The modules of a system's operators and of its sensors have the same name: `operators.emr`, `sensors.emr`.
    """
    system = operator.name.split(".")[-2]
    if not {system, _SENSORS.get(system)} & set(sensor.name.split(".")):
        return False
    for name in sensor.keywords.keys() & call.keywords.keys():
        ids = sensor.keywords[name].literal(), call.keywords[name].literal()
        if name.endswith("conn_id") and ... not in ids and ids[0] != ids[1]:
            return False
    return True


def _goes_on(file: DagFile, call: Call) -> bool:
    """True if something comes after that task: its name stands on the left of `>>`, or in a `chain()` before the last."""
    name = next((_target(node) for node in ast.walk(file.source.tree) if _assigns(node, call)), None)
    if name is None:
        return any(
            isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift) and _is(node.left, call)
            for node in ast.walk(file.source.tree)
        )
    return any(_before_others(node, name) for node in ast.walk(file.source.tree))


def _is(node: ast.expr, call: Call) -> bool:
    place = getattr(call.node, "lineno", None), getattr(call.node, "col_offset", None)
    return any(
        (getattr(each, "lineno", 0), getattr(each, "col_offset", 0)) == place and isinstance(each, ast.Call)
        for each in ast.walk(node)
    )


def _assigns(node: ast.AST, call: Call) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is(node.value, call)


def _target(node: ast.AST) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else None


def _before_others(node: ast.AST, name: str) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.RShift()):
            return _named(_last(left), name)
        case ast.BinOp(left=ast.expr(), op=ast.LShift(), right=right):
            return _named(right, name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=own), attr="set_downstream")):
            return own == name
        case ast.Call(func=ast.Attribute(attr="set_upstream"), args=args):
            return any(_named(argument, name) for argument in args)
        case ast.Call(func=ast.Name(id="chain") | ast.Attribute(attr="chain"), args=args):
            return any(_named(argument, name) for argument in args[:-1])
    return False


def _last(node: ast.expr) -> ast.expr:
    """What the next `>>` hangs on: the right side of `a >> b`."""
    return node.right if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift | ast.LShift) else node


def _named(node: ast.expr, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
