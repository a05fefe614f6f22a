"""Detects anomalies among accepted transactions, inside the sink's transaction.

Velocity comes from memory where the user's last minute lies above the horizon. The rest is counted in PostgreSQL, in
one query for the whole chunk after its rows have been inserted, so that both ways count the same events.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol, TypeVar

import asyncpg

from app.domain.anomalies import Anomaly, Measures, Rule, evaluate
from app.domain.money import decimal_from_cents
from app.events.rows import TransactionRow
from app.sink.ledger import NO_PARTITION
from tables.velocity import PartitionVelocity

_COUNT_BELOW_HORIZON: Final = """
SELECT count(t.transaction_id) AS recent
FROM unnest($2::TEXT[], $3::TIMESTAMPTZ[], $4::BIGINT[]) WITH ORDINALITY
    AS candidate (user_id, at, source_offset, place)
LEFT JOIN transactions t
    ON t.user_id = candidate.user_id
    AND t.timestamp > candidate.at - interval '60 seconds' AND t.timestamp <= candidate.at
    AND t.source_partition = $1 AND t.source_offset <= candidate.source_offset
GROUP BY candidate.place ORDER BY candidate.place"""
_INSERT: Final = """
INSERT INTO transaction_anomalies
    (transaction_id, user_id, amount, anomaly_score, anomaly_type, detected_at, description,
     event_time, threshold)
SELECT id, user_id, amount, score, type, $1, description, event_time, threshold FROM unnest(
    $2::TEXT[], $3::TEXT[], $4::NUMERIC[], $5::NUMERIC[], $6::TEXT[], $7::TEXT[], $8::TIMESTAMPTZ[],
    $9::NUMERIC[]) AS raised (id, user_id, amount, score, type, description, event_time, threshold)
-- An order that was deleted and arrives again: its anomalies were kept, each is stored once.
ON CONFLICT (transaction_id, anomaly_type) DO NOTHING"""


class DetectedAnomaly(NamedTuple):
    """An anomaly and the transaction that raised it."""

    row: TransactionRow
    anomaly: Anomaly


RowContraT = TypeVar("RowContraT", contravariant=True)


class Detector(Protocol[RowContraT]):
    """Detects anomalies among the accepted rows of a chunk, within its transaction."""

    async def detect(
        self,
        connection: asyncpg.Connection,
        partition: int,
        velocity: PartitionVelocity,
        rows: Sequence[RowContraT],
        timestamps_us: Sequence[int],
    ) -> list[str]:
        """Stores the anomalies and returns their types."""
        ...

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Runs the detector's statements without effect, so that the connection has them prepared."""


class AnomalyDetector:
    """Applies the rules to the accepted rows of a chunk and stores the anomalies."""

    def __init__(self, rules: Sequence[Rule], clock: Callable[[], datetime]) -> None:
        self._rules = rules
        self._clock = clock

    async def detect(
        self,
        connection: asyncpg.Connection,
        partition: int,
        velocity: PartitionVelocity,
        rows: Sequence[TransactionRow],
        timestamps_us: Sequence[int],
    ) -> list[str]:
        """Stores the anomalies and returns their types; the rows, in offset order, are added to the velocity state."""
        recent = [
            velocity.add(row.user_id, timestamp_us) for row, timestamp_us in zip(rows, timestamps_us, strict=True)
        ]
        counts = await _complete(connection, partition, rows, recent)
        measures = Measures([row.amount_cents for row in rows], [row.quantity for row in rows], counts)
        anomalies = evaluate(self._rules, measures)
        if anomalies:
            await self._store(connection, [DetectedAnomaly(rows[a.place], a) for a in anomalies])
        return [anomaly.anomaly_type for anomaly in anomalies]

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Counts and inserts nothing, so that the connection has the statements prepared."""
        await connection.fetch(_COUNT_BELOW_HORIZON, NO_PARTITION, [], [], [])
        await self._store(connection, [])

    async def _store(self, connection: asyncpg.Connection, raised: Sequence[DetectedAnomaly]) -> None:
        await connection.execute(
            _INSERT,
            self._clock(),
            [row.transaction_id for row, _ in raised],
            [row.user_id for row, _ in raised],
            [decimal_from_cents(row.amount_cents) for row, _ in raised],
            [anomaly.score for _, anomaly in raised],
            [anomaly.anomaly_type for _, anomaly in raised],
            [anomaly.description for _, anomaly in raised],
            [row.timestamp for row, _ in raised],
            [anomaly.threshold for _, anomaly in raised],
        )


async def _complete(
    connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow], recent: Sequence[int | None]
) -> list[int]:
    """Completes the counts with those that only PostgreSQL knows."""
    unknown = [row for row, count in zip(rows, recent, strict=True) if count is None]
    if not unknown:
        return [count for count in recent if count is not None]
    counted = iter(await count_recent(connection, partition, unknown))
    return [next(counted) if count is None else count for count in recent]


async def count_recent(connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow]) -> list[int]:
    """Counts per row the stored orders of its user in its last 60 s, of this partition up to its offset."""
    counted = await connection.fetch(
        _COUNT_BELOW_HORIZON,
        partition,
        [row.user_id for row in rows],
        [row.timestamp for row in rows],
        [row.source_offset for row in rows],
    )
    return [row["recent"] for row in counted]
