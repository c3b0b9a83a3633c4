"""What the user sees. Data goes to stdout, everything else to stderr.

Messages come with their foreign parts masked; `safety_net` goes over all of it once more. Nothing is read as markup.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from bootstrap.domain.secret import safe_json, safety_net
from bootstrap.errors import BootstrapError
from bootstrap.util.human import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.text import Text

WIDTH = 110  # columns where there is no terminal to ask
_STYLES = {"error": "31", "warning": "33", "hint": "36"}
_SERVICES = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")  # that take commands from a log
_COMMAND = re.compile(r"^(?=[^\S\n]*::)|(?<=##)(?=\w*\[)", re.MULTILINE)
_BREAK = "\u200b"  # shows as nothing


@dataclass(frozen=True)
class Console:
    """Prints. Knows nothing of what it prints."""

    quiet: bool = False
    verbose: bool = False
    color: bool = True
    log_format: Literal["text", "json"] = "text"

    def data(self, text: str) -> None:
        """The result of a command, to stdout."""
        sys.stdout.write(fit(text))
        sys.stdout.flush()

    def reveal(self, text: str) -> None:
        """The result of a command as it is, in UTF-8: in another encoding, a secret could lose a letter.

        Also for JSON that is masked value by value already: a mask over its text could break it.
        """
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """What happens, unless --quiet."""
        if not self.quiet:
            self._log("info", text)

    def important(self, text: str) -> None:
        """What a question or a decision is about, also with --quiet."""
        self._log("info", text)

    def detail(self, text: str) -> None:
        """For whoever looks for a cause: with --verbose only."""
        if self.verbose:
            self._log("debug", text)

    def warn(self, text: str) -> None:
        """What the user should know, also with --quiet."""
        self._log("warning", text)

    def error(self, err: BootstrapError) -> None:
        """A failure and the next step."""
        if self.log_format == "json":
            self._log("error", err.message, hint=err.hint)
            return
        self._log("error", err.message)
        if err.hint:
            self._write(f"{self._styled('hint', 'next:')} {fit(err.hint)}")

    def rich(self, file: IO[str] | None = None) -> RichConsole:
        """A rich console with the same settings, for tables."""
        from rich.console import Console as RichConsole

        target = file or sys.stdout
        width = None if target.isatty() else WIDTH
        return RichConsole(
            file=target, no_color=not self.color, width=width, highlight=False, markup=False, emoji=False
        )

    def _log(self, level: str, text: str, **more: str) -> None:
        if self.log_format == "json":
            from datetime import datetime, timezone

            now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            fields = {key: value for key, value in more.items() if value}
            self._write(safe_json({"time": now, "level": level, "message": text, **fields}, None).rstrip("\n"))
            return
        label = f"{self._styled(level, level)}: " if level in _STYLES else ""
        self._write(label + fit(text))

    def _styled(self, style: str, text: str) -> str:
        colored = self.color and sys.stderr.isatty()
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colored else text

    @staticmethod
    def _write(line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def fit(text: str) -> str:
    """`text` as a terminal or a log may have it: nothing in it is a command, to a CI service neither."""
    shown = printable(safety_net(text))
    return _COMMAND.sub(_BREAK, shown) if any(map(os.environ.get, _SERVICES)) else shown


def cell(text: str, style: str = "") -> Text:
    """A text in one of rich's tables, which takes it as it is."""
    from rich.text import Text

    return Text(printable(safety_net(text)), style)


def wants_color() -> bool:
    """NO_COLOR (no-color.org) turns colour off, whatever its value."""
    return not os.environ.get("NO_COLOR")
