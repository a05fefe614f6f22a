"""One database per test, cloned from a migrated template."""

from itertools import count
from typing import Any, Final

import asyncpg

from app.postgres.migrate import migrate
from app.settings import PostgresSettings
from compose.embedded.postgres_server import OWNER, SUPERUSER
from compose.embedded.stack import EmbeddedStack
from tests.support.waiting import PATIENT

_TEMPLATE: Final = "faults_template"
_NUMBERS: Final = count(1)


async def connect(stack: EmbeddedStack, database: str) -> Any:
    """A connection as the superuser."""
    return await asyncpg.connect(stack.postgres.dsn(SUPERUSER, database))


async def create_database(stack: EmbeddedStack) -> str:
    """A migrated, empty database; its name."""
    name = f"faults_{next(_NUMBERS)}"
    admin = await connect(stack, "postgres")
    try:
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE):
            await admin.execute(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER}")
            await migrate(_settings(stack, _TEMPLATE))
        await admin.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {_TEMPLATE}")
    finally:
        await admin.close()
    return name


async def drop_database(stack: EmbeddedStack, name: str) -> None:
    """Delete the database with whoever is still connected to it."""
    admin = await connect(stack, "postgres")
    try:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def _settings(stack: EmbeddedStack, database: str) -> PostgresSettings:
    variables = {**stack.environment(), **PATIENT, PostgresSettings.variable("database"): database}
    return PostgresSettings.read(variables)
