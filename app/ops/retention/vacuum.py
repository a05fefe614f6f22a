"""Vacuums and compacts the stores after deletions, and reads their sizes."""

from dataclasses import dataclass
from typing import Final

import asyncpg
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from app.errors import text_of
from app.settings import MongoSettings

_SIZES: Final = """
SELECT c.relname AS name, greatest(c.reltuples, 0)::BIGINT AS rows,
    pg_table_size(c.oid) AS table_bytes, pg_indexes_size(c.oid) AS index_bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r'
ORDER BY pg_total_relation_size(c.oid) DESC, 1"""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a table: rows (PostgreSQL's estimate), bytes of rows and of indexes."""

    name: str
    rows: int
    table_bytes: int
    index_bytes: int


async def vacuum(connection: asyncpg.Connection, tables: list[str]) -> None:
    """Makes the space of deleted rows reusable and updates statistics and BRIN ranges."""
    for table in tables:
        await connection.execute(f"VACUUM (ANALYZE) {table}")


async def postgres_sizes(connection: asyncpg.Connection) -> list[Size]:
    """Returns the sizes of all tables, the largest first."""
    return [Size(*row) for row in await connection.fetch(_SIZES)]


def compact_mongo(settings: MongoSettings) -> str:
    """Compacts the warehouse's collections if the server can; returns a sentence about the result."""
    if settings.url is None:
        return "MongoDB: not configured"
    timeout_ms = round(settings.connect_timeout_seconds * 1000)
    try:
        with MongoClient[dict[str, object]](
            settings.url.get_secret_value(), serverSelectionTimeoutMS=timeout_ms
        ) as client:
            database = client[settings.database]
            names = sorted(database.list_collection_names(filter={"type": "collection"}))
            for name in names:
                database.command("compact", name)
    except OperationFailure as error:
        return f"MongoDB: this server does not support compaction ({error.details or error})"
    except PyMongoError as error:
        return f"MongoDB: not compacted, {text_of(error)}"
    return f"MongoDB: {len(names)} collections compacted"
