"""A database of its own for every test, cloned from a migrated template on the run's PostgreSQL.

Use it from a `conftest.py`: `from tests.support.databases import database` and list it in `__all__`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import asyncpg
import pytest

from app.postgres.connections import connect_owner, connect_reader, connect_worker
from app.postgres.migrate import migrate
from app.settings import PostgresSettings, Settings
from app.sink.tables import StoredTopic
from compose.embedded.postgres_server import OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.support.waiting import PATIENCE_SECONDS, PATIENT

_TEMPLATE: Final = "migrated_template"
_NUMBERS: Final = count(1)


class Database:
    """A migrated, empty database; `settings` lead to it and to the run's Kafka."""

    def __init__(self, stack: EmbeddedStack, name: str) -> None:
        self.name = name
        self.settings = settings_for(stack, name)
        self._superuser_dsn = stack.postgres.dsn(SUPERUSER, name)

    @property
    def postgres(self) -> PostgresSettings:
        """How to reach it."""
        return self.settings.postgres

    @asynccontextmanager
    async def worker(self, *staged: StoredTopic) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the worker's role, with the stages of these topics."""
        connection = await connect_worker(self.postgres, "test")
        async with _closing(connection):
            for stored in staged:
                await connection.execute(stored.create_stage)
            yield connection

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the owner of the schema."""
        async with _closing(await connect_owner(self.postgres)) as connection:
            yield connection

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the read-only role."""
        async with _closing(await connect_reader(self.postgres, "test")) as connection:
            yield connection

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows of a query, read as the owner."""
        async with self.owner() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return rows

    async def terminate(self, backend: int) -> None:
        """End a server process as an administrator would, and wait until it is gone."""
        async with _closing(await asyncpg.connect(self._superuser_dsn)) as connection:
            await connection.fetchval("SELECT pg_terminate_backend($1, 5000)", backend)


@pytest.fixture
async def database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """A migrated, empty database, dropped after the test."""
    async with own_database(stack) as own:
        yield own


@asynccontextmanager
async def own_database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """A migrated, empty database, dropped at the end."""
    name = f"test_{next(_NUMBERS)}"
    await _ensure_template(stack)
    await create_database(stack, name, template=_TEMPLATE)
    yield Database(stack, name)
    await drop_database(stack, name)


@pytest.fixture
async def blank_database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """A database without a schema, dropped after the test."""
    name = f"blank_{next(_NUMBERS)}"
    await create_database(stack, name)
    yield Database(stack, name)
    await drop_database(stack, name)


async def create_database(stack: EmbeddedStack, name: str, *, template: str = "template1") -> None:
    """Make a database that belongs to the owner."""
    await _administer(stack, f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} STRATEGY FILE_COPY")


async def drop_database(stack: EmbeddedStack, name: str) -> None:
    """Drop a database, whoever is still connected."""
    await _administer(stack, f"DROP DATABASE {name} WITH (FORCE)")


def settings_for(stack: EmbeddedStack, name: str) -> Settings:
    """Settings of a process that uses the run's servers, the named database and a warehouse of its own."""
    own = {
        "GLOBALMART_POSTGRES_DATABASE": name,
        "GLOBALMART_MONGO_DATABASE": f"dw_{name}",
        # A test may stand still in a transaction while the machine is busy.
        "GLOBALMART_POSTGRES_IDLE_TRANSACTION_SECONDS": str(PATIENCE_SECONDS),
    }
    return Settings({**stack.environment(), **PATIENT, **own})


async def _ensure_template(stack: EmbeddedStack) -> None:
    async with _closing(await asyncpg.connect(stack.postgres.dsn(SUPERUSER, "postgres"))) as admin:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE):
            return
    await create_database(stack, _TEMPLATE)
    await migrate(settings_for(stack, _TEMPLATE).postgres)


async def _administer(stack: EmbeddedStack, statement: str) -> None:
    async with _closing(await asyncpg.connect(stack.postgres.dsn(SUPERUSER, "postgres"))) as admin:
        await admin.execute(statement)


@asynccontextmanager
async def _closing(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    try:
        yield connection
    finally:
        if not connection.is_closed():
            await connection.close(timeout=PATIENCE_SECONDS)
