"""PostgreSQL for the API: short reads on a pool, and one error when it is down."""

import logging
from typing import Any, Final

import asyncpg

from api.stores import StoreDownError
from app.postgres.connections import POSTGRES_FAILURES

logger = logging.getLogger(__name__)

#: Connection, authorisation, unknown database, resources, operator intervention, system error.
_DOWN_CLASSES: Final = frozenset({"08", "28", "3D", "53", "55", "57", "58"})


class Database:
    """Reads from the operational store."""

    name: Final = "postgresql"

    def __init__(self, pool: asyncpg.Pool, wait_seconds: float) -> None:
        """`wait_seconds` limits the wait for a free connection."""
        self._pool = pool
        self._wait_seconds = wait_seconds

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Returns all rows; raises StoreDownError when the database does not answer in time."""
        try:
            async with self._pool.acquire(timeout=self._wait_seconds) as connection:
                rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        except Exception as error:
            if not is_down(error):
                raise
            logger.warning("postgresql is not available: %r", error)
            raise StoreDownError(self.name) from error
        return rows

    async def ping(self) -> None:
        """Returns when the database answers; raises StoreDownError."""
        await self.fetch("SELECT 1")


def is_down(error: Exception) -> bool:
    """Whether an error is caused by the store's state, not by the query."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _DOWN_CLASSES
    return isinstance(error, POSTGRES_FAILURES)
