"""Rows PostgreSQL has lost, put back from the records they came from, at the place they came from.

The ledger has counted these records, so it stays as it is, and so do the sums: where a sum does not fit the rows
afterwards, a repair of that day sets it right. Only a record whose id is nowhere in its table is put back. Where lost
rows had their id in several partitions, Kafka cannot tell which was committed first: the one sent first is taken.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

import asyncpg

from app.domain.anomalies import Anomaly, Measures, judge, standard_rules
from app.domain.money import decimal_from_cents
from app.events.decoding import DECODERS
from app.events.pseudonymize import without_erased
from app.events.rows import CartEventRow, ProductViewRow, SystemMetricRow, TransactionRow
from app.kafka.reader import KafkaReader, Record
from app.ops.dead_letters.validation import Attempt, time_limits
from app.ops.lock import lock_partition, retention_floor
from app.ops.replay.missing_rows import choose_sql, collect_sql, create_sql
from app.settings import Settings
from app.sink.anomaly_detector import count_recent
from app.sink.erased_users import read_erased
from app.sink.tables import STORED_TOPICS, StoredTopic
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

_BATCH: Final = 5_000
_ROW_TYPES: Final[dict[str, Any]] = {
    TRANSACTIONS: TransactionRow,
    PRODUCT_VIEWS: ProductViewRow,
    CART_EVENTS: CartEventRow,
    SYSTEM_METRICS: SystemMetricRow,
}
_RAISE: Final = """
INSERT INTO transaction_anomalies
    (transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at, description,
     event_time, threshold)
VALUES ($1, $2, $3, $4, $5, CURRENT_TIMESTAMP, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1"""


@dataclass(slots=True)
class KafkaReplayResult:
    """Per topic: records read, rows put back; partitions whose first records Kafka has deleted."""

    read: Counter[str] = field(default_factory=Counter)
    restored: Counter[str] = field(default_factory=Counter)
    anomalies: int = 0
    gone: list[str] = field(default_factory=list)
    days: set[datetime] = field(default_factory=set)


class KafkaReplay:
    """Walks the source topics below the ledger; `start` and `end` bound event time, [start, end)."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, kafka: KafkaReader) -> None:
        self._connection = connection
        self._kafka = kafka
        self._limits = time_limits(settings.stream)
        self._rules = standard_rules(settings.anomaly)
        self.done = KafkaReplayResult()

    async def run(self, start: datetime, end: datetime) -> KafkaReplayResult:
        """Put back what is lacking; answers what was found."""
        for stored in STORED_TOPICS:
            floor = await retention_floor(self._connection, stored.name)
            await self._topic(stored, start if floor is None else max(start, floor), end)
        return self.done

    async def _topic(self, stored: StoredTopic, start: datetime, end: datetime) -> None:
        """Collect what is lacking in all partitions, then choose among records of one id."""
        await self._connection.execute(create_sql(stored))
        ledger = await self._connection.fetch(
            "SELECT partition, next_offset FROM stream_progress WHERE topic = $1 ORDER BY 1", stored.name
        )
        for partition, next_offset in ledger:
            await self._collect(stored, partition, next_offset, (start, end))
        await self._connection.execute(choose_sql(stored))
        for partition, _ in ledger:
            await self._put_back(stored, partition)
        await self._connection.execute("DROP TABLE lacking, chosen")

    async def _collect(
        self, stored: StoredTopic, partition: int, next_offset: int, span: tuple[datetime, datetime]
    ) -> None:
        low, high = await self._kafka.bounds(stored.name, partition)
        if low > 0:
            self.done.gone.append(f"{stored.name}[{partition}] below offset {low}")
        decoder = DECODERS[stored.name](self._limits)
        erased = await read_erased(self._connection, stored.name)
        end = min(high, next_offset)
        async for batch in self._kafka.read(stored.name, partition, low, end):
            self.done.read[stored.name] += len(batch)
            times = {record.offset: record.time_ms for record in batch}
            rows = without_erased(decoder.decode(map(_attempt, batch)), erased).rows
            rows = [row for row in rows if span[0] <= row.timestamp < span[1]]
            if rows:
                arrays = [list(column) for column in zip(*rows, strict=True)]
                kafka_ms = [times[row.source_offset] for row in rows]
                await self._connection.execute(collect_sql(stored), partition, kafka_ms, *arrays)

    async def _put_back(self, stored: StoredTopic, partition: int) -> None:
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
            rows = [_ROW_TYPES[stored.name](*row.values()) for row in found]
            await self._insert(stored, partition, rows)
            last = rows[-1].source_offset

    async def _insert(self, stored: StoredTopic, partition: int, rows: Sequence[Any]) -> None:
        """Under the partition's fence, so that no chunk stores the same id meanwhile."""
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
                await self._judge(partition, cast(Sequence[TransactionRow], kept))
        self.done.restored[stored.name] += len(kept)
        self.done.days |= {_day(row.timestamp) for row in kept}

    async def _judge(self, partition: int, rows: Sequence[TransactionRow]) -> None:
        """Raise what the rows raised the first time, where it is gone as well."""
        counts = await count_recent(self._connection, partition, rows)
        measures = Measures([row.amount_cents for row in rows], [row.quantity for row in rows], counts)
        raised = [(rows[anomaly.place], anomaly) for anomaly in judge(self._rules, measures)]
        for row, anomaly in raised:
            inserted = await self._connection.fetchval(_RAISE, *_anomaly_row(row, anomaly))
            self.done.anomalies += inserted is not None


def _attempt(record: Record) -> Attempt:
    return Attempt(record.key, record.value, record.time_ms, record.offset)


def _anomaly_row(row: TransactionRow, anomaly: Anomaly) -> tuple[Any, ...]:
    return (
        row.transaction_id,
        row.user_id,
        decimal_from_cents(row.amount_cents),
        anomaly.score,
        anomaly.anomaly_type,
        anomaly.description,
        row.timestamp,
        anomaly.threshold,
    )


def _day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
