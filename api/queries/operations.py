"""How the stream stands: the ledger per topic, the workers that live, and what the tables take."""

from typing import Final

import asyncpg

from api.postgres import Database
from app.postgres.heartbeats import SELECT_ALIVE

_TOPICS: Final = """
SELECT topic, sum(consumed)::BIGINT AS consumed, sum(stored)::BIGINT AS stored,
    sum(duplicates)::BIGINT AS duplicates, sum(conflicting)::BIGINT AS conflicting,
    sum(dead_lettered)::BIGINT AS dead_lettered, sum(late)::BIGINT AS late, sum(lost)::BIGINT AS lost,
    max(watermark) AS watermark
FROM stream_progress GROUP BY topic ORDER BY topic"""
_SIZES: Final = """
SELECT relname AS name, pg_total_relation_size(oid)::BIGINT AS bytes FROM pg_class
WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p') ORDER BY 2 DESC, 1"""
_SIZE: Final = "SELECT pg_database_size(current_database())::BIGINT AS bytes"


async def topics(database: Database) -> list[asyncpg.Record]:
    """What became of the records consumed, per topic; the watermark is its partitions' greatest."""
    return await database.fetch(_TOPICS)


async def workers(database: Database) -> list[asyncpg.Record]:
    """Workers that were heard of lately, oldest first; `lag` and `latency` as JSON text."""
    return await database.fetch(SELECT_ALIVE)


async def table_sizes(database: Database) -> list[asyncpg.Record]:
    """Tables with what they and their indexes take, largest first."""
    return await database.fetch(_SIZES)


async def size_bytes(database: Database) -> int:
    """What the whole database takes."""
    (row,) = await database.fetch(_SIZE)
    size: int = row["bytes"]
    return size
