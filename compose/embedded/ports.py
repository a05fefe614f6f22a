"""Loopback ports for the embedded servers, and what answers on them.

A chosen port is free until its server listens, seconds later. Concurrent launchers must not choose the same one
meanwhile, so each holds a lock on a file named after every port it chose, until it ends.
"""

import fcntl
import os
import random
import socket
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError

LOOPBACK: Final = "127.0.0.1"

# Below the kernel's range for outgoing connections: a client that retries a port in that range while its server is down
# can connect to itself and so occupy the server's port.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
_ATTEMPTS: Final = 200

#: Ports that this process has chosen, each with the descriptor of its locked file.
_reservations: Final[dict[int, int]] = {}


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


def fetch(url: str, seconds: float) -> bytes | None:
    """Returns the body of a successful answer; None if there is no such answer in time."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            body: bytes = answer.read()
            return body
    except (OSError, HTTPException):
        return None


def choose_port(preferred: int | None = None) -> int:
    """Returns the preferred port if it is free, else another one; raises EmbeddedStackError if none is free."""
    if preferred is not None and is_free(preferred) and _reserve(preferred):
        return preferred
    for port in random.sample(range(_LOWEST, _HIGHEST), _ATTEMPTS):
        if port not in _reservations and is_free(port) and _reserve(port):
            return port
    raise EmbeddedStackError(f"no free loopback port between {_LOWEST} and {_HIGHEST}; stop some servers and try again")


def _reserve(port: int) -> bool:
    """Reserves the port for this process; returns False if another process of this user has chosen it."""
    if port in _reservations:
        return True
    folder = Path(tempfile.gettempdir()) / f"globalmart-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    reservation = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(reservation, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(reservation)
        return False
    _reservations[port] = reservation
    return True
