"""GRANTs for the tables that the code names, in each database's own words. Identifiers are quoted: no name breaks out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bootstrap.scan.model import Resource
from bootstrap.scan.policies.needed import Needed, shown, unnamed
from bootstrap.scan.resources.sql_names import parts

LOGIN = "LOGIN"  # where nobody knows who the connection logs in as
_ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "MODIFY", "CREATE", "ALTER", "DROP")


@dataclass(frozen=True)
class Grants:
    """How a database grants. `opening` and `closing` quote a name; `to` and `on` stand before whom, and before a table.

    `rights`: what it calls a right that others call otherwise; `owned` are those that only the owner has. `schema`, `catalog` and
    `create` are statements' beginnings, "" where the database has no such right.
    """

    opening: str = '"'
    closing: str = '"'
    to: str = "TO"
    on: str = "TABLE "
    rights: tuple[tuple[str, str], ...] = ()
    owned: tuple[str, ...] = ("ALTER", "DROP")
    schema: str = "GRANT USAGE ON SCHEMA"
    catalog: str = ""
    create: str = "GRANT CREATE ON SCHEMA"
    default_schema: str = ""
    routine: str = "PROCEDURE "
    whom: str = "{}"
    backslashes: bool = False  # they mean something in a quoted name
    most: int = 3  # parts of a table's name; what is before is the connection's own database

    def name(self, names: Sequence[str]) -> str:
        """A name as SQL takes it."""
        kept = (each.replace(self.closing, self.closing * 2) for each in names[-self.most :])
        kept = (each.replace("\\", "\\\\") for each in kept) if self.backslashes else kept
        return ".".join(f"{self.opening}{each}{self.closing}" for each in kept)


_POSTGRES = Grants(default_schema="public", most=2)
_MYSQL = Grants("`", "`", on="", owned=(), rights=(("TRUNCATE", "DROP"),), schema="", create="", whom="{}@'%'", most=2)
_BY_TYPE = {
    "postgres": _POSTGRES,
    "greenplum": _POSTGRES,
    "vertica": _POSTGRES,
    "redshift": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "mssql": Grants(
        "[",
        "]",
        on="",
        owned=("DROP",),
        rights=(("TRUNCATE", "ALTER"),),
        schema="",
        create="GRANT CREATE TABLE",
        routine="",
    ),
    "oracle": Grants(
        on="", owned=("DROP",), rights=(("TRUNCATE", "DELETE"),), schema="", create="GRANT CREATE TABLE", routine=""
    ),
    "snowflake": Grants(
        to="TO ROLE", catalog="GRANT USAGE ON DATABASE", create="GRANT CREATE TABLE ON SCHEMA", default_schema="PUBLIC"
    ),
    "databricks": Grants(
        "`",
        "`",
        rights=tuple((right, "MODIFY") for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "ALTER")),
        owned=("DROP",),
        schema="GRANT USE SCHEMA ON SCHEMA",
        catalog="GRANT USE CATALOG ON CATALOG",
        create="GRANT CREATE TABLE ON SCHEMA",
    ),
    "clickhouse": Grants("`", "`", on="", owned=(), schema="", create="", backslashes=True),
    "trino": Grants(on="", owned=("ALTER", "DROP", "TRUNCATE"), schema="", create=""),
    "exasol": Grants(on="", owned=("ALTER", "DROP"), create="", schema=""),
    "teradata": Grants(on="", owned=("ALTER",), rights=(("TRUNCATE", "DELETE"),), schema="", create=""),
}
TYPES = (*_BY_TYPE, "sqlite")


def grants(needed: Needed) -> Iterator[str]:
    """The statements for one connection, one a line, and comments for what no GRANT can give."""
    if needed.conn_type == "sqlite":
        yield "-- SQLite has no rights: see to it that the file, and its folder where it is written, are open to the worker"
        return
    how = _BY_TYPE[needed.conn_type or ""]
    login = how.whom.replace("{}", how.name([needed.login or LOGIN]))
    tables = [each for each in needed.resources if each.kind == "table" and each.right and not each.template]
    yield from _places(
        how, login, [parts(each.name) for each in needed.resources if each.kind == "table" and not each.template]
    )
    for name, rights in sorted(_rights(how, tables).items()):
        given = [right for right in _ORDER if right in rights and right not in how.owned and right != "CREATE"]
        if how is _MYSQL and "CREATE" in rights:
            given.append("CREATE")
        if given:
            yield f"GRANT {', '.join(given)} ON {how.on}{how.name(name)} {how.to} {login};"
    yield from _created(how, login, tables)
    yield from _owned(how, tables)
    for each in needed.resources:
        if each.kind == "routine" and each.verb == "run" and not each.template:
            yield f"GRANT EXECUTE ON {how.routine}{how.name(parts(each.name))} {how.to} {login};"
    for each in unnamed(each for each in needed.resources if each.kind == "table"):
        yield f"-- {each.right or each.verb} on {shown(each)}: the name differs from run to run, so grant it on the schema"


def _rights(how: Grants, tables: Iterable[Resource]) -> dict[tuple[str, ...], set[str]]:
    called = dict(how.rights)
    found: dict[tuple[str, ...], set[str]] = {}
    for each in tables:
        found.setdefault(tuple(parts(each.name)), set()).add(called.get(each.right, each.right))
    return found


def _places(how: Grants, login: str, names: Iterable[Sequence[str]]) -> Iterator[str]:
    """To look into the catalogs and schemas of the tables."""
    schemas = sorted({tuple(name[:-1]) for name in names if len(name) > 1})
    for catalog in sorted({schema[0] for schema in schemas if len(schema) > 1}):
        if how.catalog:
            yield f"{how.catalog} {how.name([catalog])} {how.to} {login};"
    for schema in schemas:
        if how.schema:
            yield f"{how.schema} {how.name(schema if how.catalog else schema[-1:])} {how.to} {login};"


def _created(how: Grants, login: str, tables: Iterable[Resource]) -> Iterator[str]:
    """To make tables: a right on the schema, or in general."""
    names = [parts(each.name)[:-1] for each in tables if each.right == "CREATE"]
    if not names or not how.create:
        return
    if not how.create.endswith("SCHEMA"):
        yield f"{how.create} {how.to} {login};"
        return
    schemas = {
        tuple(name if how.catalog else name[-1:]) or ((how.default_schema,) if how.default_schema else ())
        for name in names
    }
    for schema in sorted(each for each in schemas if each):
        yield f"{how.create} {how.name(schema)} {how.to} {login};"


def _owned(how: Grants, tables: Sequence[Resource]) -> Iterator[str]:
    """What only the owner may do, of tables that the code doesn't make itself."""
    made = {each.name for each in tables if each.right == "CREATE"}
    wanted = sorted({(each.name, each.right) for each in tables if each.right in how.owned and each.name not in made})
    by_name = {each.name: each for each in tables}
    for name, right in wanted:
        yield f"-- {right} on {shown(by_name[name])} is its owner's: make the login the owner"
