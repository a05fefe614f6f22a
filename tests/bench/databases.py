"""A fresh, migrated database for each run of a contender."""

import asyncpg

from compose.embedded.postgres_server import OWNER, SUPERUSER, PostgresServer


async def fresh_database(postgres: PostgresServer, name: str, template: str) -> None:
    """Create `name` as a copy of the migrated template, dropping what an earlier run left."""
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, "postgres"))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {OWNER}')
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
