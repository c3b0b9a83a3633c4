"""What a hook's class says of its connections: its type, its argument, its default."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.scan.operators.class_source import UNKNOWN, Classes, Line

CONN_NAME = "conn_name_attr"


@dataclass(frozen=True)
class Hook:
    """A hook's class. `defaults` are the default ids and conn_types of it and its bases, the nearest first; `depth` counts these."""

    name: str
    conn_type: str | None = None
    conn_name: str | None = None
    default: str | None = None
    defaults: tuple[tuple[str, str | None], ...] = ()
    depth: int = 0

    def type_of(self, conn_id: str | None) -> str | None:
        """Of its bases and itself, the conn_type of the one whose default that id is: BigQueryHook takes `google_cloud_default`."""
        return next((conn_type for default, conn_type in self.defaults if default == conn_id and conn_type), None)


def hook(line: Line, classes: Classes) -> Hook:
    """What a hook's class attributes say."""
    defaults = []
    for member in line.read:
        if "default_conn_name" in member.attributes:
            bases = classes.line(member)
            default = _text(bases, "default_conn_name", classes)
            if default is not None:
                defaults.append((default, _text(bases, "conn_type", classes)))
    return Hook(
        line.own.name,
        _text(line, "conn_type", classes),
        _text(line, CONN_NAME, classes),
        _text(line, "default_conn_name", classes),
        tuple(defaults),
        len(line.members),
    )


def _text(line: Line, name: str, classes: Classes) -> str | None:
    found = line.attribute(name)
    value = classes.value(found[0].module, found[1]) if found else UNKNOWN
    return value if isinstance(value, str) and value else None
