"""The checks that prove what the code needs: for each named resource one of this tool's own, as `checks:` takes it.

Nothing is derived from a name that differs from run to run, and nothing for what the code makes itself: it needn't be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from bootstrap.scan.model import Resource
from bootstrap.scan.resources.names import constant_prefix, is_template
from bootstrap.scan.resources.sql_names import parts

Check = dict[str, dict[str, object]] | str

_Derive = Callable[[Sequence[Resource]], Iterator[Check]]

_PROVEN = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")  # what a check of a table can ask for
_MOST = 20  # checks of one connection: beyond, a person has to choose
_SQL_OPERATOR = "airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator"
_QUOTES = {"databricks": ("`", "`"), "mssql": ("[", "]"), "hiveserver2": ("`", "`")}  # else the standard's
_ACTS = re.compile(
    r"(?<![a-z])(?:re)?(?:run|start|stop|trigger|refresh|schedule|send|push|sync|update|delete|create|execute|process|cache|"
    r"clear|build|import|export|load|upload|publish|login|logout|reset|retry|cancel|cleanup|backfill)(?![a-z])"
    r"|(?:key|token|secret|password|signature|sig)=",
    re.IGNORECASE,
)
_TABLE = re.compile(r"[^.\"`\s]+")


def checks_for(conn_type: str | None, resources: Iterable[Resource]) -> list[Check]:
    """The checks of one connection, each once, in a stable order; none where its default check proves as much.

    `resources` are the connection's. Each check that is returned is valid for the manifest.
    """
    derive = _DERIVED.get(conn_type or "")
    if derive is None:
        return []
    wanted = sorted(set(resources), key=lambda each: (each.kind, each.name, each.verb, each.right))
    found: list[Check] = []
    for check in derive(wanted):
        if check not in found:
            found.append(check)
    return found[:_MOST]


def _constant(resources: Sequence[Resource], kind: str) -> list[Resource]:
    """Those of a kind that each run finds by the same name."""
    made = _made(resources, kind)
    named = (each for each in resources if each.kind == kind and not each.template and "*" not in each.name)
    return [each for each in named if each.name not in made]


def _made(resources: Iterable[Resource], kind: str) -> set[str]:
    return {each.name for each in resources if each.kind == kind and each.verb == "create"}


def _waits(resource: Resource) -> bool:
    """True where the call waits until it is there."""
    return "Sensor" in resource.place.by


def _objects(check: str) -> _Derive:
    """One check for each bucket, below what all its objects have in common; it only lists where the code only reads."""

    def derived(resources: Sequence[Resource]) -> Iterator[Check]:
        named = [each for each in resources if each.kind in ("bucket", "object")]
        made = _made(resources, "bucket")
        for bucket, group in groupby(sorted(named, key=_bucket), key=_bucket):
            touched = list(group)
            if not bucket or is_template(bucket) or "*" in bucket or bucket in made:
                continue
            read_only = all(each.verb == "read" for each in touched)
            relevant = [each for each in touched if read_only or each.verb != "read"]
            prefix = _common([_folder(each) for each in relevant])
            yield {check: {"bucket": bucket, **_if(prefix=prefix), **_if(read_only=read_only)}}

    return derived


def _bucket(resource: Resource) -> str:
    return resource.name.partition("/")[0]


def _folder(resource: Resource) -> str:
    """Where the object is, without its bucket, up to the last slash that each run has."""
    known = constant_prefix(resource.name).partition("/")[2]
    return known.rpartition("/")[0] + "/" * ("/" in known)


def _common(folders: Sequence[str]) -> str:
    """The folder that all are in, with its slash; "" for none."""
    shared = ""
    for piece in folders[0].split("/")[:-1]:
        if not all(each.startswith(f"{shared}{piece}/") for each in folders):
            break
        shared += f"{piece}/"
    return shared


def _if(**given: object) -> dict[str, object]:
    """The parameters that are worth writing down."""
    return {name: value for name, value in given.items() if value}


def _named(kind: str, check: str, parameter: str, verbs: Collection[str] = ("read", "run", "write")) -> _Derive:
    """A check for each name of a kind."""

    def derived(resources: Sequence[Resource]) -> Iterator[Check]:
        for each in _constant(resources, kind):
            if each.verb in verbs and not _waits(each):
                yield {check: {parameter: each.name}}

    return derived


def _datasets(resources: Sequence[Resource]) -> Iterator[Check]:
    """BigQuery's datasets: those of tables, and those that are named themselves."""
    writes: dict[tuple[str, ...], bool] = {}
    for each in resources:
        if each.kind not in ("table", "dataset"):
            continue
        names = tuple(parts(each.name)[: -1 if each.kind == "table" else None])
        if 1 <= len(names) <= 2 and not any(is_template(name) for name in names):  # noqa: PLR2004  dataset, or project and dataset
            writes[names] = writes.get(names, False) or each.verb != "read"
    made = {tuple(parts(name)) for name in _made(resources, "dataset")}
    for names, written in sorted(writes.items()):
        if names not in made and re.fullmatch(r"[A-Za-z0-9_]+", names[-1]):
            yield {
                "bigquery": {
                    "dataset": names[-1],
                    **_if(project=names[0] if names[1:] else ""),
                    **_if(read_only=not written),
                }
            }


def _tables(check: str, rights: Collection[str]) -> _Derive:
    """One check for each table, with the rights that the code needs there; reading it alone needs no more than its name."""

    def derived(resources: Sequence[Resource]) -> Iterator[Check]:
        for name, group in groupby(_constant(resources, "table"), key=lambda each: each.name):
            table = _two_parts(name)
            needed = {each.right for each in group}
            asked = [right for right in _PROVEN if right in needed and right in rights]
            if table and asked:
                yield {check: {"table": table, **_if(rights=asked if asked != ["SELECT"] else [])}}

    return derived


def _sqlite(resources: Sequence[Resource]) -> Iterator[Check]:
    """SQLite knows no rights: who may write may write every table."""
    writes = any(each.verb != "read" for each in resources if each.kind == "table")
    tables = [table for each in _constant(resources, "table") if (table := _two_parts(each.name))]
    for table in dict.fromkeys(tables):
        yield {"sqlite": {"table": table, **_if(write=writes)}}
    if writes and not tables:
        yield {"sqlite": {"write": True}}


def _selected(conn_type: str) -> _Derive:
    """For databases without a check of their own: a query that reads no row, through Airflow's operator."""
    opening, closing = _QUOTES.get(conn_type, ('"', '"'))

    def derived(resources: Sequence[Resource]) -> Iterator[Check]:
        for each in _constant(resources, "table"):
            names = parts(each.name)
            if each.right == "SELECT" and all(_TABLE.fullmatch(name) and closing not in name for name in names):
                table = ".".join(f"{opening}{name}{closing}" for name in names)
                arguments = {"sql": f"SELECT 1 FROM {table} WHERE 1 = 0"}  # noqa: S608  no quote is in a name
                yield {"operator": {"path": _SQL_OPERATOR, "arguments": arguments}}

    return derived


def _two_parts(name: str) -> str:
    """table, or schema.table; "" for a name that a check can't take. The database is the connection's."""
    names = parts(name)[-2:]
    return ".".join(names) if names and all(_TABLE.fullmatch(each) for each in names) else ""


def _paths(resources: Sequence[Resource]) -> Iterator[Check]:
    """The folders: a file needn't be there yet, and may be gone."""
    for each in resources:
        known = constant_prefix(each.name)
        if each.kind == "path" and known:
            last = known.rpartition("/")[2]
            folder = (
                known.rpartition("/")[0] or "/" * known.startswith("/") if "." in last or known.endswith("/") else known
            )
            if folder:
                yield {"sftp": {"path": folder}}


def _pages(resources: Sequence[Resource]) -> Iterator[Check]:
    """What is only looked at: some servers begin work at a GET, as of /refresh, and a key in a query belongs into no manifest."""
    for check in _named("endpoint", "http", "path", ("read",))(resources):
        if isinstance(check, dict) and not _ACTS.search(str(check["http"]["path"])):
            yield check


def _mail(resources: Sequence[Resource]) -> Iterator[Check]:
    """One sender and one recipient."""
    given = {
        parameter: each.name
        for parameter, kind in (("from_email", "sender"), ("to", "recipient"))
        for each in _constant(resources, kind)[:1]
        if "@" in each.name and not re.search(r"[,;\s]", each.name)
    }
    if given:
        yield {"smtp": dict(given)}


def _all(*derived: _Derive) -> _Derive:
    def together(resources: Sequence[Resource]) -> Iterator[Check]:
        for each in derived:
            yield from each(resources)

    return together


_DERIVED: Mapping[str, _Derive] = {
    "google_cloud_platform": _all(_objects("gcs"), _datasets),
    "gcpbigquery": _datasets,
    "aws": _all(
        _objects("s3"),
        _named("function", "lambda", "function"),
        _named("endpoint", "sagemaker", "endpoint"),
        _named("model", "sagemaker", "model"),
        _named("training_job", "sagemaker", "training_job", ("read",)),
    ),
    "postgres": _tables("postgres", _PROVEN),
    "mysql": _tables("mysql", _PROVEN[:-1]),
    "sqlite": _sqlite,
    "http": _pages,
    "sftp": _paths,
    "docker": _named("image", "docker", "image"),
    "redis": _named("key", "redis", "key", ("read",)),
    "vault": _named("secret", "vault", "path", ("read",)),
    "smtp": _mail,
    **{
        name: _selected(name)
        for name in (
            "mssql",
            "oracle",
            "snowflake",
            "redshift",
            "databricks",
            "trino",
            "presto",
            "vertica",
            "hiveserver2",
            "exasol",
            "teradata",
        )
    },
}
