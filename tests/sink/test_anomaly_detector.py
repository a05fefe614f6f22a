"""Anomalies: counted from memory or in PostgreSQL, the verdicts are the same."""

from datetime import timedelta
from decimal import Decimal
from random import Random

from app.domain.anomalies import ANOMALY_TYPES
from app.domain.names import name_or_unknown
from app.events.topics.transactions import TransactionRow
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.ledger import Progress
from app.sink.partition_state import PartitionState
from app.sink.stateful_rules import new_states
from app.sink.tables import STORED_TOPICS
from tables.sales_state import SalesState
from tests.sink.chunk_slices import NOON, Sink, order, work_of
from tests.support.databases import Database

JUDGED_AT = NOON + timedelta(days=1)
FAR_FUTURE_US = 10**16

Verdict = tuple[int, str, Decimal]


def _judge() -> AnomalyDetector:
    return AnomalyDetector(lambda: JUDGED_AT)


def _stream(prefix: str) -> list[TransactionRow]:
    """Three users' orders, out of order, on whole and broken seconds, with some in the future."""
    random = Random(7)
    rows = []
    for n in range(400):
        micros = random.choice([random.randrange(400 * 10**6), random.randrange(400) * 10**6])
        stray = 280 * 10**6 if random.random() < 0.05 else 0
        rows.append(
            order(
                n,
                transaction_id=f"{prefix}{n}",
                user_id=random.choice("abc"),
                timestamp=NOON + timedelta(microseconds=micros // 8 + n * 10**6 + stray),
                amount_cents=random.choice([100, 500_000, 500_001]),
                quantity=random.choice([1, 9, 10]),
            )
        )
    return rows


def naive(rows: list[TransactionRow]) -> set[Verdict]:
    """The contract's rules over everything accepted up to each order."""
    verdicts: set[Verdict] = set()
    for place, row in enumerate(rows):
        recent = sum(
            other.user_id == row.user_id and row.timestamp - timedelta(seconds=60) < other.timestamp <= row.timestamp
            for other in rows[: place + 1]
        )
        for name, value, threshold, holds in (
            ("high_value", row.amount_cents, 500_000, row.amount_cents > 500_000),
            ("unusual_quantity", row.quantity, 10, row.quantity >= 10),
            ("rapid_transactions", recent, 5, recent >= 6),
        ):
            if holds:
                score = (Decimal(value) / threshold).quantize(Decimal("0.0001"))
                verdicts.add((row.source_offset, name, score))
    return verdicts


async def _commit_in_chunks(
    sink: Sink, partition: int, rows: list[TransactionRow], state: PartitionState | None
) -> None:
    random = Random(partition)
    while rows:
        size = random.randrange(1, 60)
        await sink.commit(work_of(rows[:size], partition=partition), state)
        rows = rows[size:]


async def test_memory_database_and_a_naive_count_agree(database: Database) -> None:
    """Partition 0 lives on, 1 is loaded before each chunk, 2 always asks the database."""
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=_judge())
        await _commit_in_chunks(sink, 0, _stream("lived-"), await sink.state(0))
        await _commit_in_chunks(sink, 1, _stream("loaded-"), None)
        await sink.state(2)
        blind = PartitionState(Progress(0), SalesState(new_states(FAR_FUTURE_US), name_or_unknown))
        await _commit_in_chunks(sink, 2, _stream("asked-"), blind)
    expected = naive(_stream(""))
    assert {name for _, name, _ in expected} == set(ANOMALY_TYPES)
    for partition in range(3):
        rows = await database.fetch(
            """SELECT t.source_offset, a.anomaly_type, a.anomaly_score
            FROM transaction_anomalies a JOIN transactions t USING (transaction_id)
            WHERE t.source_partition = $1""",
            partition,
        )
        assert len(rows) == len(expected)
        assert set(map(tuple, rows)) == expected
    horizons = await database.fetch("SELECT horizon FROM stream_progress ORDER BY partition")
    assert horizons[0] is not None


async def test_an_anomaly_tells_what_it_was_judged_by(database: Database) -> None:
    rows = [order(0, amount_cents=900_000, quantity=12)]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        result = await Sink(connection, detector=_judge()).commit(work_of(rows))
    assert list(result.anomalies) == ["high_value", "unusual_quantity"]
    stored = await database.fetch("SELECT * FROM transaction_anomalies ORDER BY anomaly_type")
    high = dict(stored[0])
    assert (high["transaction_id"], high["user_id"]) == ("t000000", "ada")
    assert (high["amount"], high["threshold"]) == (Decimal("9000.00"), Decimal("5000.00"))
    assert high["anomaly_score"] == Decimal("1.8000")
    assert high["description"] == "High value transaction: $9000.00"
    assert (high["event_time"], high["detected_at"]) == (NOON, JUDGED_AT)
    assert high["position"] is None


async def test_an_order_that_was_deleted_and_comes_again_keeps_its_anomalies(database: Database) -> None:
    """Retention keeps anomalies for ever: the order must not fail on its own."""
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        sink = Sink(connection, detector=_judge())
        await sink.commit(work_of([order(0, transaction_id="big", amount_cents=900_000)]))
        async with database.owner() as owner:
            await owner.execute("DELETE FROM transactions")
        await sink.commit(work_of([order(1, transaction_id="big", amount_cents=900_000)]))
    rows = await database.fetch("SELECT transaction_id, source_offset FROM transactions")
    assert [tuple(row) for row in rows] == [("big", 1)]
    (kept,) = await database.fetch("SELECT transaction_id, anomaly_type FROM transaction_anomalies")
    assert tuple(kept) == ("big", "high_value")


async def test_duplicates_are_not_judged(database: Database) -> None:
    rows = [order(n, transaction_id="same", amount_cents=600_000 + n) for n in range(8)]
    async with database.worker(STORED_TOPICS["transactions"]) as connection:
        result = await Sink(connection, detector=_judge()).commit(work_of(rows))
    assert list(result.anomalies) == ["high_value"]
