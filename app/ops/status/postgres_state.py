"""Reads the ledger, the workers and the sizes from PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import asyncpg

from app.kafka.offsets import RecordPosition
from app.postgres.connections import connect_reader, translate_errors
from app.postgres.heartbeats import SELECT_ALIVE
from app.settings import PostgresSettings
from app.topics import ANOMALIES, DEAD_LETTERS, SOURCE_TOPICS

_TABLES: Final = {ANOMALIES: "transaction_anomalies", DEAD_LETTERS: "dead_letters"}
_WAITING: Final = """
SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds
FROM {table} WHERE position IS NULL
    OR position > (SELECT published_position FROM outbox_progress WHERE stream = $1)"""
_TOPICS: Final = """
SELECT topic, sum(consumed)::bigint AS consumed, sum(stored)::bigint AS stored,
       sum(duplicates)::bigint AS duplicates, sum(dead_lettered)::bigint AS dead_lettered,
       max(watermark) AS watermark
FROM stream_progress GROUP BY topic"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows without a copy, and the age of the oldest."""

    rows: int
    seconds: float


async def read_waiting(connection: asyncpg.Connection) -> Mapping[str, Waiting]:
    """Reads the rows waiting by topic; every role may."""
    found: dict[str, Waiting] = {}
    for stream, table in _TABLES.items():
        (row,) = await connection.fetch(_WAITING.format(table=table), stream)
        found[stream] = Waiting(row["rows"], row["seconds"])
    return found


@dataclass(frozen=True, slots=True)
class TopicEntry:
    """The ledger's sums over a topic's partitions; `rate` in records per second."""

    consumed: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    watermark: datetime | None = None
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerEntry:
    """A worker by its last heartbeat; `rss_bytes` is None if its system does not report it."""

    worker_id: str
    host: str
    started_at: datetime
    seen_at: datetime
    rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """PostgreSQL's part of the status: the ledger, the live workers, the database's size in bytes."""

    topics: Mapping[str, TopicEntry]
    next_offsets: Mapping[RecordPosition, int]
    workers: tuple[WorkerEntry, ...]
    database_bytes: int
    schema_version: int
    waiting: Mapping[str, Waiting]


class LedgerReader:
    """Reads through one connection of the read-only role; raises StoreUnavailableError."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        with translate_errors(self._settings):
            self._connection = await connect_reader(self._settings, "globalmart-status")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close(timeout=5)

    async def consumed(self) -> Mapping[str, int]:
        """Returns the records consumed per topic so far."""
        with translate_errors(self._settings):
            rows = await self._connection.fetch(_TOPICS)
        return {row["topic"]: row["consumed"] for row in rows}

    async def read(self, before: Mapping[str, int], seconds: float) -> Ledger:
        """Returns the ledger now, with rates since `before`, this many seconds ago."""
        with translate_errors(self._settings):
            rows = {row["topic"]: dict(row) for row in await self._connection.fetch(_TOPICS)}
            offsets = await self._connection.fetch("SELECT topic, partition, next_offset FROM stream_progress")
            workers = await self._connection.fetch(SELECT_ALIVE)
            size = await self._connection.fetchval("SELECT pg_database_size(current_database())")
            waiting = await read_waiting(self._connection)
            version = await self._connection.fetchval("SELECT max(version) FROM schema_version")
        places = {(row["topic"], row["partition"]): row["next_offset"] for row in offsets}
        topics = {topic: _entry(rows.get(topic), before, seconds) for topic in SOURCE_TOPICS}
        alive = tuple(WorkerEntry(*(worker[name] for name in WorkerEntry.__slots__)) for worker in workers)
        return Ledger(topics, places, alive, size, version or 0, waiting)


def _entry(row: dict[str, Any] | None, before: Mapping[str, int], seconds: float) -> TopicEntry:
    if row is None:
        return TopicEntry()
    moved = row["consumed"] - before.get(row.pop("topic"), 0)
    return TopicEntry(**row, rate=moved / seconds if seconds > 0 else 0.0)
