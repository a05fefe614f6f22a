"""The embedded servers under the names and accounts of the Docker stack."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from pymongo import MongoClient

from app.cli.init import with_secrets
from compose.embedded.ports import LOOPBACK
from compose.embedded.postgres_server import OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.compose.docker_stack import copy_of_the_project
from tests.images.container import Place
from tests.images.services import Service, services

#: Passwords with all that means something to a shell, to Compose, in a `.env` or in an address.
_AWKWARD: Final = "p@ss:/w$rd%41#{}"
_USER: Final = 10001
#: Names by which services of the stack find each other.
_NAMES: Final = (
    "kafka",
    "postgres",
    "mongodb",
    "api",
    "worker",
    "batch",
    "maintain",
    "spark-master",
    "spark-worker",
    "generator",
    "dashboard",
    "migrate",
)


@dataclass(frozen=True, slots=True)
class Stores:
    """Servers that run, the stack's services that lead to them, and where containers have their files."""

    servers: EmbeddedStack
    services: Mapping[str, Service]
    place: Place
    worker_password: str

    def warehouse(self, name: str = "globalmart_dw") -> Any:
        """A database of the MongoDB server, as its administrator."""
        return MongoClient[dict[str, Any]](self.servers.mongo.url)[name]

    async def rows(self, query: str) -> list[asyncpg.Record]:
        """Of PostgreSQL, as its administrator."""
        connection = await asyncpg.connect(self.servers.postgres.dsn(SUPERUSER, "globalmart"))
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def make_database(self, name: str) -> None:
        """An empty one of the owner's."""
        connection = await asyncpg.connect(self.servers.postgres.dsn(SUPERUSER, "postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        finally:
            await connection.close()


@contextmanager
def running_stores(folder: Path, init: Path) -> Iterator[Stores]:
    """Fresh servers in `folder`, stopped at the end."""
    with EmbeddedStack(folder / "servers", fresh=True, preferred_ports=True) as servers:
        project = copy_of_the_project(folder / "project")
        passwords = _write_env(project / ".env", servers)
        _make_mongo_users(servers, passwords)
        place = _place(folder, init)
        found = {name: _led(one, servers) for name, one in services(project).items()}
        yield Stores(servers, found, place, passwords["GLOBALMART_POSTGRES_WORKER_PASSWORD"])


def _write_env(file: Path, servers: EmbeddedStack) -> dict[str, str]:
    """The file of `globalmart init` with passwords of a person's own choice, and the owner's as it is."""
    passwords = {
        name: f"{_AWKWARD}{secrets.token_hex(4)}"
        for name in (
            "GLOBALMART_POSTGRES_WORKER_PASSWORD",
            "GLOBALMART_POSTGRES_READER_PASSWORD",
            "GLOBALMART_POSTGRES_DESK_PASSWORD",
            "MONGO_BATCH_PASSWORD",
            "MONGO_READER_PASSWORD",
        )
    }
    owner = "GLOBALMART_POSTGRES_OWNER_PASSWORD"
    passwords[owner] = servers.environment()[owner]
    lines = with_secrets().splitlines()
    for number, line in enumerate(lines):
        name = line.split("=")[0]
        if name in passwords:
            lines[number] = f"{name}='{passwords[name]}'"
    file.write_text("\n".join(lines) + "\n")
    return passwords


def _make_mongo_users(servers: EmbeddedStack, passwords: Mapping[str, str]) -> None:
    """As compose/mongo/users.js does."""
    roles = {
        "globalmart_batch": ("MONGO_BATCH_PASSWORD", ["readWrite", "dbAdmin"]),
        "globalmart_reader": ("MONGO_READER_PASSWORD", ["read"]),
    }
    with MongoClient[dict[str, Any]](servers.mongo.url) as client:
        for user, (variable, names) in roles.items():
            granted = [
                {"role": name, "db": database} for name in names for database in ("globalmart_dw", "restored_dw")
            ]
            client.admin.command("createUser", user, pwd=passwords[variable], roles=granted)


def _place(folder: Path, init: Path) -> Place:
    lake = folder / "volumes" / "lake"
    lake.mkdir(parents=True)
    # A named volume takes the image's own folder's owner.
    lake.chmod(0o750)
    os.chown(lake, _USER, _USER)
    hosts = folder / "hosts"
    hosts.write_text(f"{LOOPBACK} localhost {' '.join(_NAMES)}\n")
    return Place(folder, {"lake": lake}, hosts, init)


def _led(service: Service, servers: EmbeddedStack) -> Service:
    """To the ports that the servers have here, under the names of the stack."""
    found = dict(service.environment)
    found["GLOBALMART_KAFKA_BOOTSTRAP"] = f"kafka:{servers.kafka.bootstrap.rsplit(':', 1)[1]}"
    found["GLOBALMART_POSTGRES_PORT"] = str(servers.postgres.port)
    found["GLOBALMART_MONGO_URL"] = found["GLOBALMART_MONGO_URL"].replace(
        "mongodb:27017", f"mongodb:{servers.mongo.port}"
    )
    return service.with_variables(**found)
