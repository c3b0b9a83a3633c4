"""AB205: data that goes through the worker's memory or disk, where a service or a stream does the same.

Each operator's source says what it holds (official providers, 2022 to 2026): this is the list of those that have another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bootstrap.scan.code.values import Call, Literal, Value
from bootstrap.scan.operators.table import Operator
from bootstrap.scan.risks.base import DagFile, Found, at, title
from bootstrap.scan.risks.settings import given, setting


@dataclass(frozen=True)
class _Transfer:
    """What an operator holds while `argument` is `value`; without an argument always."""

    holds: str
    fix: str
    argument: str = ""
    value: Literal = None


_OBJECT = "writes each object to the worker's disk"
_RESULT = "holds the whole result in the worker's memory"
_TRANSFERS = {
    "S3ToGCSOperator": _Transfer(_OBJECT, "use CloudDataTransferServiceS3ToGCSOperator, where Google copies", "deferrable", value=False),
    "AzureBlobStorageToGCSOperator": _Transfer(
        _OBJECT, "use CloudDataTransferServiceCreateJobOperator with an azureBlobStorageDataSource, where Google copies"
    ),
    "SFTPToGCSOperator": _Transfer("writes each file to the worker's disk", "set use_stream=True", "use_stream", value=False),
    "SFTPToS3Operator": _Transfer("writes each file to the worker's disk", "set use_temp_file=False", "use_temp_file", value=True),
    "PostgresToGCSOperator": _Transfer(_RESULT, "set use_server_side_cursor=True", "use_server_side_cursor", value=False),
    "GenericTransfer": _Transfer(_RESULT, "set page_size", "page_size"),
    "HiveToMySqlOperator": _Transfer(_RESULT, "set bulk_load=True", "bulk_load", value=False),
    "VerticaToMySqlOperator": _Transfer(_RESULT, "set bulk_load=True", "bulk_load", value=False),
}  # fmt: skip
_WHOLE = {  # methods of hooks that return all of it
    "read_key": "an object",
    "read_file": "a blob",
    "download": "an object",  # GCSHook's without a filename
    "get_pandas_df": "a result",
    "get_df": "a result",
    "get_records": "a result",
}
_INTO = {  # methods of hooks, and of data frames, that write all of it
    "load_string": "",
    "load_bytes": "",
    "load_file_obj": "",
    "upload": "",
    "insert_rows": "",
    "to_sql": "",
    "to_gbq": "",
}
_SMALL = ("chunksize",)


def through_the_worker(file: DagFile) -> Iterator[Found]:
    """Transfer operators with another way, and whole objects or results that one hook reads and another writes."""
    for call, operator in file.own:
        transfer = _TRANSFERS.get(title(operator.name))
        if transfer is not None and _applies(transfer, call, operator):
            yield at(call, f"{title(call.name)} {transfer.holds}", transfer.argument, transfer.fix)
    for call in file.calls:
        read = _read_whole(call)
        if read is not None:
            message = f"{title(read.name)} reads {_WHOLE[_method(read)]} into the worker's memory, and {_method(call)} writes it"
            yield at(call, message)


def _applies(transfer: _Transfer, call: Call, operator: Operator) -> bool:
    """True if its argument has that value. A release that hasn't the argument yet can't be fixed by it."""
    if not transfer.argument or transfer.argument in operator.parameters:
        return not transfer.argument or setting(call, operator, transfer.argument) is transfer.value
    return not transfer.fix.startswith("set ")


def _method(call: Call) -> str:
    return call.name.rpartition(".")[2]


def _read_whole(call: Call) -> Call | None:
    """The call that read all of what this one writes; None where it writes something else."""
    if _method(call) not in _INTO or not (call.receiver and _is_hooks(call.receiver, call)):
        return None
    written = [call.receiver] if _method(call).startswith("to_") else []
    values = (*call.arguments, *call.keywords.values())
    return next((each for each in (*written, *_made(values)) if _reads_whole(each)), None)


def _is_hooks(receiver: Call, call: Call) -> bool:
    return ".hooks." in receiver.name or _method(call).startswith("to_")


def _made(values: tuple[Value, ...]) -> Iterator[Call]:
    for value in values:
        yield from value.calls()


def _reads_whole(call: Call) -> bool:
    if ".hooks." not in call.name or call.receiver is None or _method(call) not in _WHOLE:
        return False
    if _method(call) == "download":
        return "GCSHook" in call.name and given(call, "filename") is None and len(call.arguments) < 3  # noqa: PLR2004
    return not any(name in call.keywords for name in _SMALL)
