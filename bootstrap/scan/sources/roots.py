"""Where DAG code imports from, and the modules and templates there. Airflow puts the DAG folder and `plugins/` on sys.path, Astro the
project's folder as well; `include/` and `src/` are where projects keep code.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bootstrap.scan.sources.source_file import LARGEST, SourceFile, Unreadable, kind_of, read_file

_BESIDE = ("plugins", "include", "src", "dags")
_PROJECT = (
    ".git",
    "pyproject.toml",
    "setup.py",
    "airflow.cfg",
    "airflow_settings.yaml",
    "docker-compose.yml",
    "docker-compose.yaml",
)
_UP = 3  # folders between the DAG folder and the project's


def project_roots(folder: Path, file: str = "") -> list[Path]:
    """The folders to look for a module in, first the scanned one; with `file`, a path relative to it, also the folders around that.

    Those around it are for a scan of a whole repository, where the DAG folder is somewhere below.
    """
    around = [folder.joinpath(*parent.parts) for parent in Path(file).parents if parent.parts]
    up = _up_to_project(folder)
    bases = [*around, folder, *up]
    found = [folder, *around, *(base / name for base in bases for name in _BESIDE), *up]
    return [each for each in dict.fromkeys(found) if each in {folder, *around} or _is_folder(each)]


def find_module(dotted: str, roots: Sequence[Path], folder: Path | None = None) -> SourceFile | None:
    """The file of a module, `a/b/__init__.py` or `a/b.py`; None where there is none, or it can't be read.

    Its path is relative to `folder`, the scanned one: the first of the roots unless given.
    """
    parts = dotted.split(".")
    if not all(part.isidentifier() for part in parts) or not roots:
        return None
    candidates = (
        root.joinpath(*parts[:-1], name) for root in roots for name in (f"{parts[-1]}/__init__.py", f"{parts[-1]}.py")
    )
    return _first(candidates, folder or roots[0])


def find_template(name: str, folders: Iterable[Path], folder: Path) -> SourceFile | None:
    """The file of a template that an operator names: relative to its DAG's folder or to one of `template_searchpath`."""
    return _first((each / name for each in folders if name and "\0" not in name), folder)


def _first(candidates: Iterable[Path], folder: Path) -> SourceFile | None:
    for location in candidates:
        kind = kind_of(location) or "text"
        try:
            if location.is_file():
                path = Path(os.path.relpath(location, folder)).as_posix()
                return SourceFile(path, kind, location, read_file(location, LARGEST[kind]))
        except (Unreadable, OSError, ValueError):
            continue
    return None


def _up_to_project(folder: Path) -> list[Path]:
    """The folder's parent, and those up to the one that looks like a project's."""
    parents = list(folder.absolute().parents)[:_UP]
    marked = (number for number, each in enumerate(parents, 1) if any((each / name).exists() for name in _PROJECT))
    return parents[: next(marked, 1)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
