"""Detects anomalies among accepted transactions, inside the sink's transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import asyncpg

from app.domain.anomalies import Anomaly, Rule, evaluate
from app.domain.money import decimal_from_cents
from app.events.topics.transactions import TransactionRow
from app.sink.ledger import NO_PARTITION
from app.sink.stateful_rules import STATEFUL_RULES, StatefulRule, count
from tables.sales_state import SalesState

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
        sales: SalesState,
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
        stateful = {rule.measure for rule in STATEFUL_RULES}
        self._fields = {rule.measure: attrgetter(rule.measure) for rule in rules if rule.measure not in stateful}

    async def detect(
        self,
        connection: asyncpg.Connection,
        partition: int,
        sales: SalesState,
        rows: Sequence[TransactionRow],
        timestamps_us: Sequence[int],
    ) -> list[str]:
        """Stores the anomalies and returns their types; the rows, in offset order, are added to the rules' states."""
        measures = {}
        for rule in STATEFUL_RULES:
            known = rule.add(sales.rules[rule.measure], rows, timestamps_us)
            measures[rule.measure] = await _complete(connection, rule, partition, rows, known)
        raised = self._raised(rows, measures)
        if raised:
            await self._store(connection, raised)
        return [anomaly.anomaly_type for _, anomaly in raised]

    async def detect_again(self, connection: asyncpg.Connection, partition: int, rows: Sequence[TransactionRow]) -> int:
        """Stores the missing anomalies of stored rows, without any state; returns how many were missing."""
        measures = {rule.measure: await count(connection, rule, partition, rows) for rule in STATEFUL_RULES}
        return await self._store(connection, self._raised(rows, measures))

    async def prepare(self, connection: asyncpg.Connection) -> None:
        """Counts and inserts nothing, so that the connection has the statements prepared."""
        for rule in STATEFUL_RULES:
            await count(connection, rule, NO_PARTITION, [])
        await self._store(connection, [])

    def _raised(self, rows: Sequence[TransactionRow], measures: Mapping[str, Sequence[int]]) -> list[DetectedAnomaly]:
        fields = {name: list(map(value, rows)) for name, value in self._fields.items()}
        return [DetectedAnomaly(rows[a.place], a) for a in evaluate(self._rules, {**fields, **measures})]

    async def _store(self, connection: asyncpg.Connection, raised: Sequence[DetectedAnomaly]) -> int:
        status = await connection.execute(
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
        return int(status.rsplit(" ", 1)[1])


async def _complete(
    connection: asyncpg.Connection,
    rule: StatefulRule[Any],
    partition: int,
    rows: Sequence[TransactionRow],
    known: Sequence[int | None],
) -> list[int]:
    """Completes the measures with those that only PostgreSQL knows."""
    unknown = [row for row, measure in zip(rows, known, strict=True) if measure is None]
    if not unknown:
        return [measure for measure in known if measure is not None]
    counted = iter(await count(connection, rule, partition, unknown))
    return [next(counted) if measure is None else measure for measure in known]
