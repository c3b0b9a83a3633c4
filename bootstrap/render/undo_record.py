"""Remembers what airflow.cfg was before the first `render`, so that `render --remove` can restore it.

Only the sections that were changed are kept, in a file that nobody else may read: a credential could have stood there.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bootstrap.errors import AirflowError
from bootstrap.render import ini
from bootstrap.util.files import private_folder, shown, write_atomic


class Section(BaseModel):
    """A section as it was (None: it wasn't there) and as it was left; `gap` is what stands before an appended one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str
    before: str | None
    after: str
    gap: str = ""


class _Kept(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    created: str | None
    sections: list[Section]


@dataclass(frozen=True)
class Record:
    """What was changed in a file. `created`: its whole text, where there was no such file."""

    place: Path
    created: str | None
    sections: tuple[Section, ...]

    @classmethod
    def load(cls, folder: Path, file: Path) -> Record | None:
        """What is known of `file`; None: nothing. Raises AirflowError for a record that can't be read."""
        place = _place(folder, file)
        try:
            kept = _Kept.model_validate_json(place.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as err:
            raise AirflowError(
                f"{shown(place)} can't be read: it keeps what {shown(file)} was before `render`",
                f"restore it; or remove it, and look yourself at what is to stay in {shown(file)}: rm -r {shlex.quote(str(place))}",
            ) from err
        return cls(place, kept.created, tuple(kept.sections))

    @classmethod
    def made(cls, folder: Path, file: Path, before: str | None, edit: ini.Edit) -> Record:
        """What is to be known once `file`, which is `before`, has become what `edit` says."""
        previous = cls.load(folder, file)
        place = _place(folder, file)
        original = before if previous is None or before is None else previous.undone(before, file)
        if original is None:
            return cls(place, edit.text, ())
        gaps = {**{section.name: section.gap for section in (previous.sections if previous else ())}, **edit.gaps}
        return cls(place, None, tuple(_changed(original, edit.text, gaps, file)))

    @staticmethod
    def forget(folder: Path, file: Path) -> None:
        """Nothing is known of `file` any more."""
        _place(folder, file).unlink(missing_ok=True)

    @property
    def is_empty(self) -> bool:
        """Nothing was changed."""
        return self.created is None and not self.sections

    def save(self) -> None:
        """Raises OSError."""
        private_folder(self.place.parent)
        kept = _Kept(version=1, created=self.created, sections=list(self.sections))
        write_atomic(self.place, json.dumps(kept.model_dump()))

    def undone(self, text: str, file: Path) -> str | None:
        """`text` without what was changed; None: the file was made for it. Raises AirflowError."""
        if self.created is not None:
            return None if text == self.created else ini.without(text, self.created, file)
        for section in reversed(self.sections):
            text = _undone(text, section, file)
        return text


def _place(folder: Path, file: Path) -> Path:
    return folder / f"{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]}.json"


def _changed(original: str, text: str, gaps: Mapping[str, str], file: Path) -> list[Section]:
    """The sections of `text` that differ from those of the original: the ones that were edited, then the appended ones."""
    names = ini.differing(original, text, file)
    appended: list[Section] = []
    for name in reversed([name for name in names if ini.find(original, name) is None]):
        whole = ini.section_text(text, name) or ""
        section = Section(name=name, before=None, after=whole, gap=gaps.get(name, ""))
        text = ini.cut(text, name, section.gap + section.after) or text
        appended.insert(0, section)
    edited = []
    for name in names:
        before, after = ini.section_text(original, name), ini.section_text(text, name)
        if before is not None and after is not None and before != after:
            edited.append(Section(name=name, before=before, after=after))
    return edited + appended


def _undone(text: str, section: Section, file: Path) -> str:
    if section.before is None:
        shorter = ini.cut(text, section.name, section.gap + section.after)
        return shorter if shorter is not None else ini.without(text, section.after, file)
    span = ini.find(text, section.name)
    if span is None:
        return text
    tail, ending = text[span.end :], ini.newline(section.after)
    if text[span.start :] != ini.joined(section.after, tail, ending):
        return ini.reverted(text, section.name, section.after, section.before, file)
    return text[: span.start] + ini.joined(section.before, tail, ending)
