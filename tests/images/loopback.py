"""A network namespace with nothing in it but loopback."""

import fcntl
import socket
import struct
from collections.abc import Sequence
from typing import Final

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


def in_a_network_of_its_own(command: Sequence[str]) -> list[str]:
    """The command that runs another one there."""
    return ["unshare", "--net", "--", *command]


def loopback_up() -> None:
    """Loopback is down in a new namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14s", b"lo", _IFF_UP, b"")
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
