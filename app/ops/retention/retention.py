"""Deletes rows by whole UTC days, oldest first, in short transactions; sums and the ledger do not change.

Each transaction deletes the rows of some pages and stores their number. So the ledger's count of stored rows always
equals the existing rows plus the deleted ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import asyncpg

from app.domain.money import CENTS
from app.domain.timestamps import midnight
from app.events.topics.declaration import Retention
from app.settings import Settings
from app.topics import SOURCES, TRANSACTIONS
from batch.lake import Lake
from batch.sources import LAKE_TABLES, LakeTable

_DAY: Final = timedelta(days=1)
_DAYS: Final = """
SELECT DISTINCT (timestamp AT TIME ZONE 'UTC')::DATE AS day FROM {table} WHERE timestamp < $1 ORDER BY 1"""
_PAGES: Final = """
SELECT (min(ctid)::TEXT::POINT)[0]::BIGINT AS first, (max(ctid)::TEXT::POINT)[0]::BIGINT AS last
FROM {table} WHERE timestamp >= $1 AND timestamp < $2"""
_DELETE: Final = """
WITH gone AS (
    DELETE FROM {table}
    WHERE ctid >= '({first},0)'::TID AND ctid < '({end},0)'::TID AND timestamp >= $1 AND timestamp < $2
        AND created_at < $3
    RETURNING source_partition
), noted AS (
    INSERT INTO retention_progress AS r (topic, source_partition, deleted_before, deleted)
    SELECT '{table}', source_partition, $2, count(*) FROM gone GROUP BY 2
    ON CONFLICT (topic, source_partition) DO UPDATE SET
        deleted_before = greatest(r.deleted_before, excluded.deleted_before),
        deleted = r.deleted + excluded.deleted, updated_at = CURRENT_TIMESTAMP
)
SELECT count(*) FROM gone"""
_COUNT: Final = """
SELECT count(*) FROM {table} WHERE timestamp >= $1 AND timestamp < $2 AND created_at < $3"""
#: `created_at` is the start of a row's transaction. From PostgreSQL 17 on, all that started before this have ended.
_SETTLED: Final = "SELECT clock_timestamp() - $1::INTERVAL"
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Archive:
    """Compares the lake with PostgreSQL."""

    lake: Lake

    async def missing(self, connection: asyncpg.Connection, table: str, day: date) -> str:
        """Returns why the day must not be deleted yet; empty if the lake has all its rows, or no such table."""
        source = LAKE_TABLES.get(table)
        if source is None:
            return ""
        known = self.lake.read_manifest().days(table).get(day)
        if known is None:
            return "the lake does not have it; run the nightly batch first"
        rows, checksum = await _checksum(connection, source, day)
        if (rows, checksum) == (known.summary.rows, known.summary.checksum):
            return ""
        if rows < known.summary.rows and rows == await self._count_archived(connection, source, day, known.file):
            return ""
        return "it has changed since the lake read it; run the nightly batch first"

    async def _count_archived(self, connection: asyncpg.Connection, source: LakeTable, day: date, file: str) -> int:
        """Returns how many rows of a partly deleted day are in the lake, by key."""
        start, archived = midnight(day), 0
        for rows in self.lake.read_pieces(file, [source.key]):
            archived += await connection.fetchval(
                f"SELECT count(*) FROM {source.name} WHERE {source.key} = ANY($1::TEXT[]) "
                "AND timestamp >= $2 AND timestamp < $3",
                rows[source.key].to_pylist(),
                start,
                start + timedelta(days=1),
            )
        return archived


async def _checksum(connection: asyncpg.Connection, source: LakeTable, day: date) -> tuple[int, int]:
    """Returns the day's number of rows and their checksum, in the form of the lake's manifest."""
    factor = CENTS if source.checksum == "total_amount" else 1
    start = midnight(day)
    row: Any = await connection.fetchrow(
        f"SELECT count(*), coalesce(sum({source.checksum}) * {factor}, 0)::NUMERIC(38, 0) "
        f"FROM {source.name} WHERE timestamp >= $1 AND timestamp < $2",
        start,
        start + timedelta(days=1),
    )
    return int(row[0]), int(row[1])


@dataclass(slots=True)
class Deleted:
    """Number of rows deleted per table and day, and the days kept and why."""

    rows: dict[str, dict[date, int]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def first_day_kept(settings: Settings, now: datetime) -> dict[str, date]:
    """Returns the oldest UTC day that each table keeps at `now`, without tables that are kept forever.

    An order is accepted while its Kafka timestamp is within the retention, and may wait in Kafka for the topic's
    retention: only after both has passed can no duplicate of it arrive.
    """
    retention = settings.retention
    ages = {
        Retention.RAW: timedelta(days=retention.raw_days),
        Retention.METRICS: timedelta(days=retention.metrics_days),
    }
    if settings.stream.retention_days is not None:
        hours = retention.hours_by_topic.get(TRANSACTIONS, settings.kafka.retention_hours)
        ages[Retention.ORDERS] = timedelta(days=settings.stream.retention_days, hours=hours)
    kept = [topic for topic in SOURCES.values() if topic.retention in ages]
    return {topic.name: (now - ages[topic.retention]).date() for topic in kept}


async def delete_days(
    connection: asyncpg.Connection,
    table: str,
    before: date,
    archive: Archive | None,
    *,
    pages: int,
    longest_transaction: timedelta,
    dry_run: bool,
    done: Deleted,
    report: Report,
) -> None:
    """Deletes the table's days before `before`; keeps a day that is not archived, and every later one.

    A late row that arrives while its day is checked and deleted is kept for the next run: the check did not include it.
    """
    rows = await connection.fetch(_DAYS.format(table=table), midnight(before))
    for (day,) in rows:
        settled = await connection.fetchval(_SETTLED, longest_transaction)
        reason = await archive.missing(connection, table, day) if archive else ""
        if reason:
            done.kept.append(f"{table} {day}: {reason}")
            return
        count = await _delete_day(connection, table, day, settled, pages, dry_run=dry_run)
        done.rows.setdefault(table, {})[day] = count
        report(f"{table} {day}: {count:,} rows {'would be ' if dry_run else ''}deleted")


async def _delete_day(
    connection: asyncpg.Connection, table: str, day: date, settled: datetime, pages: int, *, dry_run: bool
) -> int:
    start, end = midnight(day), midnight(day) + _DAY
    if dry_run:
        count = await connection.fetchval(_COUNT.format(table=table), start, end, settled)
        return int(count)
    found = await connection.fetchrow(_PAGES.format(table=table), start, end)
    if found is None or found["first"] is None:
        return 0
    deleted = 0
    for first in range(found["first"], found["last"] + 1, pages):
        sql = _DELETE.format(table=table, first=first, end=first + pages)
        deleted += await connection.fetchval(sql, start, end, settled)
    return deleted
