"""A program of the user's that is asked over stdin and stdout: one JSON object each way, and a secret nowhere else.

docs/rotation-command.md has the protocol.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bootstrap.domain.secret import foreign
from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.util import children
from bootstrap.util.files import PRIVATE_FILE, expanded, state_folder
from bootstrap.util.model import Model
from bootstrap.util.processes import flock, until

VERSION = 1
PROTOCOL = "docs/rotation-command.md has the protocol"
_SHOWN = 300  # characters of what it said
_NAME = 80  # characters of its command line
_WORDS = (
    "created", "error", "expires", "fields", "hint", "id", "ids", "key", "keys", "kind", "last_used", "message",
    "sessions", "state",
)  # fmt: skip
_Answer = TypeVar("_Answer", bound=Model)


class Error(Model):
    """What a program says that it could not do: `denied` means that nothing was done, anything else that nobody knows."""

    kind: str
    message: str
    hint: str = ""


class Failure(Model):
    """An answer that is an error."""

    error: Error


@dataclass(frozen=True)
class _Done:
    """How a program ended; `code` is None if it was ended."""

    code: int | None
    out: bytes
    said: bytes


@dataclass(frozen=True)
class Program:
    """`argv` as the manifest has it; a first word with a slash in it is a path in `folder`."""

    argv: Sequence[str]
    folder: Path
    timeout: float  # seconds for one answer

    @property
    def name(self) -> str:
        """For people."""
        found = shlex.join(self.argv)
        return found if len(found) <= _NAME else f"{found[:_NAME]}…"

    def ask(self, request: Mapping[str, Any], kind: type[_Answer]) -> _Answer:
        """Its answer. Raises IssuerDenied if it says so; IssuerUnavailable for whatever else is no answer."""
        what = f"{self.name}: {request['action']}"
        with self._alone(what) as lock:
            done = self._run(json.dumps({"version": VERSION, **request}), what, lock)
        with contextlib.suppress(ValidationError):
            error = Failure.model_validate_json(done.out).error
            failure = IssuerDenied if error.kind == "denied" else IssuerUnavailable
            raise failure(f"{what}: {_line(error.message)}", _line(error.hint) or f"try it by hand; {PROTOCOL}")
        if done.code != 0:
            hidden = request["action"] == "issue" and bool(done.out.strip())  # it may have made a key, and tell it here
            lines = foreign(_without_controls(done.said.decode(errors="replace"))).strip().splitlines()
            last = _line(lines[-1]) if lines else "it said nothing"
            last = "it answered, so what else it said is not shown" if hidden else last
            raise IssuerUnavailable(f"{what}: {self._ended(done.code)}: {last}", f"try it by hand; {PROTOCOL}")
        return _parsed(what, done.out, kind)

    def _ended(self, code: int | None) -> str:
        if code is None:
            return f"no answer in {self.timeout:g} s, and it was ended"
        return f"exit code {code}" if code > 0 else f"ended by signal {-code}"

    @contextlib.contextmanager
    def _alone(self, what: str) -> Iterator[int]:
        """Yields a lock that the program inherits: where we were killed and it goes on, the next call waits for its end.

        Else it could make a key right after we were told that there is none.
        """
        name = sha256("\0".join(self.argv).encode()).hexdigest()[:16]
        try:
            lock = os.open(state_folder(self.folder) / f"program-{name}.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as err:
            message = f"{what}: can't lock it: {foreign(err)}"
            raise IssuerDenied(message, "give this user the folder .bootstrap") from err
        try:
            if not until(lambda: flock(lock), self.timeout):
                message = f"{what}: the program still runs for an earlier call"
                raise IssuerUnavailable(message, "wait until it has ended, or end it; then run this again")
            yield lock
        finally:
            os.close(lock)

    def _run(self, stdin: str, what: str, lock: int) -> _Done:
        first = self.argv[0]
        try:
            process = subprocess.Popen(
                [str(self.folder.absolute() / expanded(first)) if "/" in first else first, *self.argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                env=children.environment(),
                start_new_session=True,
                pass_fds=(lock,),
            )
        except (OSError, ValueError) as err:
            why = getattr(err, "strerror", None) or foreign(err)
            message = f"{what}: can't start {first}: {why}"
            raise IssuerDenied(message, "check its path and that it may be run") from err
        with process:
            try:
                out, said = process.communicate(stdin.encode(), timeout=self.timeout)
            except subprocess.TimeoutExpired as err:
                return _Done(None, err.stdout or b"", err.stderr or b"")
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # it, or what it left running
        return _Done(process.returncode, out, said)


def _parsed(what: str, text: bytes, kind: type[_Answer]) -> _Answer:
    """The answer. The message quotes nothing of it: it may hold a key, in the place of a name, too."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as err:
        wrong = "; ".join(
            # a key that isn't the protocol's may be a secret in the wrong place
            f"{'.'.join(str(part) if isinstance(part, int) or part in _WORDS else '…' for part in each['loc']) or 'answer'}: {each['msg']}"
            for each in err.errors(include_input=False, include_url=False, include_context=False)
        )
        raise IssuerUnavailable(f"{what}: not an answer that was expected: {wrong}", PROTOCOL) from None


def _line(text: str) -> str:
    """On one line, without what a terminal would obey."""
    return " ".join(foreign(_without_controls(text)).split())[:_SHOWN]


def _without_controls(text: str) -> str:
    """Blanks instead, so that what stood around them stays apart."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)
