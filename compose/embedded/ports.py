"""Loopback ports for the embedded servers."""

import random
import socket
from typing import Final

from app.errors import EmbeddedStackError

LOOPBACK: Final = "127.0.0.1"

# Below the range the kernel gives to outgoing connections: a client that keeps trying a port in
# that range while its server is down can end up connected to itself and hold the port against the
# server.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
_ATTEMPTS: Final = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def choose_port(preferred: int | None = None) -> int:
    """The preferred port where it is free, else some free one; raises EmbeddedStackError if none
    is.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(range(_LOWEST, _HIGHEST), _ATTEMPTS):
        if is_free(port):
            return port
    raise EmbeddedStackError(
        f"no free loopback port between {_LOWEST} and {_HIGHEST}; stop some servers and try again"
    )
