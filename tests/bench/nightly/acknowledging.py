"""A server that speaks MongoDB's protocol and acknowledges every insert without keeping anything.

What a writer spends against it is the client's own time: the MongoDB server's is left out. Nothing but the handshake
and inserts is answered truly; it is no store and no test uses it.
"""

import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import bson

_HEADER: Final = struct.Struct("<iiii")
_REPLY, _QUERY, _MESSAGE = 1, 2004, 2013
_HELLO: Final = {
    "ok": 1,
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "readOnly": False,
}


@contextmanager
def acknowledging_server() -> Iterator[tuple[str, int | None]]:
    """Address and process id of a server in a process of its own, ended with the block."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"mongodb://127.0.0.1:{receiver.recv()}/?directConnection=true", process.pid
    finally:
        process.kill()
        process.join()


def _serve(sender: Connection) -> None:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Client) as server:
        sender.send(server.server_address[1])
        server.serve_forever()


class _Client(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer until the client goes."""
        while head := self.rfile.read(_HEADER.size):
            length, request, _, code = _HEADER.unpack(head)
            body = self.rfile.read(length - _HEADER.size)
            self.wfile.write(_answer(request, code, body))


def _answer(request: int, code: int, body: bytes) -> bytes:
    if code == _QUERY:
        return _packed(request, _REPLY, struct.pack("<iqii", 8, 0, 0, 1), _HELLO)
    document: dict[str, Any] = {**_HELLO, "n": _inserted(body)}
    return _packed(request, _MESSAGE, b"\0\0\0\0\0", document)


def _packed(request: int, code: int, prefix: bytes, document: dict[str, Any]) -> bytes:
    content = prefix + bson.encode(document)
    return _HEADER.pack(_HEADER.size + len(content), 0, request, code) + content


def _inserted(body: bytes) -> int:
    """Documents in the sequences of a message."""
    position, documents = 4, 0
    while position < len(body):
        kind, size = body[position], struct.unpack_from("<i", body, position + 1)[0]
        if kind == 1:
            documents += _counted(body, body.index(b"\0", position + 5) + 1, position + 1 + size)
        position += 1 + size
    return documents


def _counted(body: bytes, start: int, end: int) -> int:
    count = 0
    while start < end:
        start += struct.unpack_from("<i", body, start)[0]
        count += 1
    return count
