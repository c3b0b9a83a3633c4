"""Which distributions bring operators, and where their Python packages lie."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.util import distributions

AIRFLOW = "apache-airflow"
_AIRFLOWS_OWN = b"dev@airflow.apache.org"
_CORE = ("apache-airflow-core", AIRFLOW)  # of Airflow 3, and of Airflow 2
_ENTRY_POINT = re.compile(rb"^\[apache_airflow_provider\]\s*(?:#.*\s*)*[^=\[]+=\s*([\w.]+)", re.MULTILINE)
_INFO = re.compile(r"([^-]+)-([^-]+)\.dist-info")


@dataclass(frozen=True)
class Home:
    """A distribution: its name, its Python package, the folder that this lies in, its version, and the folder of its metadata."""

    package: str
    module: str
    folder: Path
    version: str
    info: Path

    @property
    def official(self) -> bool:
        """True for Airflow's own providers: their metadata name its developers' list. Patched copies have another name."""
        named = AIRFLOW if self.module == "airflow" else f"{AIRFLOW}-{self.module.partition('.')[2].replace('.', '-')}"
        if self.package != named:
            return False
        with contextlib.suppress(OSError):
            return _AIRFLOWS_OWN in (self.info / "METADATA").read_bytes()
        return False


def homes(folders: Sequence[str | Path]) -> list[Home]:
    """The providers in these folders, and Airflow itself; the first of a name counts."""
    found: dict[str, Home] = {}
    for folder in map(Path, folders):
        for home in (*_airflow(folder), *_providers(folder)):
            found.setdefault(home.package, home)
    return list(found.values())


def _airflow(folder: Path) -> Iterator[Home]:
    for name in _CORE:
        version = distributions.version(name, [folder])
        if version is not None:
            info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
            yield Home(AIRFLOW, "airflow", folder, version, info)
            return


def _providers(folder: Path) -> Iterator[Home]:
    for entry in sorted(distributions.metadata_folders(str(folder))):
        named = _INFO.fullmatch(entry)
        if named is None:
            continue
        with contextlib.suppress(OSError):
            declared = _ENTRY_POINT.search((folder / entry / "entry_points.txt").read_bytes())
            if declared is not None:
                module = declared[1].decode().removesuffix(".get_provider_info").removesuffix(".__init__")
                yield Home(named[1].replace("_", "-").lower(), module, folder, named[2], folder / entry)
