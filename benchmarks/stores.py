"""Reading many secrets: our stores against hvac, and against Airflow's own backends.

Each way reads the same secrets from the same server in a process of its own; the time is from its first request to its
last answer, imports left out. Airflow's backends and hvac read one after another, as they are used; of those ways, `SAMPLED` secrets
are read and the time of all is that, scaled. The distance is a proxy that holds each answer back.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.frame import ROOT, Figure, failed, output
from tests.systems import delaying_proxy, openbao, secret_manager
from tests.systems.server import write_private

COUNT, MANY = 1_000, 10_000
SAMPLED = 100
DISTANCE = 0.02  # seconds that each answer takes longer
ROUNDS = 2
WAYS = {"airflow": "Airflow's backend", "hvac": "hvac"}
BOUNDS = {("hvac", "vault", "20 ms away"): 15, ("airflow", "google_secret_manager", "loopback"): 10}
VALUE = {"conn_type": "postgres", "host": "db", "login": "etl", "password": "a password of ordinary length"}


@dataclass(frozen=True)
class Server:
    """A server with secrets `c0`, `c1`, … below `connections`, and what leads a child to it."""

    kind: str
    options: Mapping[str, Any]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Read:
    """Seconds for all secrets, and bytes of memory for each."""

    seconds: float
    memory: float


def measure(folder: Path) -> list[Figure]:
    """Both servers, near and far away."""
    figures = []
    for serving in (_vault, _google):
        with serving(folder) as (near, far):
            figures += [*_compare("loopback", near), *_compare(f"{DISTANCE * 1000:.0f} ms away", far), *_grow(near)]
    return figures


def _compare(place: str, server: Server) -> list[Figure]:
    ways = ["airflow", *(["hvac"] if server.kind == "vault" else [])]
    reads = _best(server, ("ours", COUNT), *((way, SAMPLED) for way in ways))
    ours = reads["ours", COUNT].seconds
    return [
        Figure(
            f"{COUNT:,} secrets of {server.kind}, {place}",
            ours,
            f"{WAYS[way]}, one after another",
            reads[way, SAMPLED].seconds * COUNT / SAMPLED,
            faster=BOUNDS.get((way, server.kind, place)),
        )
        for way in ways
    ]


def _grow(server: Server) -> list[Figure]:
    few, many = _best(server, ("ours", COUNT), ("ours", MANY)).values()
    what, against = (f"{count:,} secrets of {server.kind}" for count in (MANY, COUNT))
    return [
        Figure(what, many.seconds, against, few.seconds, at_most=MANY / COUNT),
        Figure(f"{what}: memory of each", many.memory, against, few.memory, at_most=1, unit="bytes"),
    ]


def _best(server: Server, *runs: tuple[str, int]) -> dict[tuple[str, int], Read]:
    """The quickest of each way's rounds; they take turns."""
    reads = [{each: _run(*each, server) for each in runs} for _ in range(ROUNDS)]
    return {each: min((read[each] for read in reads), key=lambda read: read.seconds) for each in runs}


def _run(way: str, count: int, server: Server) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder, "plan.json")
        write_private(plan, json.dumps({"kind": server.kind, "options": server.options, "folder": folder}))
        command = (sys.executable, "-m", "benchmarks.stores", way, str(count), str(plan))
        printed = output(*command, cwd=str(ROOT), **server.environment, AIRFLOW_HOME=folder, PYTHONWARNINGS="ignore")
    return Read(**json.loads(printed.splitlines()[-1]))


def _read(way: str, count: int, plan: dict[str, Any]) -> dict[str, Any]:
    """Be one of the ways: read so many secrets, each of which must be there."""
    logging.disable()
    names = [f"c{index}" for index in range(count)]
    read = {"ours": _ours, "hvac": _hvac, "airflow": _airflow}[way](plan)
    process = psutil.Process()
    before = process.memory_info().rss
    began = time.perf_counter()
    found = read(names)
    seconds = time.perf_counter() - began
    missing = [name for name, value in zip(names, found, strict=True) if VALUE["password"] not in str(value)]
    if missing:
        failed(f"{way} did not find {missing[:3]}")
    return {"seconds": seconds, "memory": (process.memory_info().rss - before) / count}


Reader = Callable[[list[str]], list[Any]]


def _ours(plan: dict[str, Any]) -> Reader:
    from bootstrap import plugins
    from bootstrap.stores.base import Context, Stored, read_many
    from bootstrap.stores.kind import StoreKind

    kind = plugins.STORES.get(plan["kind"], StoreKind)
    options = kind.Options.model_validate(plan["options"])

    def read(names: list[str]) -> list[Any]:
        store = kind.open_store(options, Context("bench", Path(plan["folder"])))
        places = [(f"connections{store.separator}{name}", None) for name in names]
        found = read_many("bench", store, places)
        return [item.value.unmasked() if isinstance(item, Stored) else item for item in found.values()]

    return read


def _hvac(plan: dict[str, Any]) -> Reader:
    import hvac

    token = Path(plan["options"]["auth"]["token"]["file"]).read_text()

    def read(names: list[str]) -> list[Any]:
        kv = hvac.Client(url=plan["options"]["url"], token=token).secrets.kv.v2
        return [kv.read_secret_version(f"connections/{name}", raise_on_deleted_version=True)["data"] for name in names]

    return read


def _airflow(plan: dict[str, Any]) -> Reader:
    from importlib import import_module

    from bootstrap import plugins
    from bootstrap.stores.base import BackendPaths, Context
    from bootstrap.stores.kind import ReadByAirflow, StoreKind

    options = plugins.STORES.get(plan["kind"], StoreKind).Options.model_validate(plan["options"])
    made = plugins.STORES.get(plan["kind"], ReadByAirflow).airflow_backend(
        options, BackendPaths("connections", None, None), Context("bench", Path(plan["folder"]))
    )
    name, _, class_name = made.backend_class.rpartition(".")
    backend_class = getattr(import_module(name), class_name)

    def read(names: list[str]) -> list[Any]:
        backend = backend_class(**made.kwargs)
        return [backend.get_conn_value(name) for name in names]

    return read


@contextmanager
def _vault(folder: Path) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        bao = stack.enter_context(openbao.running(folder / "openbao"))
        kv = bao.client().secrets.kv.v2
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda index: kv.create_or_update_secret(f"connections/c{index}", VALUE), range(MANY)))
        write_private(folder / "token", bao.root_token)
        auth = {"method": "token", "token": {"file": str(folder / "token")}}
        near = Server("vault", {"kind": "vault", "url": bao.url, "mount": "secret", "auth": auth}, {})
        port = stack.enter_context(delaying_proxy.running(int(bao.url.rpartition(":")[2]), DISTANCE))
        yield near, replace(near, options={**near.options, "url": f"http://127.0.0.1:{port}"})


@contextmanager
def _google(folder: Path) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        server = stack.enter_context(secret_manager.running())
        for index in range(MANY):
            server.put("proj", f"connections-c{index}", json.dumps(VALUE))
        write_private(folder / "key.json", json.dumps(server.service_account()))
        auth = {"method": "key_file", "file": str(folder / "key.json")}
        options = {"kind": "google_secret_manager", "project": "proj", "auth": auth}
        near = Server("google_secret_manager", options, server.environment)
        proxy = server.environment["https_proxy"]
        port = stack.enter_context(delaying_proxy.running(urlsplit(proxy).port or 0, DISTANCE))
        far = {name: value.replace(proxy, f"http://127.0.0.1:{port}") for name, value in server.environment.items()}
        yield near, replace(near, environment=far)


if __name__ == "__main__":  # one of the ways, in its own process
    print(json.dumps(_read(sys.argv[1], int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))))
