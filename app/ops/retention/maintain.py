"""The composition of `globalmart maintain`: deletes rows past their retention, then vacuums and compacts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from pymongo.errors import OperationFailure, PyMongoError

from app.errors import text_of
from app.ops.lake_access import open_lake
from app.ops.lock import exclusive_owner
from app.ops.retention.retention import Archive, Deleted, delete_days, first_day_kept
from app.ops.retention.topic_retention import TopicRetention, set_retention, topic_retention
from app.settings import MongoSettings, Settings
from batch.warehouse_writer import open_warehouse

_SIZES: Final = """
SELECT c.relname AS name, greatest(c.reltuples, 0)::BIGINT AS rows,
    pg_table_size(c.oid) AS table_bytes, pg_indexes_size(c.oid) AS index_bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r'
ORDER BY pg_total_relation_size(c.oid) DESC, 1"""
Report = Callable[[str], None]


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
    try:
        with open_warehouse(settings) as database:
            names = sorted(database.list_collection_names(filter={"type": "collection"}))
            for name in names:
                database.command("compact", name)
    except OperationFailure as error:
        return f"MongoDB: this server does not support compaction ({error.details or error})"
    except PyMongoError as error:
        return f"MongoDB: not compacted, {text_of(error)}"
    return f"MongoDB: {len(names)} collections compacted"


@dataclass(slots=True)
class MaintenanceResult:
    """The result of a run, and the sizes of the stores after it."""

    deleted: Deleted = field(default_factory=Deleted)
    topics: list[TopicRetention] = field(default_factory=list)
    mongo: str = ""
    sizes: list[Size] = field(default_factory=list)


async def maintain(
    settings: Settings,
    *,
    dry_run: bool = False,
    without_lake: bool = False,
    now: datetime | None = None,
    report: Report = lambda _: None,
) -> MaintenanceResult:
    """Deletes rows, sets the topics' retention and compression, vacuums and compacts.

    `now` (aware) defaults to the clock. Workers keep running. Without a lake only system metrics are deleted,
    unless `without_lake`.
    """
    done = MaintenanceResult()
    longest = timedelta(seconds=settings.postgres.transaction_timeout_seconds)
    archive = None if without_lake else Archive(open_lake(settings))
    async with exclusive_owner(settings.postgres) as connection:
        for table, before in first_day_kept(settings, now or datetime.now(UTC)).items():
            await delete_days(
                connection,
                table,
                before,
                archive,
                pages=settings.retention.delete_pages,
                longest_transaction=longest,
                dry_run=dry_run,
                done=done.deleted,
                report=report,
            )
        done.topics = topic_retention(settings)
        if not dry_run:
            set_retention(settings, [t for t in done.topics if not t.is_as_wanted])
            await vacuum(connection, sorted(done.deleted.rows))
            done.mongo = compact_mongo(settings.mongo)
        done.sizes = await postgres_sizes(connection)
    return done
