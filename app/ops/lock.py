"""A session of the owner that excludes other maintenance commands; workers are not affected."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg

from app.errors import LockHeldError
from app.postgres.connections import connect_owner
from app.postgres.migrate import require_schema
from app.settings import PostgresSettings

#: Key of the advisory lock: "GMUPKEEP" as a number. The lock lasts as long as its session.
_LOCK_KEY: Final = int.from_bytes(b"GMUPKEEP", "big")


@asynccontextmanager
async def exclusive_owner(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """Connects as the owner and takes the maintenance lock; raises LockHeldError if another session has it.

    Needs a dedicated session: connect to PostgreSQL, not to a pooler in transaction mode.
    """
    connection = await connect_owner(settings, "globalmart-upkeep")
    try:
        await require_schema(connection)
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            raise LockHeldError(
                "another maintenance command (repair, replay, maintain or erase-user) is running on this database; "
                "wait for it to end, or find the session named globalmart-upkeep in pg_stat_activity"
            )
        yield connection
    finally:
        if not connection.is_closed():
            await connection.close()


async def lock_partition(connection: asyncpg.Connection, topic: str, partition: int) -> None:
    """Blocks chunks of the partition until this transaction ends: its row of the ledger is their fence.

    Rows and sums of a source partition are written only under this row's lock, so its holder reads both complete.
    """
    await connection.execute(
        "SELECT 1 FROM stream_progress WHERE topic = $1 AND partition = $2 FOR NO KEY UPDATE", topic, partition
    )


async def retention_floor(connection: asyncpg.Connection, topic: str) -> datetime | None:
    """Returns the time before which rows of the topic may have been deleted; None if none were."""
    floor: datetime | None = await connection.fetchval(
        "SELECT max(deleted_before) FROM retention_progress WHERE topic = $1", topic
    )
    return floor
