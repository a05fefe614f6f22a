"""The connection that comparisons read PostgreSQL with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.errors import RecountError
from app.postgres.connections import connect_auditor
from app.settings import PostgresSettings


@asynccontextmanager
async def open_auditor(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """A read-only connection as the worker's role.

    Raises RecountError when PostgreSQL fails, and SettingsError when it refuses the role or is not trusted.
    """
    try:
        connection = await connect_auditor(settings, "globalmart-reconcile")
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise RecountError(f"PostgreSQL: {error}; check GLOBALMART_POSTGRES_*") from error
