"""Replays a range of days from Kafka, and history from files.

From Kafka, rows that PostgreSQL has lost are restored with their partition and offset. The ledger has counted these
records, so it does not change, nor do the sums: if a sum differs from the rows afterwards, a repair of that day
corrects it. Only a record whose id is not in its table is restored. If lost rows had one id in several partitions,
Kafka does not show which was committed first: the record sent first is used.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg

from app.domain.timestamps import midnight
from app.events.decoding import Decoder
from app.events.pseudonymize import without_erased
from app.kafka.producer import ReplaySender
from app.kafka.reader import KafkaReader, Record
from app.ops.dead_letters.validation import Attempt, time_limits
from app.ops.lock import exclusive_owner, lock_partition, retention_floor
from app.ops.repair.repair import Repair, repair
from app.ops.replay.from_files import HistoryImporter, ImportResult, RowBatch
from app.security import librdkafka_options
from app.settings import Settings
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.erased_users import read_erased
from app.sink.tables import STORED_TOPICS, StoredTopic
from app.topics import TRANSACTIONS

_BATCH: Final = 5_000
_POLL_SECONDS: Final = 0.2


def create_sql(stored: StoredTopic) -> str:
    """SQL of a temporary table for candidates: the columns of a row, its partition and its Kafka timestamp."""
    columns = ", ".join(f"{column.name} {column.type}" for column in stored.columns)
    return f"CREATE TEMPORARY TABLE missing ({columns}, partition INTEGER, kafka_ms BIGINT)"


def collect_sql(stored: StoredTopic) -> str:
    """SQL that collects rows whose id is not stored and whose record is not a dead letter."""
    joined = " AND ".join(f"t.{name} = s.{name}" for name in stored.key)
    names = ", ".join(stored.column_names)
    values = ", ".join(f"s.{name}" for name in stored.column_names)
    source = stored.from_arrays(3).replace("unnest(", "unnest($2::BIGINT[], ")
    source = source.replace(" AS s (", " AS s (kafka_ms, ")
    return f"""
INSERT INTO missing ({names}, partition, kafka_ms) SELECT {values}, $1, s.kafka_ms
FROM {source}
WHERE NOT EXISTS (SELECT FROM {stored.name} t WHERE {joined})
    AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.source_topic = '{stored.name}'
        AND d.source_partition = $1 AND d.source_offset = s.source_offset)"""


def choose_sql(stored: StoredTopic) -> str:
    """SQL that chooses the first record of each id: the lowest offset of a partition, then the earliest sent."""
    key = ", ".join(stored.key)
    return f"""
CREATE TEMPORARY TABLE chosen AS
SELECT DISTINCT ON ({key}) * FROM (
    SELECT DISTINCT ON ({key}, partition) * FROM missing ORDER BY {key}, partition, source_offset
) AS first_of_partition ORDER BY {key}, kafka_ms, partition"""


@dataclass(slots=True)
class KafkaReplayResult:
    """Per topic: records read, rows restored; partitions whose first records Kafka has deleted."""

    read: Counter[str] = field(default_factory=Counter)
    restored: Counter[str] = field(default_factory=Counter)
    anomalies: int = 0
    gone: list[str] = field(default_factory=list)
    days: set[datetime] = field(default_factory=set)


class KafkaReplay:
    """Reads the source topics up to the ledger; `start` and `end` bound event time, [start, end)."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, kafka: KafkaReader) -> None:
        self._connection = connection
        self._kafka = kafka
        self._limits = time_limits(settings.stream)
        self._detector = AnomalyDetector(lambda: datetime.now(UTC))
        self.done = KafkaReplayResult()

    async def run(self, start: datetime, end: datetime) -> KafkaReplayResult:
        """Restores the missing rows and returns the result."""
        for stored in STORED_TOPICS.values():
            floor = await retention_floor(self._connection, stored.name)
            await self._topic(stored, start if floor is None else max(start, floor), end)
        return self.done

    async def _topic(self, stored: StoredTopic, start: datetime, end: datetime) -> None:
        """Collects missing rows of all partitions, then chooses among records with the same id."""
        await self._connection.execute(create_sql(stored))
        ledger = await self._connection.fetch(
            "SELECT partition, next_offset FROM stream_progress WHERE topic = $1 ORDER BY 1", stored.name
        )
        for partition, next_offset in ledger:
            await self._collect(stored, partition, next_offset, (start, end))
        await self._connection.execute(choose_sql(stored))
        for partition, _ in ledger:
            await self._restore(stored, partition)
        await self._connection.execute("DROP TABLE missing, chosen")

    async def _collect(
        self, stored: StoredTopic, partition: int, next_offset: int, event_times: tuple[datetime, datetime]
    ) -> None:
        low, high = await self._kafka.bounds(stored.name, partition)
        if low > 0:
            self.done.gone.append(f"{stored.name}[{partition}] below offset {low}")
        decoder = Decoder(stored.topic, self._limits)
        erased = await read_erased(self._connection, stored.name)
        end = min(high, next_offset)
        async for batch in self._kafka.read(stored.name, partition, low, end):
            self.done.read[stored.name] += len(batch)
            times = {record.offset: record.time_ms for record in batch}
            rows = without_erased(decoder.decode(map(_attempt, batch)), erased, stored.topic.personal).rows
            rows = [row for row in rows if event_times[0] <= row.timestamp < event_times[1]]
            if rows:
                arrays = [list(column) for column in zip(*rows, strict=True)]
                kafka_ms = [times[row.source_offset] for row in rows]
                await self._connection.execute(collect_sql(stored), partition, kafka_ms, *arrays)

    async def _restore(self, stored: StoredTopic, partition: int) -> None:
        names = ", ".join(stored.column_names)
        last = -1
        while True:
            found = await self._connection.fetch(
                f"SELECT {names} FROM chosen WHERE partition = $1 AND source_offset > $2 "
                f"ORDER BY source_offset LIMIT {_BATCH}",
                partition,
                last,
            )
            if not found:
                return
            rows = [stored.topic.row(*row.values()) for row in found]
            await self._insert(stored, partition, rows)
            last = rows[-1].source_offset

    async def _insert(self, stored: StoredTopic, partition: int, rows: Sequence[Any]) -> None:
        """Inserts the rows under the partition's fence, so that no chunk stores the same id meanwhile."""
        names = ", ".join(column.stored_name for column in stored.columns)
        values = ", ".join(column.stored_value for column in stored.columns)
        arrays = [list(column) for column in zip(*rows, strict=True)]
        async with self._connection.transaction():
            await lock_partition(self._connection, stored.name, partition)
            inserted = await self._connection.fetch(
                f"INSERT INTO {stored.name} ({names}, source_partition) "
                f"SELECT {values}, $1::INTEGER FROM {stored.from_arrays(2)} "
                "ON CONFLICT DO NOTHING RETURNING source_offset",
                partition,
                *arrays,
            )
            offsets = {row["source_offset"] for row in inserted}
            kept = [row for row in rows if row.source_offset in offsets]
            if stored.name == TRANSACTIONS:
                self.done.anomalies += await self._detector.detect_again(self._connection, partition, kept)
        self.done.restored[stored.name] += len(kept)
        self.done.days |= {row.timestamp.replace(hour=0, minute=0, second=0, microsecond=0) for row in kept}


def _attempt(record: Record) -> Attempt:
    return Attempt(record.key, record.value, record.time_ms, record.offset)


async def replay_kafka(settings: Settings, first: date, last: date) -> tuple[KafkaReplayResult, list[Repair]]:
    """Restores rows of the days from Kafka; returns the result and checks of the sums of the affected days."""
    with KafkaReader(librdkafka_options(settings.kafka)) as kafka:
        async with exclusive_owner(settings.postgres) as connection:
            kafka_replay = KafkaReplay(settings, connection, kafka)
            done = await kafka_replay.run(midnight(first), midnight(last) + timedelta(days=1))
    checks = [await repair(settings, day.date(), day.date(), apply=False) for day in sorted(done.days)]
    return done, checks


async def replay_batches(
    settings: Settings, batches: Iterable[RowBatch], *, wait_seconds: float
) -> tuple[ImportResult, bool]:
    """Sends the events that PostgreSQL is missing; returns the result and whether workers consumed all in time."""
    sender = ReplaySender(settings.kafka)
    async with exclusive_owner(settings.postgres) as connection:
        importer = HistoryImporter(settings, connection, sender)
        for batch in batches:
            await importer.send(batch, time.time_ns() // 1_000_000)
        deadline = time.monotonic() + wait_seconds
        while not await importer.consumed():
            if time.monotonic() > deadline:
                return importer.done, False
            await asyncio.sleep(_POLL_SECONDS)
        return importer.done, True
