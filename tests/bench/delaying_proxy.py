"""A TCP proxy that delays what it passes on to the server: the network between a worker and its database."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from compose.embedded.ports import LOOPBACK

_CHUNK_BYTES: Final = 65536


@contextmanager
def delaying_proxy(port: int, seconds: float) -> Iterator[int]:
    """Listens on loopback for a server at `port` there; each round trip takes so many seconds more. Yields its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="delaying proxy", daemon=True)
    thread.start()
    proxy = _Proxy(port, seconds)
    try:
        yield asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Proxy:
    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._port)
        for passing in (_pass_on(reader, server_writer, self._seconds), _pass_on(server_reader, writer, 0.0)):
            task = asyncio.create_task(passing)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Passes on each piece so many seconds after it came; later pieces do not wait for earlier ones' delays."""
    loop, pieces = asyncio.get_running_loop(), deque[bytes]()

    def write_next() -> None:
        if piece := pieces.popleft():
            writer.write(piece)
        else:
            writer.close()

    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            pieces.append(data)
            loop.call_later(seconds, write_next)
    pieces.append(b"")
    loop.call_later(seconds, write_next)
