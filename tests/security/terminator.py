"""Ends TLS in front of a server that cannot do it itself: the embedded PostgreSQL and MongoDB are built without.

PostgreSQL's clients ask for TLS in clear text first; a client that goes on without it is turned away.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from compose.embedded.ports import LOOPBACK, choose_port
from tests.security.authority import Certificates

#: Leads to this machine, too, and is in no certificate.
ELSEWHERE: Final = "127.0.0.2"
_SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_READ_BYTES: Final = 65_536


class TlsTerminator:
    """Listens on `port` and counts the `handshakes`."""

    def __init__(self, certificates: Certificates, server_port: int, *, asked_for: bool) -> None:
        self.port = choose_port()
        self.handshakes = 0
        self.end: Callable[[], object] = lambda: None
        self._server_port = server_port
        self._asked_for = asked_for
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.server, certificates.key)

    async def serve(self, ready: threading.Event) -> None:
        """Pass bytes on until `end` is called."""
        asyncio.get_running_loop().set_exception_handler(
            lambda *_: None
        )  # who does not trust us hangs up
        over = asyncio.Event()
        self.end = partial(asyncio.get_running_loop().call_soon_threadsafe, over.set)
        context = None if self._asked_for else self._context
        hosts = [LOOPBACK, ELSEWHERE]
        server = await asyncio.start_server(self._connected, hosts, self.port, ssl=context)
        ready.set()
        await over.wait()
        server.close()
        # Clients have gone by now; a handshake cut off in the middle would leave its socket behind.
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        if connections:
            await asyncio.wait(connections, timeout=5)
        await asyncio.sleep(0.2)  # transports close their sockets in rounds of the loop to come

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError), _ended(writer):
            if self._asked_for and not await self._agree(reader, writer):
                return
            self.handshakes += 1
            reader_behind, writer_behind = await asyncio.open_connection(
                LOOPBACK, self._server_port
            )
            with _ended(writer_behind):
                await asyncio.gather(_pump(reader, writer_behind), _pump(reader_behind, writer))

    async def _agree(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
            return False
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self._context)
        return True


@contextmanager
def _ended(writer: asyncio.StreamWriter) -> Iterator[None]:
    """End the connection at the end of the block, also where the block is cancelled."""
    try:
        yield
    finally:
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def terminating(terminator: TlsTerminator) -> Iterator[TlsTerminator]:
    """Serve from a thread of its own, so that clients that block can be tested, too."""
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(terminator.serve(ready)), name="tls", daemon=True
    )
    thread.start()
    assert ready.wait(10)
    try:
        yield terminator
    finally:
        terminator.end()
        thread.join(10)
