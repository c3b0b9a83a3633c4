"""A stand-in for AWS that checks keys and permissions, from the moto[server] package."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from filelock import FileLock

from .process import HOST, accepts, wait_for_port
from .server import Server, clean_env, on_free_port, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LAUNCHER = Path(__file__).with_name("moto_launcher.py")
_SECONDS = 60.0
_REGION = "us-east-1"
_KEYS_PER_USER = 2  # IAM's quota, which moto keeps
_ALLOW_ALL = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
_REQUESTS_PER_KEY = 5  # at most, in `_mint`
_REFUSALS = ("InvalidClientTokenId", "SignatureDoesNotMatch")
# How botocore finds a setting: its name in the file, its variables, its default, its type.
_NO_PROFILE: dict[str, tuple[None, list[str], None, None]] = {"profile": (None, [], None, None)}


@dataclass(frozen=True)
class _State:
    """The port of a server, and the key that makes other keys, once there is one."""

    port: int
    key_id: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Moto:
    """A running server; `folder` has its state and log."""

    url: str
    folder: Path

    def mint(self, user: str = "airflow", policy: Sequence[Mapping[str, Any]] = _ALLOW_ALL) -> tuple[str, str]:
        """Return a new access key of this IAM user: its id and its secret.

        The user is made at need, and may do from now on what the statements of `policy` say: without, everything.
        A user has two keys at most, as with AWS: where there are two, the older one is deleted.
        """
        return _mint(self.client("iam"), user, policy)

    def client(self, service: str) -> Any:
        """Return the administrator's boto3 client of a service."""
        state = _state(self.folder)
        return _client(service, self.url, state.key_id, state.secret)

    def stop(self) -> None:
        """End the server, which forgets everything."""
        stop(self.folder)


def start(folder: Path) -> Moto:
    """Start the server whose port is in `folder`, made if it is missing, unless it runs already.

    It outlives us, until `stop`. What it holds is in memory; its port stays if that is still free.
    Every request must be signed with a key from `mint`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    with _locked(folder):
        state = _running(folder) or on_free_port(partial(_start, folder), _known_port(folder))
        if not state.key_id:
            state = _with_administrator(state)
            _save(folder, state)
    return Moto(_url(state.port), folder)


def stop(folder: Path) -> None:
    """End the server of `folder`, if it runs."""
    folder = folder.resolve()
    if _state_file(folder).exists():
        with _locked(folder):
            _server(folder, _state(folder).port).stop()


def accepts_key(url: str, key_id: str, secret: str) -> bool:
    """Tell whether the server at `url` knows this access key; asks sts:GetCallerIdentity."""
    from botocore.exceptions import ClientError

    try:
        _client("sts", url, key_id, secret).get_caller_identity()
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSALS:
            return False
        raise
    return True


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Moto]:
    """Run a server for a while."""
    try:
        yield start(folder)
    finally:
        stop(folder)


def _running(folder: Path) -> _State | None:
    """Return the state of the server if it runs, ready: whoever started it may have been killed."""
    if not _state_file(folder).exists():
        return None
    state = _state(folder)
    pid = _server(folder, state.port).pid
    if pid is None:
        return None
    wait_for_port(HOST, state.port, _SECONDS, pid)
    return state


def _start(folder: Path, port: int) -> _State:
    state = _State(port)
    _save(folder, state)
    _server(folder, port).start(lambda _: accepts(HOST, port), _SECONDS)
    return state


def _server(folder: Path, port: int) -> Server:
    address = ("-H", HOST, "-p", str(port))
    return Server(
        name="moto",
        folder=folder,
        argv=(sys.executable, "-I", str(_LAUNCHER), *address),  # -I: our folder has modules with common names
        needle=" ".join((_LAUNCHER.name, *address)),
        env=clean_env(HOME=str(folder), INITIAL_NO_AUTH_ACTION_COUNT="0"),
    )


def _with_administrator(state: _State) -> _State:
    """Make the first key: for as many requests as that takes, moto asks for none."""
    url = _url(state.port)
    _demand_keys_after(_REQUESTS_PER_KEY, url)
    try:
        key_id, secret = _mint(_client("iam", url, "none", "none"), "administrator")
    finally:
        _demand_keys_after(0, url)
    return _State(state.port, key_id, secret)


def _demand_keys_after(count: int, url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{url}/moto-api/reset-auth", data=str(count), timeout=_SECONDS)
    answer.raise_for_status()


def _mint(iam: Any, user: str, policy: Sequence[Mapping[str, Any]] = _ALLOW_ALL) -> tuple[str, str]:
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=user)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(policy)})
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=document)
    keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    for oldest in keys[: max(0, len(keys) + 1 - _KEYS_PER_USER)]:
        iam.delete_access_key(UserName=user, AccessKeyId=oldest["AccessKeyId"])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _client(service: str, url: str, key_id: str, secret: str) -> Any:
    """Return a boto3 client that heeds neither the user's AWS profile nor a proxy."""
    import boto3
    import botocore.session
    from botocore.config import Config

    session = boto3.Session(botocore_session=botocore.session.Session(_NO_PROFILE))
    return session.client(
        service,
        endpoint_url=url,
        region_name=_REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def _known_port(folder: Path) -> int | None:
    return _state(folder).port if _state_file(folder).exists() else None


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _state(folder: Path) -> _State:
    return _State(**json.loads(_state_file(folder).read_text()))


def _save(folder: Path, state: _State) -> None:
    write_private(_state_file(folder), json.dumps(asdict(state)))


def _state_file(folder: Path) -> Path:
    return folder / "moto.json"


def _locked(folder: Path) -> FileLock:
    return FileLock(folder / "moto.lock", timeout=2 * _SECONDS)
