"""A proxy on loopback that makes a server as far away as a real one: what it answers arrives later."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from typing import TYPE_CHECKING

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_CHUNK = 65536
_START_SECONDS = 30.0


@contextlib.contextmanager
def running(target_port: int, delay: float) -> Iterator[int]:
    """Lead to `target_port` for a while, each round trip `delay` seconds longer; yield the port.

    It runs in a process of its own, so that it takes no time from those who are measured.
    """
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_serve, args=(target_port, delay, its), daemon=True)
    process.start()
    try:
        if not ours.poll(_START_SECONDS):
            message = "the delaying proxy did not start"
            raise TimeoutError(message)
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
        ours.close()
        its.close()


def _serve(target_port: int, delay: float, its: Connection) -> None:
    asyncio.run(_run(target_port, delay, its))


async def _run(target_port: int, delay: float, its: Connection) -> None:
    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(HOST, target_port)
            try:
                await asyncio.gather(_copy(reader, up_writer, 0.0), _copy(up_reader, writer, delay))
            finally:
                up_writer.close()
        writer.close()

    server = await asyncio.start_server(lead, HOST, 0, backlog=256)
    its.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write each chunk `delay` seconds after it came, however many are on their way, and then the end."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def end() -> None:
        writer.close()
        done.set_result(None)

    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            if delay:
                loop.call_later(delay, writer.write, chunk)
            else:
                writer.write(chunk)
    loop.call_later(delay, end)
    await done
