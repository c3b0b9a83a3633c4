"""What the tests of AWS's checks have in common: a server that checks keys and policies, and all that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checks.bench import Cell, secrets
from tests.systems import certificates, faulty, moto

BUCKET = "smoke"


@dataclass(frozen=True)
class Aws:
    """The server, and a connection for any policy."""

    server: moto.Moto

    def connection(self, user: str, *denied: str, **extra: Any) -> dict[str, Any]:
        policy = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        if denied:
            policy.append({"Effect": "Deny", "Action": list(denied), "Resource": "*"})  # type: ignore[dict-item]
        key_id, secret = self.server.mint(user, policy)
        return connection(self.server.url, key_id, secret, **extra)

    def keys(self, bucket: str = BUCKET) -> list[str]:
        found = self.server.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        return sorted(each["Key"] for each in found)


def connection(url: str, key_id: str, secret: str, **extra: Any) -> dict[str, Any]:
    extra = {"region_name": "us-east-1", "endpoint_url": url, **extra}
    return {"conn_type": "aws", "login": key_id, "password": secret, "extra": extra}


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    """Run a server with one bucket for a while."""
    with moto.running(folder) as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield Aws(server)


@contextmanager
def unreachable(good: dict[str, Any], check: Any, folder: Path, canary: str) -> Iterator[dict[str, Cell]]:
    """What any check of AWS's can meet on the way."""
    made = certificates.make(folder)
    with ExitStack() as stack:
        closed = stack.enter_context(faulty.refused())
        silent = stack.enter_context(faulty.silent())
        expired = stack.enter_context(faulty.https(made.expired))
        self_signed = stack.enter_context(faulty.https(made.self_signed))
        trusted = {"verify": str(made.ca)}

        def at(url: str, **extra: Any) -> dict[str, Any]:
            return connection(url, good["login"], canary, **extra)

        yield {
            "refused": Cell(at(f"http://127.0.0.1:{closed[1]}"), check, "reach", "connection_refused"),
            "dns": Cell(at("http://no-such-host.invalid"), check, "reach", "dns", says="no-such-host"),
            "silent": Cell(at(f"http://127.0.0.1:{silent[1]}"), check, "authenticate", "timeout"),
            "expired": Cell(at(f"https://127.0.0.1:{expired[1]}", **trusted), check, "reach", "tls", says="expired"),
            "self_signed": Cell(at(f"https://127.0.0.1:{self_signed[1]}"), check, "reach", "tls", says="self-signed"),
            **secrets({**good, "password": canary}, check),
        }
