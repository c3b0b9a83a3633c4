"""A program of the user's that is asked over stdin and stdout: one JSON object each way, and a secret nowhere else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bootstrap.errors import IssuerDenied, IssuerUnavailable
from bootstrap.model import Model
from bootstrap.secret import redact

VERSION = 1
_SHOWN = 300  # characters of what it said
_Answer = TypeVar("_Answer", bound=Model)


class Error(Model):
    """What a program says that it could not do: `denied` means that nothing was done, `unavailable` that nobody knows."""

    kind: str
    message: str
    hint: str = ""


class Failure(Model):
    """An answer that is an error."""

    error: Error


@dataclass(frozen=True)
class Program:
    """`argv` as the manifest has it; a first word with a slash in it is a path in `folder`."""

    argv: Sequence[str]
    folder: Path
    timeout: float  # seconds for one answer

    @property
    def name(self) -> str:
        """For people."""
        return Path(self.argv[0]).name

    def ask(self, request: Mapping[str, Any], kind: type[_Answer]) -> _Answer:
        """Its answer. Raises IssuerDenied if it says so; IssuerUnavailable for whatever else is no answer."""
        action = request["action"]
        text = self._run(json.dumps({"version": VERSION, **request}), f"{self.name}: {action}")
        try:
            failure = Failure.model_validate_json(text).error
        except ValidationError:
            return self._answer(text, kind, action)
        error = IssuerDenied if failure.kind == "denied" else IssuerUnavailable
        raise error(redact(f"{self.name}: {action}: {failure.message}"), redact(failure.hint))

    def _answer(self, text: str, kind: type[_Answer], action: str) -> _Answer:
        try:
            return kind.model_validate_json(text)
        except ValidationError as err:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}"
                for each in err.errors(include_input=False, include_url=False)
            )
        message = (
            f"{self.name}: {action}: not an answer that was expected: {wrong}"  # never the answer: it may hold a key
        )
        raise IssuerUnavailable(message, "docs/rotation.md has the protocol")

    def _run(self, stdin: str, what: str) -> str:
        try:
            process = subprocess.Popen(
                [self._command(), *self.argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                start_new_session=True,
            )
        except OSError as err:
            raise IssuerDenied(
                f"{what}: can't start {self.argv[0]}: {err.strerror}", "check its path and that it may be run"
            ) from err
        with process:
            try:
                out, said = process.communicate(stdin.encode(), timeout=self.timeout)
            except subprocess.TimeoutExpired as err:
                os.killpg(process.pid, signal.SIGKILL)
                raise IssuerUnavailable(f"{what}: no answer in {self.timeout:g} s", "a longer `timeout:`") from err
        if process.returncode != 0:
            lines = redact(said.decode(errors="replace")).strip().splitlines()
            last = lines[-1][-_SHOWN:] if lines else "it said nothing"
            raise IssuerUnavailable(
                f"{what}: exit code {process.returncode}: {last}", f"try it by hand: {self.argv[0]}"
            )
        return out.decode(errors="replace")

    def _command(self) -> str:
        first = self.argv[0]
        return str(self.folder.absolute() / Path(first).expanduser()) if "/" in first else first
