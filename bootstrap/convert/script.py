"""Generates a shell script that puts a source's secrets into their store. The script holds no secret: it reads the source from stdin."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from bootstrap.domain.reference import Reference

_OF_STDIN = """\
#!/bin/sh
# Puts the secrets of a source into their store: sh THIS_SCRIPT < SOURCE
# It holds no secret. What it reads stays in a variable of the shell, and goes on through pipes alone.
set -eu
source=$(cat)
put() {{
  printf '%s\\n' "$source" | {init} --pick "$1" | {store} put --from-file /dev/stdin "$1"
}}
"""
_OF_DATABASE = """\
#!/bin/sh
# Puts the secrets of a metadata database into their store. It holds no secret: they go through pipes alone.
set -eu
put() {{
  {init} --pick "$1" | {store} put --from-file /dev/stdin "$1"
}}
"""


def text(manifest: str, source: str, form: str | None, store: str, references: Iterable[Reference]) -> str:
    """`manifest` as -f takes it; `form` is the format of what comes on stdin, None for a `source` that is read anew."""
    tool = ["airflow-bootstrap", "-f", manifest]
    taken = ["--from", "-", "--format", form] if form is not None else ["--from", source]
    head = (_OF_DATABASE if form is None else _OF_STDIN).format(
        init=shlex.join([*tool, "init", *taken, "--store", store]), store=shlex.join([*tool, "store"])
    )
    return head + "".join(f"put {shlex.quote(str(reference))}\n" for reference in references)
