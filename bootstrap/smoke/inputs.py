"""What a run tells the process of a check: one JSON object, in a private file that one environment variable names.

No secret is in it. What Airflow must find it says in digests; their key, of this one run, comes through the pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from typing_extensions import Self

from bootstrap import plugins
from bootstrap.checks.kind import CheckKind
from bootstrap.manifest.loader import CheckSpec, Manifest
from bootstrap.manifest.secret_variables import names
from bootstrap.smoke.receipt import Receipt
from bootstrap.util.files import write_atomic

VARIABLE = "AIRFLOW_BOOTSTRAP_INPUTS"
DIGEST_KEY = "AIRFLOW_BOOTSTRAP_DIGEST_KEY"


@dataclass(frozen=True)
class TaskInputs:
    """What the DAG is made of, and what each of its tasks knows.

    `checks`: its tasks. `store`: where Airflow looks, for people. `folders`: of the user's code. `trusted`: texts without
    secrets, and `hidden`: variables with secrets, as the manifest's loader tells of them. `receipt`: None for a task run by
    hand. `clean`: do no more than remove what a killed check made. `rows`: see `Rows.told`. `registered` and `expected`: what
    Airflow must find, see `explain.registered` and `ExpectedKey`; {} for anything.
    """

    checks: Sequence[CheckSpec] = ()
    store: str = ""
    folders: Sequence[str] = ()
    trusted: Sequence[str] = ()
    hidden: Sequence[str] = ()
    receipt: Receipt | None = None
    clean: bool = False
    rows: Mapping[str, Any] = field(default_factory=dict)
    registered: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """All its checks, run by hand."""
        folders = [manifest.folder, *([manifest.folder / manifest.airflow.dags] if manifest.airflow.dags else [])]
        return cls(
            [spec for specs in manifest.checks.values() for spec in specs],
            manifest.backend_label,
            [str(folder.absolute()) for folder in folders],
            [str(manifest.file.absolute()), manifest.public_text],
            sorted(names(manifest)),
        )

    def about(self, conn_ids: Sequence[str]) -> Self:
        """The same, which tells of these connections only what Airflow must find."""

        def only(told: Mapping[str, Any]) -> dict[str, Any]:
            by_id = {
                name: {it: part[it] for it in conn_ids if it in part}
                for name, part in told.items()
                if isinstance(part, dict)
            }
            return {**told, **by_id}

        return replace(self, registered=only(self.registered), expected=only(self.expected))

    @property
    def key(self) -> str:
        """Of the digests, in a check's process."""
        return os.environ.get(DIGEST_KEY, "")

    def write(self, file: Path) -> dict[str, str]:
        """Makes the file, which is for nobody else to read. Returns the variable that names it."""
        write_atomic(file, json.dumps(vars(self), default=_plain))
        return {VARIABLE: str(file)}

    @classmethod
    def of_this_process(cls) -> Self:
        """What the variable says. Raises KeyError where there is none."""
        document = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
        checks, receipt = document.pop("checks"), document.pop("receipt")
        file = receipt and {"file": Path(receipt["file"])}
        return cls(list(map(_spec, checks)), receipt=receipt and Receipt(**receipt | file), **document)


def _plain(value: Any) -> Any:
    """A part of these inputs, for JSON."""
    return str(value) if isinstance(value, Path) else {name: it for name, it in vars(value).items() if name != "params"}


def _spec(document: Mapping[str, Any]) -> CheckSpec:
    model = plugins.CHECKS.get(document["name"], CheckKind).Params
    return CheckSpec(**document, params=model.model_validate(document["given"], context={"allow_plaintext": True}))


def end(group: int, nonce: str) -> None:
    """Kill the process group, and the programs that left it for a session of their own.

    Those are known by the check's nonce in their environment; where there is no /proc, they are not found.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    marked = nonce.encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if marked in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                os.kill(int(folder.name), signal.SIGKILL)
