"""Ends TLS in front of a server that cannot do it itself: the embedded MongoDB is built without.

A process of its own, so that connections clients cut off in a handshake end with it:
`python -m tests.security.terminator`.
"""

import argparse
import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from compose.embedded.ports import LOOPBACK, choose_port
from tests.faults.processes import ROOT
from tests.security.authority import Certificates

_READ_BYTES: Final = 65_536
_READY: Final = "ready"
_HANDSHAKE: Final = "handshake"


class TlsTerminator:
    """A terminator to be run by `terminating`; listens on `port`."""

    def __init__(self, certificates: Certificates, server_port: int) -> None:
        self.port = choose_port()
        self.arguments = [str(certificates.server), str(certificates.key), str(self.port), str(server_port)]
        self.log = certificates.server.with_name(f"terminator-{self.port}.log")

    @property
    def handshakes(self) -> int:
        """How many clients have agreed on TLS."""
        return self.log.read_text().count(_HANDSHAKE)


@contextmanager
def terminating(terminator: TlsTerminator) -> Iterator[TlsTerminator]:
    """Run it, logging to its file, until the block ends."""
    command = [sys.executable, "-m", "tests.security.terminator", *terminator.arguments]
    with (
        terminator.log.open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as child,
    ):
        try:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == _READY, terminator.log.read_text()
            yield terminator
        finally:
            child.kill()


class _Front:
    """The listening side, in the child process."""

    def __init__(self, context: ssl.SSLContext, server_port: int) -> None:
        self._context = context
        self._server_port = server_port

    async def serve(self, port: int) -> None:
        """Pass bytes on until the process is ended."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # who does not trust us hangs up
        async with await asyncio.start_server(self._connected, LOOPBACK, port, ssl=self._context) as server:
            sys.stdout.write(f"{_READY}\n")
            sys.stdout.flush()
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            sys.stderr.write(f"{_HANDSHAKE}\n")
            sys.stderr.flush()
            behind = await asyncio.open_connection(LOOPBACK, self._server_port)
            await asyncio.gather(_pump(reader, behind[1]), _pump(behind[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("key", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("server_port", type=int)
    given = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(given.certificate, given.key)
    asyncio.run(_Front(context, given.server_port).serve(given.port))


if __name__ == "__main__":
    _main()
