"""A manifest's document while it is checked, with the problems that were found."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from bootstrap.errors import ManifestError
from bootstrap.manifest.models import find_references
from bootstrap.manifest.problems import Problem, nearest, problems
from bootstrap.util.yaml_document import Document, Path_

LONGEST = 250  # characters of a conn_id, and of a task_id: Airflow's columns


class Reader:
    """What the checks of each part share: the document as it was written, and one list of problems."""

    def __init__(self, document: Document, profile: str | None, *, allow_plaintext: bool) -> None:
        self.document = document
        self.profile = profile
        self.context = {"allow_plaintext": allow_plaintext}
        self.problems: list[Problem] = []

    def section(self, name: str) -> dict[str, Any]:
        """A mapping of the file as it was written; empty where it is something else, which `Top` complains about."""
        found = self.document.data.get(name)
        return found if isinstance(found, dict) else {}

    def model(self, model: type[Any], data: Any, path: Path_) -> Any:
        """The data as a model; None where it is none, which is a problem."""
        try:
            return model.model_validate(data, context=self.context)
        except ValidationError as err:
            self.problems += problems(err, model, path)
            return None

    def length(self, path: Path_, what: str, name: str) -> None:
        """A name that Airflow's columns can't hold is a problem."""
        if len(name) > LONGEST:
            message = f"a {what} has at most {LONGEST} characters in Airflow, and this one has {len(name)}"
            self.problems.append(Problem(path, message, "rename it"))

    def references(self, path: Path_, node: Any) -> None:
        """A reference to a store that isn't there is a problem."""
        known = self.section("stores")
        for where, reference in find_references(node, path):
            if reference.store not in known:
                self.unknown(where, "store", reference.store, known)

    def unknown(self, path: Path_, what: str, name: object, known: Any) -> None:
        """A name that isn't among those that are known, or no name at all, is a problem."""
        if isinstance(name, str):
            self.problems.append(Problem(path, f"unknown {what} {name!r}", nearest(name, known)))
        else:
            self.problems.append(
                Problem(path, f"expected {'an' if what[0] in 'aeiou' else 'a'} {what}", nearest("", known))
            )

    def error(self) -> ManifestError:
        """All problems in the file's order, each with its line and column."""
        placed = sorted(
            {(self.document.place(item.path), item.message, item.hint) for item in self.problems},
            key=lambda row: (row[0].line, row[0].column, row[1]),
        )
        lines = [f"{place}: {message}" + (f" ({hint})" if hint else "") for place, message, hint in placed]
        count = f"{len(lines)} mistakes in the manifest" if len(lines) > 1 else "a mistake in the manifest"
        err = ManifestError("\n".join([f"{count}:", *lines]), "airflow-bootstrap schema prints what is allowed")
        err.parts = [mistake(f"{place}: {message}", hint or err.hint, place.line) for place, message, hint in placed]
        return err


def mistake(message: str, hint: str, line: int) -> ManifestError:
    """One mistake and the line that it is in."""
    err = ManifestError(message, hint)
    err.line = line
    return err
