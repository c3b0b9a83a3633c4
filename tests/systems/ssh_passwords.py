"""A stand-in for an SSH server that asks for a password, in this process: paramiko's server side.

OpenSSH checks passwords against the machine's accounts, which tests leave alone. Commands run as the
current user; SFTP sees one folder, and parts of it can be denied.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import io
import os
import signal
import socketserver
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko  # type: ignore[import-untyped]

from . import ssh_keys
from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REPLY_SECONDS = 0.05


@dataclass(frozen=True)
class SshServer:
    """A running server. SFTP's / is `root`; a path below one in `denied` ("/private") may not be touched.

    `host_key` is its public key, "ssh-ed25519 AAAA…"; `private_key` is OpenSSH's text of a key that it lets in too.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    host_key: str
    private_key: str = field(repr=False)
    root: Path
    denied: set[str] = field(default_factory=set)


@contextlib.contextmanager
def running(folder: Path, user: str, password: str) -> Iterator[SshServer]:
    """Serve for a while, with `root` in `folder`."""
    root = folder.resolve() / "root"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    host, own = ssh_keys.new(), ssh_keys.new()
    with _Listener(host) as listener:
        port = listener.server_address[1]
        made = SshServer(HOST, port, user, password, host.public, own.private, root)
        listener.known = made
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown()
            thread.join()


class _Listener(socketserver.TCPServer):
    known: SshServer

    def __init__(self, host_key: ssh_keys.Key) -> None:
        super().__init__((HOST, 0), socketserver.BaseRequestHandler)
        self.host_key = _parsed(host_key.private)
        self.sessions: list[Any] = []
        self.commands: list[subprocess.Popen[bytes]] = []

    def process_request(self, request: Any, _: Any) -> None:
        """Leave the connection to a thread of paramiko's."""
        session = paramiko.Transport(request)
        session.add_server_key(self.host_key)
        session.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self.known)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            session.start_server(event=threading.Event(), server=_Login(self.known, self.commands))
        self.sessions.append(session)

    def server_close(self) -> None:
        super().server_close()
        for each in self.sessions:
            each.close()
        for command in self.commands:
            _kill(command)


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    """Who may log in, and what a session may ask for."""

    def __init__(self, known: SshServer, commands: list[subprocess.Popen[bytes]]) -> None:
        self.known, self.commands = known, commands
        self.public_key = _parsed(known.private_key)

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 (paramiko's signature)
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> Any:
        right = hmac.compare_digest(password.encode(), self.known.password.encode())
        return _verdict(right and username == self.known.user)

    def check_auth_publickey(self, username: str, key: Any) -> Any:
        return _verdict(key.asbytes() == self.public_key.asbytes() and username == self.known.user)

    def check_channel_request(self, kind: str, chanid: int) -> Any:  # noqa: ARG002
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        arguments = (channel, command, self.known.root, self.commands)
        threading.Thread(target=_run, args=arguments, daemon=True).start()
        return True


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    """SFTP for one folder; an OSError is answered as what it is."""

    def __init__(self, server: Any, known: SshServer) -> None:
        super().__init__(server)
        self.known = known

    def list_folder(self, path: str) -> Any:
        return _answer(lambda: [_attributes(each) for each in sorted(self._real(path).iterdir())])

    def stat(self, path: str) -> Any:
        return _answer(lambda: _attributes(self._real(path)))

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:  # noqa: ARG002
        return _answer(lambda: self._opened(path, flags))

    def remove(self, path: str) -> Any:
        return _answer(lambda: self._real(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> Any:
        return _answer(lambda: self._real(oldpath).rename(self._real(newpath)))

    posix_rename = rename

    def mkdir(self, path: str, attr: Any) -> Any:  # noqa: ARG002
        return _answer(lambda: self._real(path).mkdir())

    def rmdir(self, path: str) -> Any:
        return _answer(lambda: self._real(path).rmdir())

    def chattr(self, path: str, attr: Any) -> Any:
        return _answer(lambda: paramiko.SFTPServer.set_file_attr(str(self._real(path)), attr))

    def _opened(self, path: str, flags: int) -> Any:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        descriptor = os.open(self._real(path), flags | os.O_NOFOLLOW, 0o600)
        handle = _File(flags)
        file = os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb" if writes else "rb", buffering=0)
        handle.readfile = handle.writefile = file
        return handle

    def _real(self, path: str) -> Path:
        """Return the file that a client's path means. Raises PermissionError for one that is denied."""
        wanted: str = self.canonicalize(path)
        if any(f"{wanted}/".startswith(f"{each}/") for each in self.known.denied):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), wanted)
        return Path(self.known.root, wanted.lstrip("/"))


class _File(paramiko.SFTPHandle):  # type: ignore[misc]
    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _answer(work: Callable[[], Any]) -> Any:
    """Do it; return its result, or the SFTP status that goes with it."""
    try:
        result = work()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)
    return paramiko.SFTP_OK if result is None or isinstance(result, Path) else result


def _attributes(file: Path) -> Any:
    return paramiko.SFTPAttributes.from_stat(file.lstat(), file.name)


def _run(channel: Any, command: bytes, folder: Path, commands: list[subprocess.Popen[bytes]]) -> None:
    """Run a command in `folder`, with no input, and send what it says and its exit code."""
    time.sleep(_REPLY_SECONDS)  # paramiko must say first that the command is accepted, and doesn't tell when it has
    argv: list[str | bytes] = ["/bin/sh", "-c", command]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with contextlib.suppress(OSError), channel:  # the client may leave
        with subprocess.Popen(
            argv, cwd=folder, start_new_session=True, stdin=nothing, stdout=pipe, stderr=pipe
        ) as process:
            commands.append(process)
            out, err = process.communicate()
        channel.sendall(out)
        channel.sendall_stderr(err)
        code = process.returncode
        channel.send_exit_status(code if code >= 0 else 128 - code)  # of a signal, as a shell says it


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command, and what it started, if it runs still."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _verdict(right: bool) -> Any:  # noqa: FBT001
    return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED


def _parsed(private: str) -> Any:
    return paramiko.Ed25519Key.from_private_key(io.StringIO(private))
