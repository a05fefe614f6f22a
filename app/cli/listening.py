"""Checks that a server can listen on its port before it starts."""

import socket

from app.errors import SettingsError


def require_free(host: str, port: int, variable: str) -> None:
    """Raises SettingsError, which names the variable of the port, if a server cannot listen."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror}); stop the program that does, or set "
            f"{variable} or GLOBALMART_BIND"
        ) from error
