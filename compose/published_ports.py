"""Checks the ports of the Docker stack on this machine before anything is started: they must be free."""

import errno
import json
import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from app.errors import DockerError

#: In compose.yml: `${KAFKA_PORT:-29092}:29092`.
_CONFIGURED = re.compile(r"\$\{(\w+):-\d+\}:(\d+)")


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a service on an address of this machine; `target` is the port in the container."""

    service: str
    address: str
    port: int
    target: int


def published(resolved: str) -> list[Published]:
    """Returns the ports in the output of `docker compose config --format json`."""
    services: dict[str, Any] = json.loads(resolved)["services"]
    return [
        Published(name, entry.get("host_ip") or "0.0.0.0", int(entry["published"]), int(entry["target"]))
        for name, service in services.items()
        for entry in service.get("ports") or ()
        if entry.get("published")
    ]


def unprotected(resolved: str) -> list[str]:
    """Returns warnings for services in the same JSON that other machines can reach without a password."""
    services: dict[str, Any] = json.loads(resolved)["services"]
    advice = {
        "kafka": "leave KAFKA_BIND on loopback, or trust the network",
        "dashboard": "put a proxy with a password in front of it, or trust the network",
    }
    api = services.get("api", {}).get("environment", {})
    if not api.get("GLOBALMART_API_KEY_HASHES"):
        advice["api"] = "create a key: `globalmart api-key new`"
    reached = {one.service: one for one in published(resolved) if not _is_loopback(one.address)}
    return [
        f"{name} requires no password on {reached[name].address}:{reached[name].port}; {text}"
        for name, text in sorted(advice.items())
        if name in reached
    ]


def _is_loopback(address: str) -> bool:
    return address == "localhost" or ip_address(address).is_loopback


def require_free(ports: Collection[Published], compose_file: str) -> None:
    """Raises DockerError that names every taken port, its service and the variable to change."""
    variables = {int(target): name for name, target in _CONFIGURED.findall(compose_file)}
    problems = list(_problems(ports, variables))
    if problems:
        raise DockerError("\n".join(problems))


def _problems(ports: Collection[Published], variables: dict[int, str]) -> Iterator[str]:
    for one in ports:
        error = _bind_error(one.address, one.port)
        place = f"{one.address}:{one.port}"
        if error is None:
            continue
        if error.errno == errno.EADDRNOTAVAIL:
            yield (
                f"{one.service} cannot listen on {place}: this machine does not have this address; correct "
                f"{'KAFKA_BIND' if one.service == 'kafka' else 'GLOBALMART_BIND'} in .env"
            )
        else:
            yield (
                f"{one.service} cannot listen on {place} ({error.strerror}); stop the program that does, or set "
                f"{variables[one.target]} in .env to a free port"
            )


def _bind_error(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT of a server that has just ended do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None
