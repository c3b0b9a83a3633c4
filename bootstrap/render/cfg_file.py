"""Writes the managed options into airflow.cfg and removes them again, without touching another byte."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from bootstrap.domain.secret import MASK, foreign
from bootstrap.errors import AirflowError
from bootstrap.render import ini, shadows
from bootstrap.render.settings import Settings
from bootstrap.render.shadows import Managed, Place, Shadowed
from bootstrap.render.undo_record import Record
from bootstrap.util.file_cache import remembered
from bootstrap.util.files import PRIVATE_FILE, file_mode, folder_locked, write_atomic
from bootstrap.util.special_files import is_special
from bootstrap.util.templates import folder_of
from bootstrap.util.templates import render as render_template

TEMPLATE = "airflow.cfg.j2"
_WRITABLE = 0o200
_OF_OTHERS = 0o077


@dataclass(frozen=True)
class Rendering:
    """airflow.cfg as it is (None: there is no such file) and as it should be (None: it should not be there).

    `private`: a credential stands in it, so that nobody else may read it. `gaps`: see ini.Edit.
    `shadows`: what would be left that Airflow reads before a managed option.
    """

    file: Path
    before: str | None
    after: str | None
    private: bool = False
    gaps: Mapping[str, str] = field(default_factory=dict)
    shadows: Sequence[Place] = ()

    @property
    def changed(self) -> bool:
        """True if the file differs from the manifest, or others may read a file that holds a credential."""
        return self.before != self.after or (self.private and bool(file_mode(self.file) & _OF_OTHERS))

    def diff(self) -> str:
        """A unified diff without context; '' when nothing changes. What is or may be a secret is masked on both sides."""
        import difflib

        from bootstrap.render.cfg_masking import lines_of, masked

        before, after = self.before or "", self.after or ""
        old, new = masked(before), masked(after)
        matcher = difflib.SequenceMatcher(None, lines_of(before), lines_of(after))
        lines = [f"--- {self.file}\n", f"+++ {self.file} (rendered)\n"]
        for action, start, end, new_start, new_end in matcher.get_opcodes():
            if action == "equal":
                continue
            removed = old[start:end]
            lines.append(f"@@ -{_range(start, end)} +{_range(new_start, new_end)} @@\n")
            lines += [f"-{line}" for line in removed]
            for line in new[new_start:new_end]:  # two secrets look the same
                noted = line.replace(MASK, f"{MASK} (another value)", 1) if line in removed else line
                lines.append(f"+{noted}")
        ended = (line if line.endswith("\n") else f"{line}\n" for line in lines)
        return "".join(ended) if before != after else ""


def _range(start: int, end: int) -> str:
    """As diff writes it: of no line, the one before."""
    return f"{start + 1}" if end - start == 1 else f"{start + (end > start)},{end - start}"


def text(settings: Settings) -> str:
    """The managed options as a file of their own."""

    def rendered() -> str:
        return render_template(TEMPLATE, settings=settings).lstrip("\n")

    if settings.cache is None or settings.inline:
        return rendered()
    backends = [served and [served.backend_class, served.kwargs] for served in (settings.secrets, settings.workers)]
    asked = [*backends, settings.use_cache, settings.cache_ttl_seconds, settings.config]  # all that the template sees
    files = [str(folder_of(TEMPLATE) / TEMPLATE)]
    found: str = remembered(settings.cache, "airflow-cfg", asked, lambda: (rendered(), files))
    return found


def values(settings: Settings) -> dict[str, dict[str, str]]:
    """The managed options as Airflow reads them."""
    written = ini.values(text(settings), TEMPLATE)
    return {
        section: {option: value.replace("%%", "%") for option, value in options.items()}
        for section, options in written.items()
        if section != "DEFAULT"
    }


def render(settings: Settings, file: Path, *, replace_deprecated: bool = False) -> Rendering:
    """What `file` would be with the managed options in it. Reads the file, writes nothing.

    Raises AirflowError; Shadowed for an option in [DEFAULT], which can't be taken out. `replace_deprecated`: without the options at deprecated places that Airflow would read in place of those.
    """
    fresh = text(settings)
    before = _read(file)
    if before is None:
        return Rendering(file, None, fresh, settings.inline)
    places = shadows_in(settings, before, file)
    wanted = _wanted(settings, fresh, before, file)
    if any(place.is_default for place in places):
        require_no_shadow(Rendering(file, before, before, shadows=places))
    if replace_deprecated:
        for place in places:
            wanted.setdefault(place.section, {})[place.option] = None
        places = []
    if ini.holds(before, wanted, file):
        return Rendering(file, before, before, settings.inline, shadows=places)
    sections = {name: ini.section_text(fresh, name) for name in ini.values(fresh, TEMPLATE)}
    new = {name: section.rstrip("\n") + "\n" for name, section in sections.items() if section is not None}
    edit = ini.edited(before, wanted, new, file)
    return Rendering(file, before, edit.text, settings.inline, edit.gaps, places)


def require_no_shadow(rendering: Rendering) -> None:
    """Raises Shadowed if something is left that Airflow reads before a managed option."""
    if rendering.shadows:
        hint = "airflow-bootstrap render --replace-deprecated  # takes it out"
        if by_hand := [place.option for place in rendering.shadows if place.is_default]:
            hint = f"take {by_hand[0]} out of [DEFAULT] by hand: it stands in every section"
        raise Shadowed(f"{rendering.file}: {'; '.join(map(str, rendering.shadows))}", hint)


def shadows_in(settings: Settings, before: str, file: Path) -> list[Place]:
    """What Airflow would read before the managed options if they stood in this text."""
    return shadows.in_file(managed(settings), settings, before, file)


def managed(settings: Settings) -> Iterator[Managed]:
    """The options that the manifest decides."""
    return shadows.managed(settings, values(settings))


def remove(settings: Callable[[], Settings], file: Path, records: Path) -> Rendering:
    """What `file` would be without the managed options: as it was before the first `render`, as far as that is known.

    An option that somebody changed since stays as it is. `settings` are only asked for where nothing is known: then
    what has their values goes. Raises AirflowError.
    """
    before = _read(file)
    if before is None:
        return Rendering(file, None, None)
    record = Record.load(records, file)
    if record is not None:
        return Rendering(file, before, record.undone(before, file))
    return Rendering(file, before, ini.without(before, text(settings()), file))


def write(rendering: Rendering, records: Path, *, backup: bool = False) -> Path | None:
    """Replace the file in one step; its mode stays, unless a credential stands in it; a new file is 0600.

    What it was is kept in the folder `records`, for `remove`. Returns the backup's path. Raises AirflowError, Busy.
    """
    file = rendering.file
    try:
        if is_special(file):
            write_atomic(file, rendering.after or "")
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        with folder_locked(file.resolve().parent, busy=f"another run writes {file}"):
            return _replace(rendering, records, backup=backup)
    except OSError as err:
        hint = "check the permissions of the file and its folder"
        raise AirflowError(f"can't write {file}: {err.strerror}", hint) from err


def restore(rendering: Rendering, records: Path) -> None:
    """Undo a `write`: the file is what it was before. Raises AirflowError."""
    write(Rendering(rendering.file, rendering.after, rendering.before), records)


def _replace(rendering: Rendering, records: Path, *, backup: bool) -> Path | None:
    file = rendering.file
    if _read(file) != rendering.before:
        raise AirflowError(f"{file} was changed meanwhile", "run this again")
    mode = file_mode(file, PRIVATE_FILE)
    if rendering.before is not None and not mode & _WRITABLE:
        raise AirflowError(f"{file} is read-only", f"chmod u+w {file}, if it may be changed")
    kept = None
    if backup and rendering.before is not None:  # nobody else may read the copy: a credential could stand in it
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        kept = file.with_name(f"{file.name}.{now}.bak")
        write_atomic(kept, rendering.before)
    if rendering.after is None:
        file.resolve().unlink(missing_ok=True)
        Record.forget(records, file)
        return kept
    record = Record.made(records, file, rendering.before, ini.Edit(rendering.after, rendering.gaps))
    if not record.is_empty:  # a run that is killed here has told what it was about to change
        record.save()
    write_atomic(file, rendering.after, mode=mode & ~_OF_OTHERS if rendering.private else mode)
    if record.is_empty:
        Record.forget(records, file)
    return kept


def _read(file: Path) -> str | None:
    """None where there is no file, or one that nothing can be read back from."""
    if is_special(file):
        return None
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        raise AirflowError(f"can't read {file}: {foreign(err)}", "check its permissions and that it is UTF-8") from err


def require_readable(file: Path) -> None:
    """Raises AirflowError for a file that Airflow can't read: by its encoding, or as no ini file."""
    text = _read(file) or ""
    if text.startswith(ini.BOM):
        fix = f"save it as UTF-8 without one: sed -i '1s/^\\xEF\\xBB\\xBF//' {shlex.quote(str(file))}"
        raise AirflowError(f"{file} begins with a byte order mark (BOM), and Airflow can't read it", fix)
    ini.values(text, file)


def _wanted(settings: Settings, fresh: str, before: str, file: Path) -> dict[str, dict[str, str | None]]:
    """The managed options as they must stand in the file; None: must not be there.

    A backend for workers alone that the manifest doesn't know would take them elsewhere: it is emptied.
    """
    wanted: dict[str, dict[str, str | None]] = {
        name: dict(options) for name, options in ini.values(fresh, TEMPLATE).items() if name != "DEFAULT"
    }
    for section, absent in settings.absent.items():
        wanted[section] |= dict.fromkeys(absent)
    if settings.secrets is not None and settings.workers is None and settings.release.workers:
        found = ini.section_values(before, "workers", file)
        filled = [option for option in ("secrets_backend", "secrets_backend_kwargs") if found.get(option)]
        if filled:
            wanted["workers"] = {**wanted.get("workers", {}), **dict.fromkeys(filled, "")}
    return wanted
