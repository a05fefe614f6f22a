"""Variables that Kubernetes sets for every service of a namespace, and Docker for a link; no settings of ours.

A service named `globalmart-api` gives `GLOBALMART_API_PORT=tcp://10.0.0.1:8000`, `GLOBALMART_API_SERVICE_HOST=10.0.0.1`
and more. Each is known by its name and by its value, so that a setting written wrong is still refused.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://(?P<host>[^/\s]+):(?P<port>\d{1,5})")
_PROTOCOLS: Final = frozenset({"tcp", "udp", "sctp"})


def is_service_link(variable: str, value: str) -> bool:
    """Whether the variable is one of those, by both its name and its value."""
    return any(name.fullmatch(variable) is not None and fits(value) for name, fits in _SHAPES.items())


def _is_address(value: str) -> bool:
    found = _ADDRESS.fullmatch(value)
    return found is not None and _is_host(found["host"]) and _is_port(found["port"])


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdecimal() and 0 < int(value) <= 65_535


_SHAPES: Final[Mapping[re.Pattern[str], Callable[[str], bool]]] = {
    re.compile(r"\w+_SERVICE_HOST"): _is_host,
    re.compile(r"\w+_SERVICE_PORT(?:_\w+)?"): _is_port,
    re.compile(r"\w+_PORT"): _is_address,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)"): _is_address,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO"): _PROTOCOLS.__contains__,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_PORT"): _is_port,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR"): _is_host,
}
